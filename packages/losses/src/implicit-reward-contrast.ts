import * as tf from '@tensorflow/tfjs-core';
import { DataError, expectLength } from '@tsrl/core';
import {
  expectSameShape,
  expectShape,
  type Loss,
  maskedSum,
  type PerSequence,
  type PerToken,
  stopGradient,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawMask, drawSequences, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';
import { meanOfRows, ofRows } from './sequence-ratio.js';

/** Options of `implicitRewardContrast`. */
export interface ImplicitRewardContrastOptions {
  /** Scale of the implicit reward; positive and finite, default 0.05. */
  readonly beta?: number;
}

/** Inputs of `implicitRewardContrast`. */
export interface ImplicitRewardContrastInputs {
  /** log π_prm − log π_ref of the tokens of each response, [B, T], differentiable. */
  readonly scores: PerToken;
  /** [B, T]: 1 where a token counts, 0 where not. */
  readonly mask: PerToken;
  /** float32 [B], constant: 1 for a right response, 0 for a wrong one. */
  readonly labels: PerSequence;
  /** What the response is compared with, [B], constant: Σ_t scores of the others, on average (`oppositeMeans`). */
  readonly baselines: PerSequence;
  /** [B], constant, default 1 for each (`bestOfNWeights`). */
  readonly weights?: PerSequence;
}

/**
 * Trains the process reward model of PRIME by outcomes: the implicit reward of a right response is to be above that of
 * the wrong ones to the same prompt, and the other way round,
 *
 *   Q_i = Σ_t m_it scores_it,  loss_i = −w_i log σ(± beta (Q_i − baselines_i)),  + for right responses, − for wrong
 *
 * mean over the responses with tokens. With baselines of 0 and no weights it is PRIME's cross-entropy, that is
 * `binaryCrossEntropy` of beta Q.
 *
 * Differences: PRIME's recipe takes −log(sigmoid), which overflows; and the sum over the rows where it has weights,
 * the mean where it has none.
 *
 * Metric: `accuracy`, the share of the responses on the right side of their baseline.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Cui et al. 2025, arXiv:2502.01456
 */
export function implicitRewardContrast({
  beta = 0.05,
}: ImplicitRewardContrastOptions = {}): Loss<ImplicitRewardContrastInputs> {
  const who = 'implicitRewardContrast';
  expectPositive(who, 'beta', beta);
  return ({ scores, mask, labels, baselines, weights }, context = {}) => {
    expectShape(who, 'scores', scores, ['B', 'T']);
    expectSameShape(who, { scores, mask });
    expectShape(who, 'labels', labels, [scores.shape[0]]);
    expectSameShape(who, weights ? { labels, baselines, weights } : { labels, baselines });
    return tf.tidy(() => {
      const sign = tf.sub(tf.mul(ofRows(labels, mask), 2), 1);
      const ahead = tf.sub(maskedSum(scores, mask, { axis: 1 }), ofRows(baselines, mask));
      const margin = tf.mul<PerSequence>(tf.mul(ahead, sign), beta);
      const losses = tf.softplus<PerSequence>(tf.neg(margin));
      const right = tf.cast<PerSequence>(tf.greater(stopGradient(margin), 0), 'float32');
      return {
        loss: meanOfRows(weights ? tf.mul<PerSequence>(losses, ofRows(weights, mask)) : losses, mask, context),
        metrics: { accuracy: meanOfRows(right, mask, {}) },
      };
    });
  };
}

/** What the responses of a group have scored, and whether they were right, for each response of the batch. */
export interface GroupScores {
  /** 1 for a right response, 0 for a wrong one, [B]. */
  readonly labels: ArrayLike<number>;
  /** Q of every response to the same prompt, for each response. */
  readonly groupScores: readonly ArrayLike<number>[];
  /** Their labels. */
  readonly groupLabels: readonly ArrayLike<number>[];
}

/**
 * The mean score of the wrong responses of the group for a right one, of the right ones for a wrong one; 0 of none.
 *
 * @throws ShapeError unless there is a group for each response, with a label for each score
 */
export function oppositeMeans({ labels, groupScores, groupLabels }: GroupScores): Float64Array {
  expectLength('oppositeMeans', 'groupScores', groupScores, labels.length);
  expectLength('oppositeMeans', 'groupLabels', groupLabels, labels.length);
  return Float64Array.from(labels, (label, i) => {
    const [scores, others] = [groupScores[i] as ArrayLike<number>, groupLabels[i] as ArrayLike<number>];
    expectLength('oppositeMeans', `groupLabels[${i}]`, others, scores.length);
    const opposite = Array.from(scores).filter((_, j) =>
      label > 0 ? (others[j] as number) < label : (others[j] as number) > label,
    );
    return opposite.length === 0 ? 0 : opposite.reduce((sum, q) => sum + q, 0) / opposite.length;
  });
}

/**
 * n p^(n−1), p the share of the n responses of the group that are not better: how the density of a response changes
 * when the best of n is taken. `values` are Q, or the labels.
 *
 * @throws ShapeError unless there is a group for each value, DataError for one without a response
 */
export function bestOfNWeights(values: ArrayLike<number>, groupValues: readonly ArrayLike<number>[]): Float64Array {
  expectLength('bestOfNWeights', 'groupValues', groupValues, values.length);
  return Float64Array.from(values, (value, i) => {
    const group = Array.from(groupValues[i] as ArrayLike<number>);
    if (group.length === 0) throw new DataError('bestOfNWeights', `group ${i} is empty; it holds its own response`);
    return group.length * (group.filter((other) => other <= value).length / group.length) ** (group.length - 1);
  });
}

export const implicitRewardContrastEntry: LossEntry<ImplicitRewardContrastInputs> = {
  name: 'implicitRewardContrast',
  formula: '−log σ(± beta (Q − baseline)), Q = Σ_t log π_prm / π_ref, + for right and − for wrong responses',
  citation: 'arXiv:2502.01456',
  per: 'token',
  differentiable: ['scores'],
  example: (shape, rng) => ({
    scores: drawTokens(shape, () => rng.normal()),
    mask: drawMask(shape, rng),
    labels: drawSequences(shape, () => (rng.uniform() < 0.5 ? 0 : 1)),
    baselines: drawSequences(shape, () => rng.normal()),
    weights: drawSequences(shape, () => 0.5 + rng.uniform()),
  }),
  evaluate: implicitRewardContrast(),
};

/** What `pairAccuracy` compares. */
export interface PairAccuracyInputs {
  /** One of each response, [B]. */
  readonly scores: ArrayLike<number>;
  /** Which are better, [B]; any numbers. */
  readonly labels: ArrayLike<number>;
  /** Responses to one prompt have one id, [B]. */
  readonly groups: ArrayLike<number>;
}

/**
 * How well scores order the responses of a group: the share of its pairs with different labels whose scores have the
 * same order, each pair weighted by the difference of the labels, equal scores counting as half; 1/2 for a group
 * without such a pair; mean over the groups.
 *
 * Differences: PRIME counts a pair of equal scores as right where the second response is the better one.
 */
export function pairAccuracy({ scores, labels, groups }: PairAccuracyInputs): number {
  expectLength('pairAccuracy', 'labels', labels, scores.length);
  expectLength('pairAccuracy', 'groups', groups, scores.length);
  const right = new Map<number, { agreeing: number; all: number }>();
  for (let i = 0; i < scores.length; i++) {
    const tally = right.get(groups[i] as number) ?? { agreeing: 0, all: 0 };
    right.set(groups[i] as number, tally);
    for (let j = 0; j < i; j++) {
      if (groups[j] !== groups[i]) continue;
      const label = (labels[i] as number) - (labels[j] as number);
      const score = (scores[i] as number) - (scores[j] as number);
      tally.all += Math.abs(label);
      tally.agreeing += Math.abs(label) * ((1 + Math.sign(label) * Math.sign(score)) / 2);
    }
  }
  const shares = Array.from(right.values(), ({ agreeing, all }) => (all === 0 ? 0.5 : agreeing / all));
  return shares.length === 0 ? 0 : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
