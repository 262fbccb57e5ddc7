import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import { expectShape } from './check.js';
import { type SelectiveLogSoftmaxOptions, selectiveLogSoftmax } from './log-probs.js';
import { hasTokenGradients, linearTokenGradients, type TokenSlopes } from './token-gradients.js';
import { type TokenStatistics, tokenStatistics } from './token-statistics.js';
import type { PerToken } from './types.js';
import { withGradient } from './with-gradient.js';

/** Options of the functions behind an output projection. */
export interface LinearLogProbsOptions extends SelectiveLogSoftmaxOptions {
  /**
   * Up to so many bytes of logits [B, T, V] are held for the gradient, which needs as many again; above it, so many exist
   * at a time. Default 2²⁶ (64 MB).
   */
  readonly chunkBytes?: number;
}

/**
 * `selectiveLogSoftmax` of logits = hidden · weightᵀ, without [B, T, V] where that is large: the output projection of
 * a language model and the log-probs of its tokens, chunk by chunk. The gradient computes the logits of each chunk once
 * more, which is a third of its time; `fromHidden` of @tsrl/losses does without, for losses that it knows. Where the
 * backend has `linearTokenGradients`, the gradient comes from there, in its smaller chunks; elsewhere three gradients of
 * `weight` exist at a time.
 *
 * @param hidden float32 [B, T, H]; the states at t predict token t
 * @param weight float32 [V, H], as Hugging Face stores it
 * @param ids    int32 [B, T]
 * @throws ShapeError, OptionError unless the temperature and `chunkBytes` are positive
 * @see Wijmans et al. 2024, "Cut your losses in large-vocabulary language models", arXiv:2411.09009
 */
export function linearLogProbs(
  hidden: tf.Tensor3D,
  weight: tf.Tensor2D,
  ids: tf.Tensor2D,
  options: LinearLogProbsOptions = {},
): PerToken {
  const of = (logits: tf.Tensor2D, chosen: tf.Tensor1D): tf.Tensor2D =>
    tf.expandDims(selectiveLogSoftmax(logits, chosen, options), 1);
  return tf.tidy(() => tf.reshape(byChunks('linearLogProbs', hidden, weight, ids, options, of), ids.shape));
}

/**
 * `tokenStatistics` of logits = hidden · weightᵀ, as {@link linearLogProbs}.
 *
 * @throws ShapeError, OptionError unless the temperature is positive
 */
export function linearTokenStatistics(
  hidden: tf.Tensor3D,
  weight: tf.Tensor2D,
  ids: tf.Tensor2D,
  options: LinearLogProbsOptions = {},
): TokenStatistics<tf.Tensor2D> {
  const of = (logits: tf.Tensor2D, chosen: tf.Tensor1D): tf.Tensor2D => {
    const { logProbs, entropy } = tokenStatistics(logits, chosen, options);
    return tf.stack([logProbs, entropy], 1) as tf.Tensor2D;
  };
  return tf.tidy(() => {
    const both = byChunks('linearTokenStatistics', hidden, weight, ids, options, of);
    const [logProbs, entropy] = tf.split(both, 2, 1).map((column) => tf.reshape<tf.Rank.R2>(column, ids.shape));
    return { logProbs: logProbs as PerToken, entropy: entropy as PerToken };
  });
}

