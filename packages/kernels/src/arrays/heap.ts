import { BackendError } from '@tsrl/core';
import type { Heap } from '../heap.js';
import type { WasmMemory } from '../web-assembly.js';

// Present in every environment that the package runs in, but part of no ECMAScript library.
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number }) => WasmMemory & { grow(pages: number): number };
};

/** The unit of growth, and a line of the cache: vectors that straddle lines cost a second access. */
const [page, line] = [65536, 64];

/**
 * A memory of its own, in pieces aligned to 64 bytes. It grows when it must, which detaches every view of it, and never
 * shrinks: what is freed is given out again.
 *
 * @throws BackendError where there is no WebAssembly, and from `allocate` when nothing is left
 */
export function createHeap(): Heap {
  let memory: InstanceType<typeof WebAssembly.Memory>;
  try {
    memory = new WebAssembly.Memory({ initial: 1 });
  } catch (cause) {
    throw new BackendError('kernels', 'this environment has no WebAssembly', { cause });
  }
  // In the order of their addresses. The first piece begins at a line, so that 0 is no address.
  const pieces: { readonly start: number; readonly end: number }[] = [];
  return {
    memory,
    allocate(bytes) {
      let start = line;
      let at = 0;
      const size = Math.max(line, Math.ceil(bytes / line) * line);
      for (; at < pieces.length; at++) {
        const next = pieces[at] as (typeof pieces)[number];
        if (start + size <= next.start) break;
        start = next.end;
      }
      const missing = start + size - memory.buffer.byteLength;
      try {
        if (missing > 0) memory.grow(Math.ceil(missing / page));
      } catch (cause) {
        const problem = `the memory of the kernels, which ends at 4 GiB, has no ${bytes} bytes left`;
        throw new BackendError('kernels', problem, { cause });
      }
      pieces.splice(at, 0, { start, end: start + size });
      return start;
    },
    free(address) {
      const at = pieces.findIndex(({ start }) => start === address);
      if (at >= 0) pieces.splice(at, 1);
    },
  };
}

let shared: Heap | undefined;

/** The one memory through which the functions over typed arrays pass their numbers. */
export function privateHeap(): Heap {
  shared ??= createHeap();
  return shared;
}

/** A family of kernels in the private memory, made when it is first asked for. */
export function onPrivateHeap<T>(instantiate: (heap: Heap) => T): () => T {
  let instance: T | undefined;
  return () => {
    instance ??= instantiate(privateHeap());
    return instance;
  };
}

/** What `use` returns, which may fill so many bytes at the address that it is given while it runs. */
export function withRoom<T>(bytes: number, use: (address: number) => T): T {
  const heap = privateHeap();
  const address = heap.allocate(bytes);
  try {
    return use(address);
  } finally {
    heap.free(address);
  }
}

/** So many floats of the private memory; valid until the next allocation. */
export function floatsAt(address: number, length: number): Float32Array {
  return new Float32Array(privateHeap().memory.buffer, address, length);
}

/** So many integers of the private memory; valid until the next allocation. */
export function integersAt(address: number, length: number): Int32Array {
  return new Int32Array(privateHeap().memory.buffer, address, length);
}
