import * as tf from '@tensorflow/tfjs-core';
import { ShapeError, show } from '@tsrl/core';
import { gelu, layerNorm, type TokenBatch } from '@tsrl/tensor';
import type { BertConfig } from './bert-config.js';
import { bertShapes } from './bert-weights.js';
import { bidirectionalAttention } from './bidirectional-attention.js';
import type { LlamaOptions } from './llama.js';
import type { Lora } from './lora.js';
import { namedVariables, type WeightSource } from './named-variables.js';
import { type Project, projector } from './projections.js';
import { expectIds, expectLengths } from './token-batch.js';

/** Token ids, and to which of two texts each belongs. */
export interface BertBatch extends TokenBatch {
  /** int32 [B, S]; all 0 when left out, as for single texts. */
  readonly tokenTypes?: tf.Tensor2D;
}

/** An encoder of the BERT family: its weights as named variables, and the forward pass over them. */
export interface Bert {
  readonly family: 'bert';
  readonly config: BertConfig;
  /** By Hugging Face name (`encoder.layer.0.attention.self.query.weight`), in the order of {@link bertShapes}. */
  readonly weights: ReadonlyMap<string, tf.Variable>;
  /**
   * float32 [B, S, H]: the hidden states of the last layer. No state of a token depends on the padding behind the row,
   * nor on how long it is; what stands at the padding is finite and meaningless. Padding ids must lie in the
   * vocabulary. With adapters the projections are frozen.
   */
  hidden(tokens: BertBatch, lora?: Lora): tf.Tensor3D;
  /**
   * float32 [B, H]: one vector of each text, by the pooling of the configuration,
   *
   *   h = mean of the states of the tokens, or the state of the first;   h / max(‖h‖, 1e-12) when normalised
   */
  pooled(tokens: BertBatch, lora?: Lora): tf.Tensor2D;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * An encoder of the BERT family from its weights: the sum of token, position and type embeddings; layers of
 * bidirectional attention and a GELU feed-forward, each behind its residual sum normalised by LayerNorm.
 *
 * `transformers`' BertModel has a pooler besides, tanh of a projection of the first state, which is not read here.
 *
 * @param weights the elements of each weight, row-major, by Hugging Face name
 * @throws ShapeError when a weight is missing or of another size, StateError when the names are taken
 * @see Devlin et al. 2018, arXiv:1810.04805; mean pooling: Reimers and Gurevych 2019, arXiv:1908.10084
 */
export function createBert(config: BertConfig, weights: WeightSource, { scope = '' }: LlamaOptions = {}): Bert {
  const variables = namedVariables('bert', bertShapes(config), weights, scope);
  const { hiddenSize, heads } = config;
  const vector = (name: string): tf.Tensor1D => variables.get(name) as tf.Tensor as tf.Tensor1D;
  const matrix = (name: string): tf.Tensor2D => variables.get(name) as tf.Tensor as tf.Tensor2D;
  const norm = (x: tf.Tensor2D, name: string): tf.Tensor2D =>
    layerNorm(x, vector(`${name}.weight`), vector(`${name}.bias`), { epsilon: config.layerNormEpsilon });

  const embed = ({ ids, tokenTypes }: BertBatch): tf.Tensor2D => {
    const [batch, length] = ids.shape;
    const words = tf.gather(matrix('embeddings.word_embeddings.weight'), ids);
    const positions = tf.slice(matrix('embeddings.position_embeddings.weight'), [0, 0], [length, -1]);
    const types = matrix('embeddings.token_type_embeddings.weight');
    const typed = tokenTypes ? tf.gather(types, tokenTypes) : tf.slice(types, [0, 0], [1, -1]);
    const sum = tf.add(words, tf.add(typed, positions));
    return norm(tf.reshape(sum, [batch * length, hiddenSize]), 'embeddings.LayerNorm');
  };

  /** [B · S, H] */
  const states = (project: Project, tokens: BertBatch): tf.Tensor2D => {
    const [batch, length] = tokens.ids.shape;
    const padding = tf.mul(tf.sub(1, isToken(tokens)), -1e9);
    const sizes = { batch, length, heads };
    const mask = tf.reshape(padding, [batch, 1, 1, length]);
    let x = embed(tokens);
    for (let layer = 0; layer < config.layers; layer++) {
      const from = x;
      x = tf.tidy(() => {
        const at = `encoder.layer.${layer}`;
        const mixed = bidirectionalAttention(
          project(from, `${at}.attention.self`, 'query', 'key', 'value'),
          mask,
          sizes,
        );
        const attended: tf.Tensor2D = tf.add(from, project(mixed, at, 'attention.output.dense'));
        const middle = norm(attended, `${at}.attention.output.LayerNorm`);
        const wide = gelu(project(middle, at, 'intermediate.dense'), { approximate: config.geluApproximate });
        return norm(tf.add(middle, project(wide, at, 'output.dense')), `${at}.output.LayerNorm`);
      });
    }
    return x;
  };

  const check = ({ ids, lengths, tokenTypes }: BertBatch): void => {
    expectIds('bert', ids, config.maxPositions);
    expectLengths('bert', lengths, ids.shape[0]);
    if (tokenTypes && (tokenTypes.dtype !== 'int32' || show(tokenTypes.shape) !== show(ids.shape))) {
      const got = `${tokenTypes.dtype} ${show(tokenTypes.shape)}`;
      throw new ShapeError('bert', 'tokenTypes', `int32 ${show(ids.shape)}, like ids`, got);
    }
  };

  return {
    family: 'bert',
    config,
    weights: variables,
    hidden(tokens, lora) {
      check(tokens);
      return tf.tidy(() => tf.reshape(states(projector(variables, lora), tokens), [...tokens.ids.shape, hiddenSize]));
    },
    pooled(tokens, lora) {
      check(tokens);
      return tf.tidy(() => {
        const x = states(projector(variables, lora), tokens);
        const all: tf.Tensor3D = tf.reshape(x, [...tokens.ids.shape, hiddenSize]);
        const pooled = poolers[config.pooling](all, tokens);
        return config.normalize ? toUnitLength(pooled) : pooled;
      });
    },
    dispose: () => tf.dispose([...variables.values()]),
  };
}

/** float32 [B, S]: 1 at a token, 0 at padding. */
function isToken({ ids, lengths }: TokenBatch): tf.Tensor2D {
  const places = tf.range(0, ids.shape[1], 1, 'int32');
  return tf.cast(tf.less(places, tf.expandDims(lengths, 1)), 'float32') as tf.Tensor2D;
}

const poolers: Readonly<Record<BertConfig['pooling'], (states: tf.Tensor3D, tokens: TokenBatch) => tf.Tensor2D>> = {
  mean(states, tokens) {
    const shares = tf.div(isToken(tokens), tf.expandDims(tf.cast(tokens.lengths, 'float32'), 1));
    return tf.squeeze(tf.matMul(tf.expandDims(shares, 1), states), [1]);
  },
  first: (states) => tf.squeeze(tf.slice(states, [0, 0, 0], [-1, 1, -1]), [1]),
};

/** x / max(‖x‖, 1e-12), with the gradient 0 and not NaN at x = 0. */
function toUnitLength(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(x, tf.rsqrt(tf.maximum(tf.sum(tf.square(x), -1, true), 1e-24)));
}
