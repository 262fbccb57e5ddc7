import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, expectShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { ExampleShape, LossEntry } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { expectNonNegative, expectPositive } from './option-checks.js';

/** Options of `onlineDpo`. */
export interface OnlineDpoOptions {
  /** β > 0, default 0.1. */
  readonly beta?: number;
  /** `sigmoid` (default): softplus(−β h). `ipo`: (h − 1 / (2 β))², of summed log-ratios. */
  readonly pairLoss?: 'sigmoid' | 'ipo';
}

/** Inputs of `onlineDpo`: two completions of each prompt, and which of them a judge prefers. Sums over tokens, [B]. */
export interface OnlineDpoInputs {
  /** log π(y | x), differentiable. */
  readonly logProbs: PerSequence;
  /** log π_ref(y | x), constant. */
  readonly refLogProbs: PerSequence;
  /** log π(y' | x) of the other completion, differentiable. */
  readonly otherLogProbs: PerSequence;
  /** log π_ref(y' | x), constant. */
  readonly otherRefLogProbs: PerSequence;
  /** 1 where y is the better one, 0 where y' is; a probability where the judge gives one. Constant. */
  readonly wins: PerSequence;
}

/**
 * DPO (or IPO) on pairs that the policy has just sampled and a judge or a reward model has labelled:
 *
 *   h = (logProbs − refLogProbs) − (otherLogProbs − otherRefLogProbs)
 *   loss = (1 / N) Σ w ℓ(h) + (1 − w) ℓ(−h),  ℓ(h) = softplus(−β h) or (h − 1 / (2 β))²,  N = B, or `context.sequences`
 *
 * The samples are constants: no gradient flows through how they came about.
 *
 * Metrics: `rewardMargin`, the mean of β h (2 w − 1); `accuracy`, the share of pairs whose h has the sign of the label.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Guo et al. 2024, arXiv:2402.04792; IPO: Azar et al. 2023, arXiv:2310.12036
 */
export function onlineDpo(options: OnlineDpoOptions = {}): Loss<OnlineDpoInputs> {
  return labelledPairs('onlineDpo', options);
}

/** Options of `xpo`. */
export interface XpoOptions extends OnlineDpoOptions {
  /** α ≥ 0, weight of the optimism; default 1e-5, as in TRL. */
  readonly alpha?: number;
}

/**
 * Exploratory preference optimization: online DPO between a sample y of the policy and a sample ỹ of the reference
 * (`otherLogProbs`), with a bonus for what the reference would not have said:
 *
 *   loss = onlineDpo + (α / N) Σ log π(ỹ | x)
 *
 * The bonus lowers the likelihood of the reference's sample; its gradient is α / N, whoever won. With α = 0 it is
 * `onlineDpo`. Metrics: those of `onlineDpo`, and `optimism`, the bonus as it enters the loss.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Xie et al. 2024, arXiv:2405.21046, algorithm 1
 */
export function xpo({ alpha = 1e-5, ...options }: XpoOptions = {}): Loss<OnlineDpoInputs> {
  expectNonNegative('xpo', 'alpha', alpha);
  const pairs = labelledPairs('xpo', options);
  return (inputs, context = {}) =>
    tf.tidy(() => {
      const { loss, metrics } = pairs(inputs, context);
      const { otherLogProbs } = inputs;
      const count = context.sequences ?? Math.max(otherLogProbs.size, 1);
      const optimism = tf.mul<tf.Scalar>(tf.sum(otherLogProbs), alpha / count);
      return { loss: tf.add<tf.Scalar>(loss, optimism), metrics: { ...metrics, optimism: stopGradient(optimism) } };
    });
}

function labelledPairs(who: string, { beta = 0.1, pairLoss = 'sigmoid' }: OnlineDpoOptions): Loss<OnlineDpoInputs> {
  expectPositive(who, 'beta', beta);
  if (pairLoss !== 'sigmoid' && pairLoss !== 'ipo') {
    throw new OptionError(who, 'pairLoss', "'sigmoid' or 'ipo'", pairLoss);
  }
  const lossOf = (h: PerSequence): PerSequence =>
    pairLoss === 'sigmoid'
      ? tf.softplus<PerSequence>(tf.mul(h, -beta))
      : tf.square<PerSequence>(tf.sub(h, 1 / (2 * beta)));

  return ({ logProbs, refLogProbs, otherLogProbs, otherRefLogProbs, wins }, { sequences } = {}) => {
    expectShape(who, 'logProbs', logProbs, ['B']);
    expectSameShape(who, { logProbs, refLogProbs, otherLogProbs, otherRefLogProbs, wins });
    return tf.tidy(() => {
      const h = tf.sub<PerSequence>(tf.sub(logProbs, refLogProbs), tf.sub(otherLogProbs, otherRefLogProbs));
      const losses = tf.add(tf.mul(wins, lossOf(h)), tf.mul(tf.sub(1, wins), lossOf(tf.neg(h))));
      const known = stopGradient(h);
      const right = tf.equal(tf.greater(known, 0), tf.greater(wins, 0.5));
      const mean = (x: tf.Tensor): tf.Scalar => tf.divNoNan<tf.Scalar>(tf.sum(x), logProbs.size);
      return {
        loss: tf.div<tf.Scalar>(tf.sum(losses), sequences ?? Math.max(logProbs.size, 1)),
        metrics: {
          rewardMargin: mean(tf.mul(known, tf.mul(tf.sub(tf.mul(wins, 2), 1), beta))),
          accuracy: mean(tf.cast(right, 'float32')),
        },
      };
    });
  };
}

const example = (shape: ExampleShape, rng: Parameters<typeof drawLogProb>[0]): OnlineDpoInputs => ({
  logProbs: drawSequences(shape, drawLogProb(rng)),
  refLogProbs: drawSequences(shape, drawLogProb(rng)),
  otherLogProbs: drawSequences(shape, drawLogProb(rng)),
  otherRefLogProbs: drawSequences(shape, drawLogProb(rng)),
  wins: drawSequences(shape, () => (rng.uniform() < 0.5 ? 0 : 1)),
});

export const onlineDpoEntry: LossEntry<OnlineDpoInputs> = {
  name: 'onlineDpo',
  formula: 'softplus(−β h), h = log π / π_ref of the better sample − that of the other',
  citation: 'arXiv:2402.04792',
  per: 'example',
  differentiable: ['logProbs', 'otherLogProbs'],
  discrete: ['wins'],
  example,
  evaluate: onlineDpo(),
  variants: { ipo: onlineDpo({ beta: 0.5, pairLoss: 'ipo' }) },
};

export const xpoEntry: LossEntry<OnlineDpoInputs> = {
  name: 'xpo',
  formula: 'softplus(−β h) + α log π(ỹ), ỹ a sample of the reference',
  citation: 'arXiv:2405.21046',
  per: 'example',
  differentiable: ['logProbs', 'otherLogProbs'],
  discrete: ['wins'],
  example,
  evaluate: xpo(),
};
