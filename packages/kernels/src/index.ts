export {
  type CausalAttentionArrays,
  type CausalAttentionResults,
  causalAttention,
  causalAttentionGradient,
} from './arrays/attention.js';
export { type MatMulArrays, matMul } from './arrays/gemm.js';
export {
  activate,
  activateGradient,
  causalSoftmax,
  causalSoftmaxGradient,
  layerNorm,
  layerNormGradient,
  type NormArrays,
  type RotateArrays,
  rmsNorm,
  rmsNormGradient,
  rotate,
  swiglu,
  swigluGradient,
} from './arrays/layers.js';
export { type LinearLogProbArrays, linearLogProbs } from './arrays/linear-log-probs.js';
export { type LinearTokenGradientArrays, linearTokenGradients } from './arrays/linear-token-gradients.js';
export { addRows, gatherRows, transpose } from './arrays/moves.js';
export {
  type RowStatistics,
  type SelectiveLogSoftmaxArrays,
  type SelectiveLogSoftmaxGradientArrays,
  type SoftmaxOptions,
  selectiveLogSoftmax,
  selectiveLogSoftmaxGradient,
  type TokenGradientArrays,
  tokenGradients,
} from './arrays/softmax.js';
export { type AdamWArrays, adamW, sumOfSquares } from './arrays/updates.js';
export {
  type Attention,
  type AttentionGradients,
  type AttentionInputs,
  type AttentionOutputs,
  type AttentionSizes,
  instantiateAttention,
} from './attention.js';
export { type Gemm, type GemmActivation, type GemmOptions, instantiateGemm, type Operand } from './gemm.js';
export type { Heap } from './heap.js';
export { type Activation, instantiateLayers, type Layers } from './layers.js';
export { instantiateMoves, type Moves } from './moves.js';
export { type SharedReduction, type SumOptions, sharedReduction } from './reduce.js';
export { rotaryTable } from './rotary-table.js';
export {
  instantiateSoftmax,
  type Softmax,
  type SoftmaxGradient,
  type SoftmaxRows,
  type TokenGradients,
  type TokenSlopes,
} from './softmax.js';
export { type AdamWFactors, instantiateUpdates, type Updates } from './updates.js';
export type { WasmMemory } from './web-assembly.js';
