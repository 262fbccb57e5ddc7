export type { HeadForm, HeadInit, PolicyForm, SharedForm, TextPolicy, VerbalizerForm } from './binary-policy.js';
export { type HeadPolicyOptions, headPolicy } from './head-policy.js';
export { createLlama, type Llama, type LlamaOptions } from './llama.js';
export { type LlamaConfig, llamaConfigJson, parseLlamaConfig } from './llama-config.js';
export { llamaShapes } from './llama-weights.js';
export {
  type BinaryFile,
  type LanguageModel,
  loadLlama,
  type ModelFiles,
  modelFiles,
  parseWeightIndex,
  type SaveOptions,
  type TextFile,
} from './load.js';
export { loadPolicy, type PolicyFiles, type PolicySettings, policyFiles } from './save-policy.js';
export { type TinyOptions, tiny } from './tiny.js';
export { tokenBatch } from './token-batch.js';
export { createTokenizer, type Gpt2Files, gpt2TokenizerJson, parseTokenizer, type Tokenizer } from './tokenizer.js';
export { type TrainTokenizerOptions, trainTokenizer } from './train-tokenizer.js';
export {
  type VerbalizerPolicyOptions,
  verbalizerLogits,
  verbalizerMass,
  verbalizerPolicy,
} from './verbalizer-policy.js';
