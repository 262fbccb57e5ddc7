import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectShape, type PerToken } from '@tsrl/tensor';

/** Options of `lengthDesensitized`. */
export interface LengthDesensitizedOptions {
  /** α in [0, 1], default 0.5: what a token counts beyond the length of the shorter response. 1 changes nothing. */
  readonly alpha?: number;
}

/** Masks of the two responses of each pair; their widths may differ. */
export interface PairMasks {
  /** float32 [B, T], 0 or 1. */
  readonly chosenMask: PerToken;
  /** float32 [B, U], 0 or 1. */
  readonly rejectedMask: PerToken;
}

/**
 * Length-desensitized DPO (LD-DPO), as masks for `sequenceLogProbs`: the first min(n_w, n_l) tokens of each response
 * count fully, those beyond count α, in policy and reference alike. Then any loss of pairs follows.
 *
 * Tokens are counted by the mask, so that padding on either side and holes are skipped.
 *
 * @throws OptionError unless alpha is in [0, 1], ShapeError
 * @see Liu et al. 2024, arXiv:2409.06411
 */
export function lengthDesensitized(
  { chosenMask, rejectedMask }: PairMasks,
  { alpha = 0.5 }: LengthDesensitizedOptions = {},
): PairMasks {
  const who = 'lengthDesensitized';
  if (!(alpha >= 0 && alpha <= 1)) throw new OptionError(who, 'alpha', 'in [0, 1]', alpha);
  expectShape(who, 'chosenMask', chosenMask, ['B', 'T']);
  expectShape(who, 'rejectedMask', rejectedMask, [chosenMask.shape[0], 'U']);
  return tf.tidy(() => {
    const shorter = tf.minimum(tf.sum(chosenMask, 1, true), tf.sum(rejectedMask, 1, true));
    const weighed = (mask: PerToken): PerToken => {
      const within = tf.cast(tf.lessEqual(tf.cumsum(mask, 1), shorter), 'float32');
      return tf.mul<PerToken>(mask, tf.add(tf.mul(within, 1 - alpha), alpha));
    };
    return { chosenMask: weighed(chosenMask), rejectedMask: weighed(rejectedMask) };
  });
}
