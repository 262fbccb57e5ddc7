import { DataError, OptionError, show } from '@tsrl/core';
import { type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { type Bert, createBert } from './bert.js';
import { type BertConfig, bertConfigJson, type PoolingOptions, parseBertConfig, poolings } from './bert-config.js';
import { bertName, bertShapes } from './bert-weights.js';
import { isJsonObject, parseJsonObject } from './json.js';
import { createLlama, type Llama, type LlamaOptions } from './llama.js';
import { llamaConfigJson, llamaTypes, parseLlamaConfig } from './llama-config.js';
import { EMBEDDING, llamaShapes } from './llama-weights.js';
import { locateWeights, type Place, readFloats } from './locate-weights.js';
import type { Lora } from './lora.js';
import { mergeLora } from './lora-merge.js';
import { parseSentenceModules, type SentenceModules } from './sentence-modules.js';
import { parseTokenizer, type Tokenizer } from './tokenizer.js';

/** A text file and its name, for errors. */
export interface TextFile {
  readonly file: string;
  readonly text: string;
}

/** A binary file and its name, for errors. */
export interface BinaryFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The files of a model in the Hugging Face layout, however they were fetched. */
export interface ModelFiles {
  /** `config.json` */
  readonly config: TextFile;
  /** `model.safetensors`, or its shards. */
  readonly weights: readonly BinaryFile[];
  /** `tokenizer.json` */
  readonly tokenizer: TextFile;
  /** What sentence-transformers says of the pooling of an encoder; of no account beside a decoder. */
  readonly sentence?: SentenceModules;
  /** Where they stand, as it was given. */
  readonly directory?: string;
}

/** A model and the tokenizer that belongs to it. */
export interface LanguageModel<Model extends Llama | Bert = Llama | Bert> {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** Where they were read from, as it was given; adapters remember it. */
  readonly directory?: string;
}

export interface LoadOptions extends LlamaOptions, Partial<PoolingOptions> {}

/**
 * A model of either family, by the `model_type` of its `config.json`: see {@link loadLlama} and {@link loadBert}.
 *
 * @throws OptionError when a pooling is asked of a decoder, which is read at its last token
 */
export function loadModel(files: ModelFiles, options: LoadOptions = {}): LanguageModel {
  const { file, text } = files.config;
  const type = parseJsonObject(text, file)['model_type'];
  if (type === 'bert') return loadBert(files, options);
  if (!llamaTypes.includes(type as string)) {
    throw new DataError(file, `model_type ${show(type)} is not supported; only ${[...llamaTypes, 'bert'].join(', ')}`);
  }
  const { scope, ...pooling } = options;
  for (const [name, value] of Object.entries(pooling)) {
    if (value !== undefined) throw new OptionError('loadModel', name, `left out for a ${show(type)}`, value);
  }
  return loadLlama(files, scope === undefined ? {} : { scope });
}

/**
 * An encoder of the BERT family from the bytes of its files; F32, F16 and BF16 weights become float32. The pooling is
 * that of the options, else of `config.json` (our two fields), else of sentence-transformers' files, else the mean, not
 * normalised.
 *
 * Heads and the pooler of the files are left aside.
 *
 * @throws DataError naming file and tensor when one is missing, unknown, twice there, of another shape or not finite
 */
export function loadBert(
  { config, weights, tokenizer, sentence, directory }: ModelFiles,
  { pooling, normalize, ...options }: LoadOptions = {},
): LanguageModel<Bert> {
  if (pooling !== undefined && !poolings.includes(pooling)) {
    throw new OptionError('loadBert', 'pooling', `one of ${poolings.join(', ')}`, pooling);
  }
  const read = parseBertConfig(config.text, config.file, sentence && parseSentenceModules(sentence));
  const parsed: BertConfig = {
    ...read,
    pooling: pooling ?? read.pooling,
    normalize: normalize ?? read.normalize,
  };
  const words = parseTokenizer(tokenizer.text, tokenizer.file, parsed.vocabularySize);
  const where = locateWeights({ shapes: bertShapes(parsed), nameOf: bertName }, weights, config.file);
  const model = createBert(parsed, (name) => readAt(where, name), options);
  return { model, tokenizer: words, ...(directory !== undefined && { directory }) };
}

/**
 * A Llama-family model from the bytes of its files; F32, F16 and BF16 weights become float32.
 *
 * @throws DataError naming file and tensor when one is missing, unknown, twice there, of another shape or not finite
 */
export function loadLlama(
  { config, weights, tokenizer, directory }: ModelFiles,
  options: LlamaOptions = {},
): LanguageModel<Llama> {
  const parsed = parseLlamaConfig(config.text, config.file);
  const words = parseTokenizer(tokenizer.text, tokenizer.file, parsed.vocabularySize);
  const shapes = llamaShapes(parsed);
  const optional = new Map([['lm_head.weight', shapes.get(EMBEDDING) as readonly number[]]]);
  // Old files carry the angles, which are constants.
  const nameOf = (name: string): string | undefined => (name.endsWith('.rotary_emb.inv_freq') ? undefined : name);
  const where = locateWeights({ shapes, optional, nameOf }, weights, config.file);
  if (parsed.tieWordEmbeddings) checkTied(where);
  const model = createLlama(parsed, (name) => readAt(where, name), options);
  return { model, tokenizer: words, ...(directory !== undefined && { directory }) };
}

/** The names of the shards that a `model.safetensors.index.json` lists, in order. */
export function parseWeightIndex({ file, text }: TextFile): string[] {
  const map = parseJsonObject(text, file)['weight_map'];
  const names = isJsonObject(map) ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && /^[^/\\]+$/.test(name))) {
    throw new DataError(file, `weight_map must map tensors to files beside it; got ${show(map)}`);
  }
  return (names as string[]).sort();
}

export interface SaveOptions {
  /** How the weights are stored; default `F32`, which loses nothing. */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
}

/**
 * The files of a model: `config.json`, `model.safetensors` and `tokenizer.json`, by name. With adapters, they are those
 * of the model that has W + (alpha / rank) B A in place of W.
 */
export async function modelFiles(
  { model, tokenizer }: LanguageModel,
  { dtype = 'F32' }: SaveOptions = {},
  lora?: Lora,
): Promise<Map<string, string | Uint8Array>> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, variable] of model.weights) {
    const data = Float32Array.from(await variable.data());
    tensors.set(name, { shape: variable.shape, data: lora ? await mergeLora(lora, name, data) : data });
  }
  const torch = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;
  const configJson =
    model.family === 'llama' ? llamaConfigJson(model.config, torch[dtype]) : bertConfigJson(model.config, torch[dtype]);
  return new Map<string, string | Uint8Array>([
    ['config.json', configJson],
    ['model.safetensors', writeSafetensors(tensors, { dtype, metadata: { format: 'pt' } })],
    ['tokenizer.json', `${JSON.stringify(tokenizer.json)}\n`],
  ]);
}

/** Some files store a tied output projection all the same; another one than the embedding would be lost silently. */
function checkTied(where: ReadonlyMap<string, Place>): void {
  const head = where.get('lm_head.weight');
  if (!head) return;
  const embedding = readAt(where, EMBEDDING);
  if (readAt(where, 'lm_head.weight').some((x, i) => x !== embedding[i])) {
    throw new DataError(head.shard.file, 'lm_head.weight differs from the embedding that the configuration ties it to');
  }
}

function readAt(where: ReadonlyMap<string, Place>, weight: string): Float32Array {
  const { shard, name } = where.get(weight) as Place;
  return readFloats(shard, name);
}
