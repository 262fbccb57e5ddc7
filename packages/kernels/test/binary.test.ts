import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { compile, sourceOf } from '../scripts/build-wasm.mjs';
import { gemmWasm } from '../src/gemm-wasm.ts';

// The types of Node 20 know WebAssembly only as a namespace.
declare const WebAssembly: { readonly Module: { new (bytes: Uint8Array): object; imports(module: object): object[] } };

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

const bytes = new Uint8Array(Buffer.from(gemmWasm, 'base64'));
const id = { custom: 0, imports: 2, table: 4, memory: 5, global: 6, start: 8, element: 9, data: 11, dataCount: 12 };

describe('the module', () => {
  test('has no data, no stack pointer or other global, no table, no memory of its own, and nothing runs by itself', () => {
    const sections = sectionsOf(bytes);
    for (const name of ['table', 'memory', 'global', 'start', 'element', 'data', 'dataCount', 'custom'] as const) {
      expect([name, sections.has(id[name])]).toEqual([name, false]);
    }
  });

  test('imports a memory without bounds, and nothing else', () => {
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
    // One import: "env" "memory", a memory, no maximum, at least 0 pages.
    const text = (name: string): number[] => [name.length, ...Buffer.from(name)];
    expect([...sectionsOf(bytes).get(id.imports)!]).toEqual([1, ...text('env'), ...text('memory'), 2, 0, 0]);
  });

  test('as committed is what the compiler makes of assembly/gemm.ts', async () => {
    const committed = await readFile(new URL('../src/gemm-wasm.ts', import.meta.url), 'utf8');
    expect(committed).toBe(sourceOf(await compile()));
  });
});
