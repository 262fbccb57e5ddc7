import { DataError, show } from '@tsrl/core';
import { isJsonObject, type JsonObject, parseJsonObject } from './json.js';

/** The sizes and constants of a Llama-family model, normalised from a Hugging Face `config.json`. */
export interface LlamaConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  /** Width of the SwiGLU feed-forward. */
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; `heads / keyValueHeads` query heads share one. */
  readonly keyValueHeads: number;
  /** Numbers per head; even. */
  readonly headSize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  /** The longest sequence that the model was made for. */
  readonly maxPositions: number;
  /** Whether the output projection is the embedding. */
  readonly tieWordEmbeddings: boolean;
  /** Ids of special tokens, as they stand in the file. */
  readonly specialTokens: Readonly<Record<string, number | readonly number[]>>;
}

/** Model types whose mathematics is exactly this one. */
const modelTypes = ['llama', 'mistral'];
const specialNames = ['bos_token_id', 'eos_token_id', 'pad_token_id'];

/**
 * Reads a Hugging Face `config.json`.
 *
 * Everything that would change the numbers and is not implemented is refused: other architectures, scaled or partial
 * rotary embeddings, biases, activations other than SiLU, sliding windows, quantised weights. Dropout is ignored.
 *
 * @throws DataError naming the file and the field
 */
export function parseLlamaConfig(text: string, file: string): LlamaConfig {
  const json = parseJsonObject(text, file);
  refuseOthers(json, file);

  const positive = (name: string, fallback?: number): number => {
    const value = json[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    throw new DataError(file, `${name} must be a positive integer; got ${show(value)}`);
  };
  const real = (name: string, value: unknown): number => {
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    throw new DataError(file, `${name} must be a positive number; got ${show(value)}`);
  };
  const hiddenSize = positive('hidden_size');
  const heads = positive('num_attention_heads');
  const keyValueHeads = positive('num_key_value_heads', heads);
  const headSize = positive('head_dim', hiddenSize / heads);
  if (heads % keyValueHeads !== 0) {
    throw new DataError(file, `num_key_value_heads must divide num_attention_heads, ${heads}; got ${keyValueHeads}`);
  }
  if (headSize % 2 !== 0) throw new DataError(file, `head_dim must be even; got ${headSize}`);
  const tied = json['tie_word_embeddings'] ?? false;
  if (typeof tied !== 'boolean') {
    throw new DataError(file, `tie_word_embeddings must be true or false; got ${show(tied)}`);
  }
  return {
    vocabularySize: positive('vocab_size'),
    hiddenSize,
    intermediateSize: positive('intermediate_size'),
    layers: positive('num_hidden_layers'),
    heads,
    keyValueHeads,
    headSize,
    rmsNormEpsilon: real('rms_norm_eps', json['rms_norm_eps'] ?? 1e-6),
    ropeTheta: real('rope_theta', rope(json)['rope_theta'] ?? json['rope_theta'] ?? 10_000),
    maxPositions: positive('max_position_embeddings', 2048),
    tieWordEmbeddings: tied,
    specialTokens: Object.fromEntries(
      specialNames.flatMap((name) => {
        const value = json[name];
        if (value === undefined || value === null) return [];
        const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
        if (ids.every((id) => Number.isSafeInteger(id))) return [[name, value as number | number[]]];
        throw new DataError(file, `${name} must be a token id; got ${show(value)}`);
      }),
    ),
  };
}

/** The `config.json` of a model, as `transformers` reads it. */
export function llamaConfigJson(config: LlamaConfig, dtype: 'float32' | 'float16' | 'bfloat16'): string {
  const json = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tieWordEmbeddings,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: dtype,
    ...config.specialTokens,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

/** Since version 5, `transformers` writes the rotary settings into an object of their own. */
function rope(json: JsonObject): JsonObject {
  return isJsonObject(json['rope_parameters']) ? json['rope_parameters'] : {};
}

function refuseOthers(json: JsonObject, file: string): void {
  const only = (name: string, value: unknown, allowed: readonly unknown[], supported: string): void => {
    if (value !== undefined && !allowed.includes(value)) {
      throw new DataError(file, `${name} ${show(value)} is not supported; only ${supported}`);
    }
  };
  if (!modelTypes.includes(json['model_type'] as string)) {
    throw new DataError(file, `model_type ${show(json['model_type'])} is not supported; only ${modelTypes.join(', ')}`);
  }
  only('hidden_act', json['hidden_act'], ['silu', 'swish'], 'silu');
  only('attention_bias', json['attention_bias'], [false, null], 'false');
  only('mlp_bias', json['mlp_bias'], [false, null], 'false');
  only('rope_scaling', json['rope_scaling'], [null], 'null');
  only('rope_parameters.rope_type', rope(json)['rope_type'], ['default'], 'default');
  only('partial_rotary_factor', json['partial_rotary_factor'], [1, null], '1');
  only('quantization_config', json['quantization_config'], [null], 'null');
  if (json['model_type'] === 'mistral') only('sliding_window', json['sliding_window'], [null], 'null');
}
