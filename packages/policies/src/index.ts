export { type Bert, type BertBatch, createBert } from './bert.js';
export { type BertConfig, bertConfigJson, type PoolingOptions, parseBertConfig } from './bert-config.js';
export { bertShapes } from './bert-weights.js';
export type {
  HeadForm,
  HeadInit,
  PolicyForm,
  SharedForm,
  TextPolicy,
  VerbalizerForm,
  VerbalizerWord,
} from './binary-policy.js';
export { contentFreeTexts, contextualBias } from './contextual-bias.js';
export {
  type FeaturePolicy,
  type FeaturePolicyOptions,
  type Features,
  featurePolicy,
  headWeights,
} from './feature-policy.js';
export { type SequenceFeaturesOptions, sequenceFeatures, type TextFeaturesOptions, textFeatures } from './features.js';
export { type HeadPolicyOptions, headPolicy } from './head-policy.js';
export { createLlama, type Llama, type LlamaOptions } from './llama.js';
export { type LlamaConfig, llamaConfigJson, parseLlamaConfig } from './llama-config.js';
export { llamaShapes } from './llama-weights.js';
export {
  type BinaryFile,
  type LanguageModel,
  type LoadOptions,
  loadBert,
  loadLlama,
  loadModel,
  type ModelFiles,
  modelFiles,
  parseWeightIndex,
  type SaveOptions,
  type TextFile,
} from './load.js';
export { createLora, type Lora, type LoraOptions } from './lora.js';
export { type LoraFiles, loadLora } from './lora-files.js';
export {
  loadPolicy,
  type PolicyFiles,
  type PolicySaveOptions,
  type PolicySettings,
  policyFiles,
} from './save-policy.js';
export { poolingPath, type SentenceModules } from './sentence-modules.js';
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
