import { DataError, show } from '@tsrl/core';
import { configFields, type SpecialTokens } from './config-fields.js';
import { parseJsonObject } from './json.js';

/** How the states of the tokens of a text become one vector. */
export interface PoolingOptions {
  /** `mean` over the tokens of the text, special ones included, padding not; or the state of the `first`, [CLS]. */
  readonly pooling: 'mean' | 'first';
  /** Whether the pooled vector is divided by its Euclidean length. */
  readonly normalize: boolean;
}

/** The sizes and constants of an encoder of the BERT family, normalised from a Hugging Face `config.json`. */
export interface BertConfig extends PoolingOptions {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  /** Width of the feed-forward. */
  readonly intermediateSize: number;
  readonly layers: number;
  /** Divides `hiddenSize`. */
  readonly heads: number;
  /** Exact GELU, or the approximation by tanh. */
  readonly geluApproximate: 'none' | 'tanh';
  readonly layerNormEpsilon: number;
  /** How many positions have an embedding: the longest sequence. */
  readonly maxPositions: number;
  /** How many token types have an embedding. */
  readonly tokenTypes: number;
  /** Ids of special tokens, as they stand in the file. */
  readonly specialTokens: SpecialTokens;
}

export const poolings: readonly PoolingOptions['pooling'][] = ['mean', 'first'];

/**
 * Reads a Hugging Face `config.json` of `model_type` bert.
 *
 * Everything that would change the numbers and is not implemented is refused: relative positions, decoders, other
 * activations, quantised weights. Dropout is ignored. Two fields are ours, and `transformers` ignores them:
 * `tsrl_pooling` and `tsrl_normalize`.
 *
 * @param fallback the pooling when the file has no such fields; mean, not normalised, by default
 * @throws DataError naming the file and the field
 */
export function parseBertConfig(text: string, file: string, fallback: Partial<PoolingOptions> = {}): BertConfig {
  const json = parseJsonObject(text, file);
  const { positive, real, flag, only, specialTokens } = configFields(json, file);
  if (json['model_type'] !== 'bert') {
    throw new DataError(file, `model_type ${show(json['model_type'])} is not supported; only bert`);
  }
  const activation = json['hidden_act'] ?? 'gelu';
  only('hidden_act', activation, [...exact, ...byTanh], [...exact, ...byTanh].join(', '));
  only('position_embedding_type', json['position_embedding_type'], ['absolute', null], 'absolute');
  only('is_decoder', json['is_decoder'], [false, null], 'false');
  only('quantization_config', json['quantization_config'], [null], 'null');

  const hiddenSize = positive('hidden_size');
  const heads = positive('num_attention_heads');
  if (hiddenSize % heads !== 0) {
    throw new DataError(file, `num_attention_heads must divide hidden_size, ${hiddenSize}; got ${heads}`);
  }
  const pooling = (json['tsrl_pooling'] ?? fallback.pooling ?? 'mean') as PoolingOptions['pooling'];
  if (!poolings.includes(pooling)) {
    throw new DataError(file, `tsrl_pooling must be one of ${poolings.join(', ')}; got ${show(pooling)}`);
  }
  return {
    vocabularySize: positive('vocab_size'),
    hiddenSize,
    intermediateSize: positive('intermediate_size'),
    layers: positive('num_hidden_layers'),
    heads,
    geluApproximate: exact.includes(activation) ? 'none' : 'tanh',
    layerNormEpsilon: real('layer_norm_eps', json['layer_norm_eps'] ?? 1e-12),
    maxPositions: positive('max_position_embeddings', 512),
    tokenTypes: positive('type_vocab_size', 2),
    pooling,
    normalize: flag('tsrl_normalize', fallback.normalize ?? false),
    specialTokens: specialTokens(),
  };
}

/** The names in `transformers` of the two forms. */
const exact: readonly unknown[] = ['gelu'];
const byTanh: readonly unknown[] = ['gelu_new', 'gelu_pytorch_tanh'];

/** The `config.json` of an encoder, as `transformers` reads it, with our two fields. */
export function bertConfigJson(config: BertConfig, dtype: 'float32' | 'float16' | 'bfloat16'): string {
  const json = {
    architectures: ['BertModel'],
    model_type: 'bert',
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    hidden_act: config.geluApproximate === 'none' ? 'gelu' : 'gelu_new',
    layer_norm_eps: config.layerNormEpsilon,
    max_position_embeddings: config.maxPositions,
    type_vocab_size: config.tokenTypes,
    position_embedding_type: 'absolute',
    torch_dtype: dtype,
    tsrl_pooling: config.pooling,
    tsrl_normalize: config.normalize,
    ...config.specialTokens,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
