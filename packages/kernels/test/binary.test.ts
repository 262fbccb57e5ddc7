import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { compile, families, sourceOf } from '../scripts/build-wasm.mjs';

/** The sections of a module by id, and its imports and exports, read by the format's definition. */
function sectionsOf(bytes: Uint8Array): Map<number, Uint8Array> {
  expect([...bytes.subarray(0, 8)]).toEqual([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const sections = new Map<number, Uint8Array>();
  let at = 8;
  while (at < bytes.length) {
    const id = bytes[at++]!;
    let [length, shift] = [0, 0];
    for (let byte = 0x80; byte & 0x80; shift += 7) {
      byte = bytes[at++]!;
      length += (byte & 0x7f) * 2 ** shift;
    }
    sections.set(id, bytes.subarray(at, at + length));
    at += length;
  }
  expect(at).toBe(bytes.length);
  return sections;
}

const id = { custom: 0, imports: 2, table: 4, memory: 5, global: 6, start: 8, element: 9, data: 11, dataCount: 12 };
const binaries = Object.entries(families).flatMap(([family, variants]) =>
  variants.map((variant) => [family, variant] as const),
);

describe.each(binaries)('%s, %s', (family, variant) => {
  test('has no data, no stack pointer or other global, no table, no memory of its own, and nothing runs by itself', async () => {
    const sections = sectionsOf(await compile(family, variant));
    for (const name of ['table', 'memory', 'global', 'start', 'element', 'data', 'dataCount', 'custom'] as const) {
      expect([name, sections.has(id[name])]).toEqual([name, false]);
    }
    // One import: "env" "memory", a memory, no maximum, at least 0 pages; or a shared one, of at most 65536 (LEB128).
    const text = (name: string): number[] => [name.length, ...Buffer.from(name)];
    const limits = variant === 'shared' ? [3, 0, 0x80, 0x80, 4] : [0, 0];
    expect([...sections.get(id.imports)!]).toEqual([1, ...text('env'), ...text('memory'), 2, ...limits]);
  });
});

test.each(Object.keys(families))('%s as committed is what the compiler makes of its source', async (family) => {
  const committed = await readFile(new URL(`../src/binaries/${family}.ts`, import.meta.url), 'utf8');
  expect(committed).toBe(await sourceOf(family));
});
