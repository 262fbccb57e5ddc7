import { readFile } from 'node:fs/promises';
import type { Limits } from './result.js';

/** What dist/limits.wasm exports, compiled from assembly/limits.ts. */
interface Kernel {
  read(address: number, bytes: number): number;
  scale(from: number, to: number, bytes: number, factor: number): void;
  multiplyAdd(turns: number, factor: number, term: number): number;
}

// Part of every Node, but of no type that this repository includes.
declare const WebAssembly: {
  readonly Memory: new (sizes: { initial: number }) => object;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

const megabyte = 2 ** 20;
/** Larger than the caches of a desktop or of a share of a server. */
const arrayBytes = 128 * megabyte;
const passes = 9;

/** Measures for about half a second. The best of several passes: what else runs can only slow a pass down. */
export async function measureLimits(): Promise<Limits> {
  const bytes = await readFile(new URL('limits.wasm', import.meta.url));
  const memory = new WebAssembly.Memory({ initial: (2 * arrayBytes) / 65_536 });
  const kernel = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
    .exports as unknown as Kernel;
  // By the megabyte: V8 optimises a WebAssembly function between calls, never during one.
  const everywhere = (work: (address: number) => void): void => {
    for (let address = 0; address < arrayBytes; address += megabyte) work(address);
  };
  // Pages that were never written all lie in one page of zeros.
  everywhere((address) => kernel.scale(arrayBytes + address, address, megabyte, 1));
  const turns = 10_000;
  return {
    readGbs: arrayBytes / best(() => everywhere((address) => kernel.read(address, megabyte))) / 1e6,
    scaleGbs:
      (2 * arrayBytes) /
      best(() => everywhere((address) => kernel.scale(address, arrayBytes + address, megabyte, 0.5))) /
      1e6,
    gflops:
      (100 * 96 * turns) /
      best(() => {
        for (let i = 0; i < 100; i++) kernel.multiplyAdd(turns, 0.5, 1);
      }) /
      1e6,
  };
}

function best(pass: () => void): number {
  let shortest = Infinity;
  for (let i = 0; i < passes; i++) {
    const start = performance.now();
    pass();
    shortest = Math.min(shortest, performance.now() - start);
  }
  return shortest;
}
