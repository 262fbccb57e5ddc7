import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape } from './check.js';
import { clampTo } from './clamp-to.js';
import { fused } from './fused.js';
import { stopGradient } from './stop-gradient.js';
import { withGradient } from './with-gradient.js';

/** Options of the per-token estimators. */
export interface KlEstimatorOptions {
  /** d is clamped to ± this before anything else; gradient 0 outside. Default 20; Infinity turns it off. */
  readonly clamp?: number;
  /** The estimate is clamped to ± this; gradient 0 outside. Default Infinity; verl and OpenRLHF use 10. */
  readonly maxValue?: number;
}

/**
 * An estimate of KL(π ‖ π_ref) for each token that π sampled, from d = log π − log π_ref at that token; both inputs
 * and the result have one shape. Write `(a, b) => k3(a, b, { maxValue: 10 })` to fix its options.
 *
 * Which one: as a penalty inside the reward (no gradient), `k1` is exact on average, and so is its policy gradient.
 * As a term of the loss, with the sample held fixed, the gradient of `k2` is that of KL(π ‖ π_ref) on average, that
 * of `k3` is the one of KL(π_ref ‖ π), and that of `k1` is 0; `straightThrough(k3)` has the value of `k3` and the
 * gradient of `k2`.
 *
 * @see Schulman 2020, "Approximating KL divergence", http://joschu.net/blog/kl-approx.html
 */
export interface KlEstimator {
  <T extends tf.Tensor>(logProbs: T, refLogProbs: T, options?: KlEstimatorOptions): T;
  /** Derivative in log π at a token with this d, for the default options; kernels that fuse a loss read it. */
  readonly slope?: (d: number) => number;
}

/** k1 = d: unbiased, of any sign, and useless as a loss (its expected gradient is 0). See `KlEstimator`. */
export const k1: KlEstimator = estimator(
  'k1',
  clamped((d) => d),
  () => 1,
);

/** |d|, with gradient sign(d), 0 at 0. verl's `abs`. See `KlEstimator`. */
export const kAbs: KlEstimator = estimator(
  'kAbs',
  // Not `tf.abs`, whose gradient at 0 is −1: at the start of training the policy is the reference.
  clamped((d) => tf.mul(d, tf.sign(stopGradient(d)))),
  Math.sign,
);

/** k2 = d² / 2: biased in value, right in gradient as a loss. verl's `mse`. See `KlEstimator`. */
export const k2: KlEstimator = estimator(
  'k2',
  clamped((d) => tf.mul(tf.square(d), 0.5)),
  (d) => d,
);

/**
 * k3 = exp(−d) − 1 + d: unbiased and never negative. verl's `low_var_kl`; GRPO's penalty (arXiv:2402.03300,
 * equation 4). TRL does not clamp d, verl clamps it to ±20 and the value to ±10. See `KlEstimator`.
 */
export const k3: KlEstimator = estimator('k3', expExcess, (d) => -Math.expm1(-d));

/**
 * The value of an estimator with the gradient of `k2`, whose expectation is that of KL(π ‖ π_ref):
 *
 *   sg(forward) + (k2 − sg(k2))
 *
 * verl's names with a plus sign: `k3+`, `k1+`, `abs+`. `maxValue` clamps the value only.
 */
export function straightThrough(forward: KlEstimator): KlEstimator {
  const estimate = <T extends tf.Tensor>(logProbs: T, refLogProbs: T, options: KlEstimatorOptions = {}): T =>
    tf.tidy(() => {
      const value = stopGradient(forward(logProbs, refLogProbs, options));
      const slope = k2(logProbs, refLogProbs, { ...options, maxValue: Number.POSITIVE_INFINITY });
      return tf.add(value, tf.sub(slope, stopGradient(slope)));
    });
  return Object.assign(estimate, k2.slope && { slope: k2.slope });
}

type Bounds = Required<KlEstimatorOptions>;

function estimator(
  who: string,
  of: (d: tf.Tensor, bounds: Bounds) => tf.Tensor,
  slope: (d: number) => number,
): KlEstimator {
  const estimate = <T extends tf.Tensor>(
    logProbs: T,
    refLogProbs: T,
    { clamp = 20, maxValue = Number.POSITIVE_INFINITY }: KlEstimatorOptions = {},
  ): T => {
    expectSameShape(who, { logProbs, refLogProbs });
    return tf.tidy(() => of(tf.sub(logProbs, refLogProbs), { clamp, maxValue }) as T);
  };
  return Object.assign(estimate, { slope: (d: number) => (Math.abs(d) > 20 ? 0 : slope(d)) });
}

/** A function of d between the two clamps, differentiated by the tape. */
function clamped(of: (d: tf.Tensor) => tf.Tensor): (d: tf.Tensor, bounds: Bounds) => tf.Tensor {
  return (d, { clamp, maxValue }) => clampTo(of(clampTo(d, clamp)), maxValue);
}

/** exp(−d) − 1 + d between the two clamps, with the slope 1 − exp(−d), which comes with it for one exponential. */
function expExcess(d: tf.Tensor, bounds: Bounds): tf.Tensor {
  return withGradient(
    [d],
    () => {
      const [value, slope] = (fused('TsrlK3', { d }, bounds) ?? composedExcess(d, bounds)) as [tf.Tensor, tf.Tensor];
      return { value, saved: [slope] };
    },
    (dy, [slope]) => [tf.mul(dy, slope as tf.Tensor)],
  );
}

/**
 * Value and slope. Both summands of exp(−d) − 1 + d are close to ∓d for a small d: there the series
 * d²/2 − d³/6 + … − d⁷/5040 keeps what the subtraction would lose. Up to |d| = 0.3 the series errs by less than 4e-8
 * of the value; from there on the subtraction, in float32, by less than 4e-7.
 */
function composedExcess(d: tf.Tensor, { clamp, maxValue }: Bounds): [tf.Tensor, tf.Tensor] {
  const inner = clampTo(d, clamp);
  const slope = tf.neg(tf.expm1(tf.neg(inner)));
  let series = tf.fill(d.shape, -1 / 5040);
  for (const coefficient of [1 / 720, -1 / 120, 1 / 24, -1 / 6, 1 / 2]) {
    series = tf.add(tf.mul(series, inner), coefficient);
  }
  const small = tf.less(tf.abs(inner), 0.3);
  const value = tf.where(small, tf.mul(series, tf.square(inner)), tf.sub(inner, slope));
  const beyond = tf.logicalOr(tf.greater(tf.abs(d), clamp), tf.greater(value, maxValue));
  return [clampTo(value, maxValue), tf.where(beyond, tf.zerosLike(slope), slope)];
}
