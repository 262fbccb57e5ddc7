export { type Gemm, type GemmOptions, instantiateGemm, type Operand } from './gemm.js';
export type { Heap } from './heap.js';
export type { WasmMemory } from './web-assembly.js';
