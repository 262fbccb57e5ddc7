export { createLlama, type Llama, type LlamaOptions, llamaShapes } from './llama.js';
export { type LlamaConfig, llamaConfigJson, parseLlamaConfig } from './llama-config.js';
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
export { createTokenizer, type Gpt2Files, gpt2TokenizerJson, parseTokenizer, type Tokenizer } from './tokenizer.js';
