import * as tf from '@tensorflow/tfjs-core';
import { expectSameShape, expectShape, type Loss, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawSequences } from './example.js';
import { expectNonNegative } from './option-checks.js';

/** Options of `bradleyTerry`. */
export interface BradleyTerryOptions {
  /** c ≥ 0: weight of the square of the sum of both scores, default 0; 0.01 in the source of centering. */
  readonly centering?: number;
}

/** Inputs of `bradleyTerry`. */
export interface BradleyTerryInputs {
  /** What the reward model says of the chosen response, [B], differentiable. */
  readonly chosenScores: PerSequence;
  /** The same of the rejected one, [B], differentiable. */
  readonly rejectedScores: PerSequence;
  /** By how much the chosen one is better, [B], constant; 0 if left out. */
  readonly margins?: PerSequence;
}

/**
 * Loss of a reward model: the likelihood of the preferences under Bradley-Terry.
 *
 *   loss = (1 / N) Σ softplus(−(s_w − s_l − margin)) + c (s_w + s_l)²,  N = B, or `context.sequences`
 *
 * Preferences tell scores up to a constant only; a small c keeps them around 0. Gradient in s_w:
 * −sigmoid(−(s_w − s_l − margin)) + 2 c (s_w + s_l).
 *
 * Differences: none to TRL's `RewardTrainer` and OpenRLHF's `PairWiseLoss`; OpenRLHF's `LogExpLoss` is the same without
 * a margin, and overflows.
 *
 * Metrics: `chosenReward`, `rejectedReward`, `margin` (s_w − s_l), `accuracy`, means over the pairs.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Ouyang et al. 2022, arXiv:2203.02155, equation 1; margins: Touvron et al. 2023, arXiv:2307.09288, equation 2;
 *   centering: Eisenstein et al. 2023, arXiv:2312.09244
 */
export function bradleyTerry({ centering = 0 }: BradleyTerryOptions = {}): Loss<BradleyTerryInputs> {
  const who = 'bradleyTerry';
  expectNonNegative(who, 'centering', centering);
  return ({ chosenScores, rejectedScores, margins }, { sequences } = {}) => {
    expectShape(who, 'chosenScores', chosenScores, ['B']);
    expectSameShape(who, { chosenScores, rejectedScores });
    if (margins !== undefined) expectSameShape(who, { chosenScores, margins });
    return tf.tidy(() => {
      const gap = tf.sub<PerSequence>(chosenScores, rejectedScores);
      const beyond = margins === undefined ? gap : tf.sub<PerSequence>(gap, margins);
      const preference = tf.softplus(tf.neg(beyond));
      const center = tf.mul(tf.square(tf.add(chosenScores, rejectedScores)), centering);
      const total = tf.sum<tf.Scalar>(centering === 0 ? preference : tf.add(preference, center));
      const [better, worse] = [stopGradient(chosenScores), stopGradient(rejectedScores)];
      return {
        loss: tf.div<tf.Scalar>(total, sequences ?? chosenScores.size),
        metrics: {
          chosenReward: tf.mean<tf.Scalar>(better),
          rejectedReward: tf.mean<tf.Scalar>(worse),
          margin: tf.mean<tf.Scalar>(stopGradient(gap)),
          accuracy: tf.mean<tf.Scalar>(tf.cast(tf.greater(better, worse), 'float32')),
        },
      };
    });
  };
}

export const bradleyTerryEntry: LossEntry<BradleyTerryInputs> = {
  name: 'bradleyTerry',
  formula: 'softplus(−(s_w − s_l − margin)) + c (s_w + s_l)²',
  citation: 'arXiv:2203.02155',
  per: 'example',
  differentiable: ['chosenScores', 'rejectedScores'],
  example: (shape, rng) => ({
    chosenScores: drawSequences(shape, () => rng.normal()),
    rejectedScores: drawSequences(shape, () => rng.normal()),
    margins: drawSequences(shape, () => rng.uniform()),
  }),
  evaluate: bradleyTerry(),
  variants: { centered: bradleyTerry({ centering: 0.01 }) },
};