/** [B·T, K] from `of`, which gives [rows, K] for the logits and ids of some rows. */
function byChunks(
  who: string,
  hidden: tf.Tensor3D,
  weight: tf.Tensor2D,
  ids: tf.Tensor2D,
  options: LinearLogProbsOptions,
  of: (logits: tf.Tensor2D, ids: tf.Tensor1D) => tf.Tensor2D,
): tf.Tensor2D {
  const { chunkBytes = 2 ** 26 } = options;
  if (!(chunkBytes > 0)) throw new OptionError(who, 'chunkBytes', 'positive', chunkBytes);
  expectShape(who, 'ids', ids, ['B', 'T'], 'int32');
  expectShape(who, 'hidden', hidden, [...ids.shape, 'H']);
  expectShape(who, 'weight', weight, ['V', hidden.shape[2]]);
  if (weight.shape[0] < 1) throw new ShapeError(who, 'weight', 'float32 [V, H], V at least 1', `[${weight.shape}]`);
  const [rows, inner] = [ids.size, hidden.shape[2]];
  const flatIds: tf.Tensor1D = tf.reshape(ids, [rows]);
  const states: tf.Tensor2D = tf.reshape(hidden, [rows, inner]);
  const compute = (h: tf.Tensor2D, w: tf.Tensor2D, chosen: tf.Tensor1D): tf.Tensor2D =>
    of(tf.matMul(h, w, false, true), chosen);

  const most = Math.max(1, Math.floor(chunkBytes / (4 * weight.shape[0])));
  if (rows <= most) return compute(states, weight, flatIds);
  const starts = Array.from({ length: Math.ceil(rows / most) }, (_, i) => i * most);
  const part = <T extends tf.Tensor>(x: T, start: number): T => tf.slice(x, start, Math.min(most, rows - start)) as T;

  return withGradient(
    [states, weight],
    () => ({
      value: tf.concat(
        starts.map((start) => tf.tidy(() => compute(part(states, start), weight, part(flatIds, start)))),
        0,
      ),
      saved: [states, weight, flatIds],
    }),
    (dy, saved) => {
      const [x, w, chosen] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D];
      if (hasTokenGradients('linear')) return gradientsByKernel(x, w, chosen, dy, options);
      const toStates: tf.Tensor[] = [];
      let toWeight: tf.Tensor | undefined;
      for (const start of starts) {
        const [dh, dw] = gradients(
          (h, v) => compute(h as tf.Tensor2D, v as tf.Tensor2D, part(chosen, start)),
          [part(x, start), w],
          part(dy, start),
        ) as [tf.Tensor, tf.Tensor];
        toStates.push(dh);
        const sum: tf.Tensor = toWeight ? tf.add(toWeight, dw) : dw;
        if (toWeight) tf.dispose([toWeight, dw]);
        toWeight = sum;
      }
      return [tf.concat(toStates, 0), toWeight as tf.Tensor];
    },
  );
}

/**
 * The gradients of Σ dy · statistics in both factors: a loss of the tokens whose slopes are dy. It has chunks of its own.
 */
function gradientsByKernel(
  states: tf.Tensor2D,
  weight: tf.Tensor2D,
  ids: tf.Tensor1D,
  dy: tf.Tensor2D,
  { temperature = 1, ignoreId = -100 }: LinearLogProbsOptions,
): tf.Tensor[] {
  // The kernel skips tokens of −100, and their entropies too. −1 is no token: only its entropy has a gradient.
  const asked = tf.logicalAnd(tf.greaterEqual(ids, 0), tf.notEqual(ids, ignoreId));
  const { gradients } = linearTokenGradients(tf.expandDims<tf.Tensor3D>(states), weight, {
    ids: tf.expandDims(tf.where(asked, ids, tf.fill(ids.shape, -1, 'int32'))),
    columns: dy,
    slopes: dy.shape[1] === 2 ? slopesOfBoth : slopeOfLogProb,
    entropy: dy.shape[1] === 2,
    temperature,
  });
  const [toStates, toWeight] = gradients as [tf.Tensor, tf.Tensor];
  return [tf.reshape(toStates, states.shape), toWeight];
}

const slopeOfLogProb: TokenSlopes = (_logProb, _entropy, dy, at, out) => {
  out[0] = dy[at] as number;
};

const slopesOfBoth: TokenSlopes = (_logProb, _entropy, dy, at, out) => {
  out[0] = dy[at] as number;
  out[1] = dy[at + 1] as number;
};

/**
 * `tf.grads` on the way back of another differentiation, whose tape tfjs would take for the inner one: it frees it, and
 * forgets what the outer one saved.
 */
function gradients(f: (...x: tf.Tensor[]) => tf.Tensor, x: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    return tf.tidy(() => tf.grads(f)(x, dy));
  } finally {
    state.activeTape = outer;
  }
}
