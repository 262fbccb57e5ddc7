import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { expectPositive } from './option-checks.js';
import { classMeans, drawUnpaired, expectUnpaired, type UnpairedInputs } from './unpaired.js';

/** Options of `bco`. */
export interface BcoOptions {
  /** β > 0, default 0.1 as in TRL; 0.01 in the paper's experiments. */
  readonly beta?: number;
  /**
   * δ, what the rewards are compared with; default 0. A number is what a tracker of rewards says (`classMeanShift`,
   * `pooledShift`): build the loss anew when it has moved, it is a closure and costs nothing. `'batch'` takes
   * ½ (mean reward of the desirable + mean reward of the undesirable) of this batch, or the one mean that there is,
   * without gradient; losses of parts of a batch then do not add up to that of the whole.
   */
  readonly shift?: number | 'batch';
}

/** Inputs of `bco`. */
export interface BcoInputs extends UnpairedInputs {
  /**
   * Weight of each example, [B], constant; 1 if left out. `matchingWeights` gives those of the paper; N / (2 N_y), with N_y
   * examples of its class in the batch, makes the loss the mean of the two class means.
   */
  readonly weights?: PerSequence;
}

/**
 * Binary classifier optimization: the implicit reward as the log-odds that a completion is desirable.
 *
 *   r = β (logProbs − refLogProbs),  z = r − δ
 *   loss = (1 / N) Σ w (y softplus(−z) + (1 − y) softplus(z)),  N = B, or `context.sequences`
 *
 * Gradient in logProbs: β w (sigmoid(z) − y) / N. For a desirable and an undesirable completion of one prompt the sum
 * of their losses is above the DPO loss of the pair for every δ, by
 *
 *   log(1 + (exp(−z_w) + exp(z_l)) / (1 + exp(z_l − z_w)))
 *
 * which is least at δ = ½ (r_w + r_l): there it is log(1 + 1 / cosh(½ (r_w − r_l))), at most log 2.
 *
 * With labels between 0 and 1 the two losses interpolate. A batch with one class only is an ordinary batch.
 *
 * Differences: TRL's `BCOTrainer` takes for δ the mean of all rewards ever seen, of both classes together
 * (`pooledShift`), which is the paper's ½ (E₊[r] + E₋[r]) for balanced data only; TRL's DPO loss `bco_pair` has δ = 0.
 * Both move δ before the loss of the same batch is computed, so that rewards are needed ahead of the gradient.
 *
 * Metrics: `desirableReward` and `undesirableReward`, the mean r of each class (0 where the batch has none),
 * `accuracy` (share of z with the sign of its label), `shift` (δ).
 *
 * @throws OptionError when built, ShapeError when called
 * @see Jung et al. 2024, arXiv:2404.04656
 */
export function bco({ beta = 0.1, shift = 0 }: BcoOptions = {}): Loss<BcoInputs> {
  expectPositive('bco', 'beta', beta);
  if (shift !== 'batch' && !(typeof shift === 'number' && Number.isFinite(shift))) {
    throw new OptionError('bco', 'shift', "finite, or 'batch'", shift);
  }

  return ({ weights, ...inputs }, { sequences } = {}) => {
    expectUnpaired('bco', inputs);
    const { logProbs, refLogProbs, labels } = inputs;
    if (weights !== undefined) expectSameShape('bco', { logProbs, weights });
    return tf.tidy(() => {
      const rewards = tf.mul<PerSequence>(tf.sub(logProbs, refLogProbs), beta);
      const { desirable, undesirable, classes } = classMeans(rewards, labels);
      const center =
        shift === 'batch' ? tf.divNoNan<tf.Scalar>(tf.add(desirable, undesirable), classes) : tf.scalar(shift);
      const logOdds = tf.sub<PerSequence>(rewards, center);
      const asDesirable = tf.mul(labels, tf.softplus(tf.neg(logOdds)));
      const asUndesirable = tf.mul(tf.sub(1, labels), tf.softplus(logOdds));
      const losses = tf.add(asDesirable, asUndesirable);
      const total = tf.sum<tf.Scalar>(weights === undefined ? losses : tf.mul(losses, weights));
      const right = tf.equal(tf.greater(stopGradient(logOdds), 0), tf.greater(labels, 0.5));
      return {
        loss: tf.div<tf.Scalar>(total, sequences ?? Math.max(labels.size, 1)),
        metrics: {
          desirableReward: desirable,
          undesirableReward: undesirable,
          accuracy: tf.divNoNan<tf.Scalar>(tf.sum(tf.cast(right, 'float32')), labels.size),
          shift: center,
        },
      };
    });
  };
}

export const bcoEntry: LossEntry<BcoInputs> = {
  name: 'bco',
  formula: 'y softplus(δ − r) + (1 − y) softplus(r − δ), r = β (log π − log π_ref)',
  citation: 'arXiv:2404.04656',
  per: 'example',
  differentiable: ['logProbs'],
  example: drawUnpaired,
  evaluate: bco(),
  variants: { shifted: bco({ beta: 0.5, shift: -0.3 }) },
};
