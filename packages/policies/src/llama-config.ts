import { DataError, show } from '@tsrl/core';
import { type ConfigFields, configFields, type SpecialTokens } from './config-fields.js';
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
  readonly specialTokens: SpecialTokens;
}

/** Model types whose mathematics is exactly this one. */
export const llamaTypes: readonly string[] = ['llama', 'mistral'];

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
  const fields = configFields(json, file);
  refuseOthers(json, file, fields);

  const { positive, real } = fields;
  const hiddenSize = positive('hidden_size');
  const heads = positive('num_attention_heads');
  const keyValueHeads = positive('num_key_value_heads', heads);
  const headSize = positive('head_dim', hiddenSize / heads);
  if (heads % keyValueHeads !== 0) {
    throw new DataError(file, `num_key_value_heads must divide num_attention_heads, ${heads}; got ${keyValueHeads}`);
  }
  if (headSize % 2 !== 0) throw new DataError(file, `head_dim must be even; got ${headSize}`);
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
    tieWordEmbeddings: fields.flag('tie_word_embeddings', false),
    specialTokens: fields.specialTokens(),
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

function refuseOthers(json: JsonObject, file: string, { only }: ConfigFields): void {
  if (!llamaTypes.includes(json['model_type'] as string)) {
    throw new DataError(file, `model_type ${show(json['model_type'])} is not supported; only ${llamaTypes.join(', ')}`);
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
