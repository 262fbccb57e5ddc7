import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  maskedMean,
  maskedVariance,
  type PerToken,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawMask, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';

/** Options of `valueLoss` without clipping. */
export interface ValueLossOptions {
  readonly clip?: undefined;
  /** Times the mean square; default 0.5. */
  readonly factor?: number;
  /** How the losses of tokens become one; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Options of `valueLoss` with clipping. */
export interface ClippedValueLossOptions extends Omit<ValueLossOptions, 'clip'> {
  /** The farthest that a value may move from its old one before it stops counting; verl 0.5, TRL 0.2. */
  readonly clip: number;
}

/** Inputs of `valueLoss`. */
export interface ValueLossInputs {
  /** V, [B, T], differentiable. */
  readonly values: PerToken;
  /** What the values should be, [B, T], constant. */
  readonly returns: PerToken;
  /** [B, T]: 1 where a token counts, 0 where not, or non-negative weights. */
  readonly mask: PerToken;
}

/** Inputs of `valueLoss` with clipping. */
export interface ClippedValueLossInputs extends ValueLossInputs {
  /** The values when the responses were sampled, [B, T], constant. */
  readonly oldValues: PerToken;
}

/**
 * Squared error of the value function, per token and then aggregated:
 *
 *   factor · (V − R)²,  with `clip`: factor · max((V − R)², (V_c − R)²),  V_c = clip(V, V_old ± clip)
 *
 * Its gradient is 2 factor (V − R), and 0 where the clipped term is the larger one; at a tie it is whole, where PyTorch
 * halves it outside the range. Without `clip` the old values are not needed; with it, the type of the inputs requires
 * them. verl, TRL and OpenRLHF clip by default.
 *
 * Metrics, over the mask of this batch: `explainedVariance` = 1 − Var(R − V) / Var(R), 0 where the returns do not
 * vary; with `clip`, `clipFraction` (tokens whose clipped term is the larger one).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Schulman et al. 2017, arXiv:1707.06347; the clipping is that of OpenAI's baselines, not of the paper
 */
export function valueLoss(options: ClippedValueLossOptions): Loss<ClippedValueLossInputs>;
export function valueLoss(options?: ValueLossOptions): Loss<ValueLossInputs>;
export function valueLoss({
  clip,
  factor = 0.5,
  aggregate = tokenMean,
}: ValueLossOptions | ClippedValueLossOptions = {}): Loss<ClippedValueLossInputs> {
  if (clip !== undefined && !(clip > 0)) throw new OptionError('valueLoss', 'clip', 'positive', clip);
  expectPositive('valueLoss', 'factor', factor);

  return ({ values, oldValues, returns, mask }, context = {}) => {
    expectShape('valueLoss', 'values', values, ['B', 'T']);
    expectSameShape('valueLoss', { values, ...(clip === undefined ? {} : { oldValues }), returns, mask });
    return tf.tidy(() => {
      const value = zeroMasked(values, mask);
      const target = zeroMasked(returns, mask);
      const error = tf.squaredDifference<PerToken>(value, target);
      const explainedVariance = explained(stopGradient(value), target, mask);
      if (clip === undefined) {
        return { loss: tf.mul<tf.Scalar>(aggregate(error, mask, context), factor), metrics: { explainedVariance } };
      }
      const old = zeroMasked(oldValues, mask);
      const above = tf.maximum<PerToken>(value, tf.sub(old, clip));
      const clippedError = tf.squaredDifference<PerToken>(tf.minimum<PerToken>(above, tf.add(old, clip)), target);
      const worse = tf.greater(stopGradient(clippedError), stopGradient(error));
      return {
        // In this order a tie gives its whole gradient to the unclipped term.
        loss: tf.mul<tf.Scalar>(aggregate(tf.maximum<PerToken>(error, clippedError), mask, context), factor),
        metrics: { explainedVariance, clipFraction: maskedMean(tf.cast(worse, 'float32'), mask) },
      };
    });
  };
}

function explained(values: PerToken, returns: PerToken, mask: PerToken): tf.Scalar {
  const total = maskedVariance(returns, mask, { kind: 'population' });
  const left = maskedVariance(tf.sub(returns, values), mask, { kind: 'population' });
  const varies = tf.greater(total, 1e-12);
  const share = tf.sub(1, tf.div(left, tf.where(varies, total, tf.onesLike(total))));
  return tf.where(varies, share, tf.zerosLike(share)) as tf.Scalar;
}

export const valueLossEntry: LossEntry<ClippedValueLossInputs> = {
  name: 'valueLoss',
  formula: '½ (V − R)²',
  citation: 'arXiv:1707.06347',
  per: 'token',
  differentiable: ['values'],
  example: (shape, rng) => ({
    values: drawTokens(shape, () => rng.normal()),
    oldValues: drawTokens(shape, () => rng.normal()),
    returns: drawTokens(shape, () => rng.normal()),
    mask: drawMask(shape, rng),
  }),
  evaluate: valueLoss({ clip: 0.5 }),
  build: (aggregate) => valueLoss({ clip: 0.5, aggregate }),
};
