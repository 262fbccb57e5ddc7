import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { PerSequence } from '@tsrl/tensor';

/**
 * The score s(r) of a log-ratio r = log π/π_ref, [B] → [B], increasing: f'(exp r) of the f-divergence that keeps the
 * policy near its reference, up to a constant. With a divergence other than the reverse one, DPO's optimum is that of
 * reward maximization under that divergence.
 *
 * @see Wang et al. 2023, arXiv:2309.16240, table 1
 */
export type Divergence = (logRatios: PerSequence) => PerSequence;

/** KL(π ‖ π_ref), of DPO as it is known: s(r) = r. */
export const reverseKl: Divergence = (logRatios) => tf.clone(logRatios);

/** KL(π_ref ‖ π): s(r) = −exp(−r), where f' = 1 − exp(−r). It is `alphaDivergence(0)`, and bounded as that is. */
export const forwardKl: Divergence = (logRatios) => power(logRatios, -1);

/** Jensen-Shannon: s(r) = −softplus(−r), where f' has a further log 2. */
export const jensenShannon: Divergence = (logRatios) =>
  tf.tidy(() => tf.neg<PerSequence>(tf.softplus(tf.neg(logRatios))));

/**
 * s(r) = exp((α − 1) r) / (α − 1); α = 1 is `reverseKl`, α = 0 `forwardKl`. The exponent is at most 80, so that
 * float32 does not overflow; the score is flat beyond. TRL does the same in `alpha_divergence` (where α = 0.5 unless
 * told), but not in `forward_kl`; TRL before 2026 had (1 − exp(−a r)) / a with a = 1 − α, which is another constant.
 *
 * @throws OptionError unless α is finite
 */
export function alphaDivergence(alpha: number): Divergence {
  if (!Number.isFinite(alpha)) throw new OptionError('alphaDivergence', 'alpha', 'finite', alpha);
  return alpha === 1 ? reverseKl : (logRatios) => power(logRatios, alpha - 1);
}

const power = (r: PerSequence, k: number): PerSequence =>
  tf.tidy(() => tf.div<PerSequence>(tf.exp(tf.minimum(tf.mul(r, k), 80)), k));
