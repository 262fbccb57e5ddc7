import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { supportTriage } from '@tsrl/data';
import { afterAll, vi } from 'vitest';
import { main } from '../src/program.ts';

/** What a command said and how it ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process: fast, and from the sources. */
export async function tsrl(...args: readonly (string | number)[]): Promise<Ended> {
  const said = { stdout: '', stderr: '' };
  const listen = (name: 'stdout' | 'stderr') =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text);
      return true;
    });
  const spies = [listen('stdout'), listen('stderr')];
  const before = tf.memory().numTensors;
  try {
    const code = await main(['node', 'tsrl', ...args.map(String)]);
    if (code !== 0) tf.disposeVariables(); // a process that fails ends, and frees nothing
    const left = tf.memory().numTensors - before;
    if (left !== 0) throw new Error(`tsrl ${args[0]} left ${left} tensors`);
    return { code, signal: null, ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const bin = fileURLToPath(new URL('../bin/tsrl.js', import.meta.url));

/** Starts a process of the built command line; `meanwhile` may watch it, and kill it. */
export function spawnTsrl(
  args: readonly (string | number)[],
  meanwhile: (child: ChildProcess, said: { stdout: string; stderr: string }) => void = () => {},
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
    meanwhile(child, said);
  });
}

/** A folder of this test file's own, removed at its end. */
export function temporaryFolder(): (...path: string[]) => string {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-cli-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (...path) => join(folder, ...path);
}

/** Generated messages as JSON Lines. */
export function writeTexts(file: string, count: number, seed: number): string {
  const lines = supportTriage(count, createRng(seed), { prior: 0.3 });
  writeFileSync(file, lines.map(({ text, label }) => `${JSON.stringify({ text, label })}\n`).join(''));
  return file;
}

/** Every file under a directory, as the hash of its bytes. */
export function hashes(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((file) => statSync(file).isFile())
    .sort();
  const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
  return Object.fromEntries(files.map((file) => [relative(directory, file), hash(file)]));
}

export const readJson = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

/** `result.json` without what no two runs share: the times. */
export function timeless(result: Record<string, unknown>): Record<string, unknown> {
  const { seconds, tokensPerSecond, ...rest } = result;
  return rest;
}
