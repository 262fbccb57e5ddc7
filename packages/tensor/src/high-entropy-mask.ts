import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape } from './check.js';
import { stopGradient } from './stop-gradient.js';

/** Options of `highEntropyMask`. */
export interface HighEntropyMaskOptions {
  /** ρ: the share of the tokens that is kept, in (0, 1]; default 0.2, the paper's. */
  readonly fraction?: number;
}

/**
 * The tokens of highest entropy, where a response forks. It takes the place of the mask in a loss:
 *
 *   keep_t = 1 if m_t > 0 and H_t ≥ quantile({H_s : m_s > 0}, 1 − ρ), else 0
 *
 * The quantile is that of linear interpolation, which lies between two neighbours in order and so keeps exactly what
 * the upper of them keeps: with n tokens, those not below the one of rank ⌊ρ (n − 1)⌋ from the top (0 is the top). Ties
 * with it are kept. The product is taken in float32 and rounded up by 2⁻²², so that 0.7 · 10 is 7.
 *
 * One quantile over the whole tensor, as in TRL's `get_high_entropy_mask` (which takes 1 − ρ, gathers over its
 * processes, and has ρ = 1, nothing left out, by default). A NaN among the entropies that count makes the result NaN
 * wherever the mask is positive, where TRL keeps nothing. Without gradient.
 *
 * @param entropies float32, any shape, such as [B, T] of `entropy`
 * @param mask      float32, of that shape
 * @returns float32, of that shape
 * @throws ShapeError, OptionError unless the fraction is in (0, 1]
 * @see Wang et al. 2025, "Beyond the 80/20 Rule", arXiv:2506.01939
 */
export function highEntropyMask<T extends tf.Tensor>(
  entropies: T,
  mask: T,
  { fraction = 0.2 }: HighEntropyMaskOptions = {},
): T {
  if (!(fraction > 0 && fraction <= 1)) throw new OptionError('highEntropyMask', 'fraction', 'in (0, 1]', fraction);
  expectSameShape('highEntropyMask', { entropies, mask });
  if (entropies.size === 0) return tf.zerosLike(entropies);
  return tf.tidy(() => {
    const counts = tf.greater(stopGradient(mask), 0);
    const candidates = tf.where(counts, stopGradient(entropies), tf.fill(entropies.shape, Number.NEGATIVE_INFINITY));
    const { values } = tf.topk(tf.reshape(candidates, [-1]), entropies.size);
    const number = tf.sum(tf.cast(counts, 'float32'));
    const rank = tf.floor(tf.mul(tf.maximum(tf.sub(number, 1), 0), fraction * (1 + 2 ** -22)));
    const last = tf.gather(values, tf.cast(tf.minimum(rank, entropies.size - 1), 'int32'));
    const kept = tf.cast(tf.logicalAnd(counts, tf.greaterEqual(candidates, last)), 'float32');
    const unknown = tf.logicalAnd(counts, tf.any(tf.isNaN(candidates)));
    return tf.where(unknown, tf.fill(entropies.shape, Number.NaN), kept) as T;
  });
}
