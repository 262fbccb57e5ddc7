import { DataError, show } from '@tsrl/core';
import { parseSafetensors, type Safetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { isJsonObject, parseJsonObject } from './json.js';
import { createLlama, type Llama, type LlamaOptions } from './llama.js';
import { type LlamaConfig, llamaConfigJson, parseLlamaConfig } from './llama-config.js';
import { EMBEDDING, llamaShapes } from './llama-weights.js';
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
}

/** A language model and the tokenizer that belongs to it. */
export interface LanguageModel {
  readonly model: Llama;
  readonly tokenizer: Tokenizer;
}

/**
 * A Llama-family model from the bytes of its files; F32, F16 and BF16 weights become float32.
 *
 * @throws DataError naming file and tensor when one is missing, unknown, twice there, of another shape or not finite
 */
export function loadLlama({ config, weights, tokenizer }: ModelFiles, options: LlamaOptions = {}): LanguageModel {
  const parsed = parseLlamaConfig(config.text, config.file);
  const words = parseTokenizer(tokenizer.text, tokenizer.file, parsed.vocabularySize);
  const where = locate(
    parsed,
    weights.map(({ bytes, file }) => ({ file, shard: parseSafetensors(bytes, file) })),
    config.file,
  );
  const model = createLlama(parsed, (name) => readFloats(where.get(name) as Shard, name), options);
  return { model, tokenizer: words };
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

/** The files of a model: `config.json`, `model.safetensors` and `tokenizer.json`, by name. */
export async function modelFiles(
  { model, tokenizer }: LanguageModel,
  { dtype = 'F32' }: SaveOptions = {},
): Promise<Map<string, string | Uint8Array>> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, variable] of model.weights) {
    tensors.set(name, { shape: variable.shape, data: Float32Array.from(await variable.data()) });
  }
  const torch = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;
  return new Map<string, string | Uint8Array>([
    ['config.json', llamaConfigJson(model.config, torch[dtype])],
    ['model.safetensors', writeSafetensors(tensors, { dtype, metadata: { format: 'pt' } })],
    ['tokenizer.json', `${JSON.stringify(tokenizer.json)}\n`],
  ]);
}

/** A parsed weight file and its name, for errors. */
export interface Shard {
  readonly file: string;
  readonly shard: Safetensors;
}

/** In which shard each weight stands, when the shards hold exactly the weights of the model. */
function locate(config: LlamaConfig, shards: readonly Shard[], configFile: string): Map<string, Shard> {
  const expected = llamaShapes(config);
  const where = new Map<string, Shard>();
  for (const shard of shards) {
    for (const [name, { shape }] of shard.shard.tensors) {
      if (name.endsWith('.rotary_emb.inv_freq')) continue; // a constant that old files carry
      const first = where.get(name);
      if (first) throw new DataError(shard.file, `tensor ${show(name)} stands in ${first.file} already`);
      where.set(name, shard);
      const wanted = expected.get(name) ?? (name === 'lm_head.weight' ? expected.get(EMBEDDING) : undefined);
      if (!wanted) throw new DataError(shard.file, `tensor ${show(name)} has no place in the model of ${configFile}`);
      if (show(shape) !== show(wanted)) {
        const problem = `must have shape ${show(wanted)} by ${configFile}; got ${show(shape)}`;
        throw new DataError(shard.file, `tensor ${show(name)} ${problem}`);
      }
    }
  }
  const missing = [...expected.keys()].find((name) => !where.has(name));
  if (missing !== undefined) {
    const files = shards.map(({ file }) => file).join(', ');
    throw new DataError(files, `tensor ${show(missing)} is missing, which the model of ${configFile} needs`);
  }
  if (config.tieWordEmbeddings) checkTied(where);
  return where;
}

/** Some files store a tied output projection all the same; another one than the embedding would be lost silently. */
function checkTied(where: ReadonlyMap<string, Shard>): void {
  const head = where.get('lm_head.weight');
  if (!head) return;
  const embedding = readFloats(where.get(EMBEDDING) as Shard, EMBEDDING);
  if (readFloats(head, 'lm_head.weight').some((x, i) => x !== embedding[i])) {
    throw new DataError(head.file, 'lm_head.weight differs from the embedding that the configuration ties it to');
  }
}

/** The elements of a tensor of numbers, all finite. */
export function readFloats({ file, shard }: Shard, name: string): Float32Array {
  const { dtype, shape, data } = shard.read(name);
  if (!(data instanceof Float32Array)) {
    throw new DataError(file, `tensor ${show(name)} must be F32, F16 or BF16; got ${dtype} ${show(shape)}`);
  }
  const at = data.findIndex((x) => !Number.isFinite(x));
  if (at >= 0) throw new DataError(file, `tensor ${show(name)} has ${data[at]} at element ${at}; weights are finite`);
  return data;
}
