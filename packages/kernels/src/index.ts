export { type Gemm, type GemmOptions, type Heap, instantiateGemm, type Operand, type WasmMemory } from './gemm.js';
