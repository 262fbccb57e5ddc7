import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import { expectShape } from './check.js';
import { expectLogits, logProbsOf, normalize, type TemperatureOptions, timesRows } from './log-probs-normalizer.js';
import { statisticsByKernel } from './softmax-statistics.js';
import type { PerToken } from './types.js';
import { withGradient } from './with-gradient.js';

/** Options of `selectiveLogSoftmax`. */
export interface SelectiveLogSoftmaxOptions extends TemperatureOptions {
  /** An id that asks for nothing: its log-prob is 0, without gradient. Default −100, as in labels of the field. */
  readonly ignoreId?: number;
}

/**
 * Log-probability of each chosen token, without a log-softmax or a one-hot as wide as the vocabulary:
 *
 *   lp = (x[id] − M) / τ − log Σ_v exp((x_v − M) / τ),  M = max_v x_v
 *
 * Gradient: d lp / d x_j = (1[j = id] − softmax(x / τ)_j) / τ; it is written by hand and recomputes the softmax, so
 * that the forward pass keeps nothing of [..., V] but the logits. Where @tsrl/kernels has its kernel for the backend,
 * each is one pass over the logits; otherwise it is composed of operations of tfjs.
 *
 * Logits at position t must predict token t: see `shiftForNextToken`. Entries of −∞ (a masked vocabulary) are
 * allowed; choosing one gives −∞, also in a row of nothing else. Values are not checked (that would mean a download), but an id outside [0, V)
 * reads no other memory either: its log-prob is NaN, without gradient.
 *
 * TRL's `selective_log_softmax` subtracts logsumexp from the raw logit, which loses digits where logits are large.
 *
 * @param logits float32 [..., V]
 * @param ids    int32 [...], or [..., K] for K tokens of each distribution
 * @returns float32, shaped like `ids`
 * @throws ShapeError, OptionError unless the temperature is positive and `ignoreId` an int32
 */
export function selectiveLogSoftmax<I extends tf.Tensor>(
  logits: tf.Tensor,
  ids: I,
  { temperature = 1, ignoreId = -100 }: SelectiveLogSoftmaxOptions = {},
): I {
  expectLogits('selectiveLogSoftmax', logits, temperature);
  expectChoice('selectiveLogSoftmax', logits, ids, [0, 1]);
  expectIgnoreId('selectiveLogSoftmax', ignoreId);
  const size = logits.shape.at(-1) as number;
  const rows = logits.size / size;
  const chosen = ids.rank === logits.rank ? (ids.shape.at(-1) as number) : 1;
  const wide: [number, number] = [rows, size];

  return tf.tidy(() => {
    const flatIds = tf.reshape(ids, [rows, chosen]);
    const options = { temperature, ignoreId, columns: [0, chosen] } as const;
    const byKernel = statisticsByKernel(tf.reshape(logits, wide), flatIds, options);
    if (byKernel !== undefined) return tf.reshape(byKernel, ids.shape) as I;

    const inside = tf.logicalAnd(tf.greaterEqual(flatIds, 0), tf.less(flatIds, size));
    const wanted = tf.logicalAnd(inside, tf.notEqual(flatIds, ignoreId));
    const starts = tf.reshape(tf.range(0, logits.size, size, 'int32'), [rows, 1]);
    const places = tf.add(starts, tf.where(wanted, flatIds, tf.zerosLike(flatIds)));
    const otherwise = tf.where(tf.equal(flatIds, ignoreId), tf.scalar(0), tf.scalar(Number.NaN));

    return withGradient(
      [logits],
      () => {
        const x = tf.reshape(logits, wide);
        const { top, logSum } = normalize(x, temperature);
        const chosen = tf.gather(tf.reshape(logits, [-1]), tf.reshape(places, [-1]));
        const logProbs = tf.sub(tf.div(tf.sub(tf.reshape(chosen, flatIds.shape), top), temperature), logSum);
        const value = tf.reshape(tf.where(wanted, logProbs, otherwise), ids.shape) as I;
        return { value, saved: [logits, top, logSum, places, wanted] };
      },
      (dy, [x, top, logSum, places, wanted]) => {
        const d = tf.div(tf.mul(tf.reshape(dy, [rows, chosen]), tf.cast(wanted as tf.Tensor, 'float32')), temperature);
        const p = tf.exp(
          logProbsOf(tf.reshape(x as tf.Tensor, wide), top as tf.Tensor, logSum as tf.Tensor, temperature),
        );
        const atIds = tf.scatterND(tf.reshape(places as tf.Tensor, [-1, 1]), tf.reshape(d, [-1]), [logits.size]);
        const gradient = tf.sub(tf.reshape(atIds, wide), timesRows(p, tf.sum(d, 1, true)));
        return [tf.reshape(gradient, logits.shape)];
      },
    );
  });
}

/** Throws a ShapeError unless the ids are int32, of the shape [...] of logits [..., V] or with so many axes more. */
export function expectChoice(who: string, logits: tf.Tensor, ids: tf.Tensor, more: readonly (0 | 1)[]): void {
  const lead = logits.shape.slice(0, -1);
  const fits = more.some((axes) => ids.rank === lead.length + axes) && lead.every((size, i) => size === ids.shape[i]);
  if (fits && ids.dtype === 'int32') return;
  const wanted = more.map((axes) => `[${[...lead, 'K'].slice(0, lead.length + axes).join(', ')}]`);
  throw new ShapeError(who, 'ids', `int32 ${wanted.join(' or ')}`, `${ids.dtype} [${ids.shape.join(', ')}]`);
}

/** Throws an OptionError unless it is an int32, as ids are. Not for export. */
export function expectIgnoreId(who: string, ignoreId: number): void {
  if ((ignoreId | 0) !== ignoreId) throw new OptionError(who, 'ignoreId', 'an int32', ignoreId);
}

/** A batch before (S positions) or after (S − 1) the shift. */
export interface NextTokenBatch {
  /** int32 [B, S] */
  readonly ids: tf.Tensor2D;
  /** float32 [B, S, V] */
  readonly logits: tf.Tensor3D;
  /** float32 [B, S] */
  readonly mask: PerToken;
}

/**
 * Aligns what a causal model returns with what it predicts: logits at position t − 1 predict token t, so the result
 * is `logits[:, : S − 1]`, `ids[:, 1 :]`, `mask[:, 1 :]`. Everything else in tsrl expects this alignment.
 *
 * @throws ShapeError unless ids are int32 [B, S], logits float32 [B, S, V] and mask float32 [B, S], S at least 1
 */
export function shiftForNextToken({ ids, logits, mask }: NextTokenBatch): NextTokenBatch {
  expectShape('shiftForNextToken', 'ids', ids, ['B', 'S'], 'int32');
  const [rows, length] = ids.shape;
  if (length < 1) throw new ShapeError('shiftForNextToken', 'ids', 'int32 [B, S], S at least 1', `[${rows}, 0]`);
  expectShape('shiftForNextToken', 'logits', logits, [rows, length, 'V']);
  expectShape('shiftForNextToken', 'mask', mask, [rows, length]);
  return tf.tidy(() => ({
    ids: tf.slice(ids, [0, 1], [rows, length - 1]),
    logits: tf.slice(logits, [0, 0, 0], [rows, length - 1, logits.shape[2]]),
    mask: tf.slice(mask, [0, 1], [rows, length - 1]),
  }));
}
