import type { WasmMemory } from './web-assembly.js';

/** The heap of another WebAssembly module: its memory, and how to own a piece of it. Addresses are in bytes. */
export interface Heap {
  /** Not shared; it may grow at any time. */
  readonly memory: WasmMemory;
  allocate(bytes: number): number;
  free(address: number): void;
}
