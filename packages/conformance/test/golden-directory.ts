import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../src/index.ts';

/** A number or nested rows of one length as a golden tensor. */
export type Numbers = number | readonly Numbers[];

export function tensor(numbers: Numbers, dtype = 'float64'): object {
  const shape: number[] = [];
  for (let level = numbers; typeof level !== 'number'; level = level[0] as Numbers) shape.push(level.length);
  return { shape, dtype, data: flat(numbers).map((x) => (Number.isFinite(x) ? x : String(x))) };
}

const flat = (numbers: Numbers): readonly number[] => (typeof numbers === 'number' ? [numbers] : numbers.flatMap(flat));

export const mask = (numbers: Numbers): object => tensor(numbers, 'int64');

/** Writes a directory of golden files: cases become JSON, strings stand as they are. */
export function directoryOf(files: Readonly<Record<string, readonly object[] | string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'conformance-'));
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify({ source: {}, cases: content });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** Runs the command as a user would, and catches what it prints. */
export async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' };
  const code = await runCommand(args, {
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
  });
  return { code, ...written };
}
