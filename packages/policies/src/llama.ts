import * as tf from '@tensorflow/tfjs-core';
import { attentionAt, causalAttention, rmsNorm, swiglu, type TokenBatch } from '@tsrl/tensor';
import type { LlamaConfig } from './llama-config.js';
import { EMBEDDING, llamaShapes } from './llama-weights.js';
import type { Lora } from './lora.js';
import { namedVariables, type WeightSource } from './named-variables.js';
import { type Project, projector } from './projections.js';
import { expectIds, expectLengths } from './token-batch.js';

/** A decoder-only transformer of the Llama family: its weights as named variables, and the forward pass over them. */
export interface Llama {
  readonly family: 'llama';
  readonly config: LlamaConfig;
  /** By Hugging Face name (`model.layers.0.self_attn.q_proj.weight`), in the order of {@link llamaShapes}. */
  readonly weights: ReadonlyMap<string, tf.Variable>;
  /**
   * float32 [B, S, H]: the hidden states after the last norm.
   *
   * Rows are padded on the right and attention looks only back, so no state of a real token sees the padding and no
   * padding mask is needed; what stands at the padding is meaningless. Padding ids must lie in the vocabulary.
   * With adapters the projections are frozen.
   */
  hidden(ids: tf.Tensor2D, lora?: Lora): tf.Tensor3D;
  /**
   * float32 [B, H]: the hidden state of the last token of each row. The last layer is computed there only, which saves
   * most of one layer of {@link hidden}.
   */
  lastHidden(tokens: TokenBatch, lora?: Lora): tf.Tensor2D;
  /** float32 [N, V]: logits over the vocabulary from hidden states [N, H]. */
  logits(hidden: tf.Tensor2D): tf.Tensor2D;
  /** The output projection [V, H]: the embedding when the two are tied. */
  readonly output: tf.Variable;
  /** Frees the weights. */
  dispose(): void;
}

export interface LlamaOptions {
  /**
   * Stands before the name of every variable. tfjs wants names to be unique, so a second model in the same process
   * (a reference beside a policy) needs one. Files keep the plain names.
   */
  readonly scope?: string;
}

/**
 * A Llama-family model from its weights: RMSNorm, rotary positions (half-split, the Hugging Face convention),
 * grouped-query attention, SwiGLU.
 *
 * @param weights the elements of each weight, row-major, by Hugging Face name
 * @throws ShapeError when a weight is missing or of another size, StateError when the names are taken
 * @see Touvron et al. 2023, arXiv:2302.13971; Su et al. 2021, arXiv:2104.09864; Ainslie et al. 2023, arXiv:2305.13245
 */
export function createLlama(config: LlamaConfig, weights: WeightSource, { scope = '' }: LlamaOptions = {}): Llama {
  const variables = namedVariables('llama', llamaShapes(config), weights, scope);
  const weight = (name: string): tf.Variable => variables.get(name) as tf.Variable;
  const output = weight(config.tieWordEmbeddings ? EMBEDDING : 'lm_head.weight');

  const vector = (name: string): tf.Tensor1D => weight(name) as tf.Tensor as tf.Tensor1D;
  const matrix = (name: string): tf.Tensor2D => weight(name) as tf.Tensor as tf.Tensor2D;
  const norm = (x: tf.Tensor2D, name: string): tf.Tensor2D =>
    rmsNorm(x, vector(name), { epsilon: config.rmsNormEpsilon });
  const { heads, keyValueHeads } = config;
  const attentionOptions = { heads, keyValueHeads, rotary: { theta: config.ropeTheta } };

  /** Attention before its output projection, [B·S, H] to [B·S, heads·d]. */
  const attend = (project: Project, x: tf.Tensor2D, length: number, at: string): tf.Tensor2D =>
    causalAttention(project(x, `${at}.self_attn`, 'q_proj', 'k_proj', 'v_proj'), { ...attentionOptions, length });

  /** The same for the token at position `positions[b]` of each row, which is row `rows[b]` of `x`: [B, heads·d]. */
  const attendAt = (
    project: Project,
    x: tf.Tensor2D,
    rows: tf.Tensor1D,
    positions: tf.Tensor1D,
    at: string,
  ): tf.Tensor2D => {
    const query = project(tf.gather(x, rows), `${at}.self_attn`, 'q_proj');
    return attentionAt(query, project(x, `${at}.self_attn`, 'k_proj', 'v_proj'), positions, attentionOptions);
  };

  /** What follows the attention of a layer: both residual sums. */
  const finish = (project: Project, x: tf.Tensor2D, mixed: tf.Tensor2D, at: string): tf.Tensor2D => {
    const attended: tf.Tensor2D = tf.add(x, project(mixed, `${at}.self_attn`, 'o_proj'));
    const wide = norm(attended, `${at}.post_attention_layernorm.weight`);
    const fed = swiglu(project(wide, `${at}.mlp`, 'gate_proj'), project(wide, `${at}.mlp`, 'up_proj'));
    return tf.add(attended, project(fed, `${at}.mlp`, 'down_proj'));
  };

  /** The residual stream [B·S, H] behind the first `layers` layers. */
  const stream = (project: Project, ids: tf.Tensor2D, layers: number): tf.Tensor2D => {
    const [batch, length] = ids.shape;
    let x = tf.gather(matrix(EMBEDDING), tf.reshape(ids, [batch * length]));
    for (let layer = 0; layer < layers; layer++) {
      const from = x;
      x = tf.tidy(() => {
        const at = `model.layers.${layer}`;
        const normed = norm(from, `${at}.input_layernorm.weight`);
        return finish(project, from, attend(project, normed, length, at), at);
      });
    }
    return x;
  };

  return {
    family: 'llama',
    config,
    weights: variables,
    output,
    hidden(ids, lora) {
      expectIds('llama', ids, config.maxPositions);
      return tf.tidy(() => {
        const x = stream(projector(variables, lora), ids, config.layers);
        return tf.reshape(norm(x, 'model.norm.weight'), [...ids.shape, config.hiddenSize]);
      });
    },
    lastHidden({ ids, lengths }, lora) {
      expectIds('llama', ids, config.maxPositions);
      const [batch, length] = ids.shape;
      expectLengths('llama', lengths, batch);
      return tf.tidy(() => {
        const at = `model.layers.${config.layers - 1}`;
        const project = projector(variables, lora);
        const x = stream(project, ids, config.layers - 1);
        const normed = norm(x, `${at}.input_layernorm.weight`);
        const positions: tf.Tensor1D = tf.sub(lengths, tf.scalar(1, 'int32'));
        const starts = tf.tensor1d(
          Int32Array.from({ length: batch }, (_, row) => row * length),
          'int32',
        );
        const last: tf.Tensor1D = tf.add(starts, positions);
        const mixed = attendAt(project, normed, last, positions, at);
        return norm(finish(project, tf.gather(x, last), mixed, at), 'model.norm.weight');
      });
    },
    logits: (states) => tf.matMul(states, output as tf.Tensor as tf.Tensor2D, false, true),
    dispose: () => tf.dispose([...variables.values()]),
  };
}
