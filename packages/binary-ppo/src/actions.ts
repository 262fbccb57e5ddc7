import { DataError, expectLength, type Grid, logSigmoid, type Rng, sigmoid, zeros } from '@tsrl/core';
import type { BinaryReward } from '@tsrl/rewards';
import { CERTAIN } from './answers.js';

// Columns of every grid belong to the actions 0 and 1, and a third one to an invalid answer where a policy can give one.

/** What each action would earn. */
export interface ActionRewards {
  /** In [0, 1]. */
  readonly labels: ArrayLike<number>;
  /** z of the behaviour policy: log-odds of class 1 among the two classes. */
  readonly logits: ArrayLike<number>;
  /** What an invalid answer earns, whatever the label; given, there is a third column. */
  readonly invalidReward?: number | undefined;
}

/**
 * What each of the actions would earn on each example: the label is known, so all are. A label y between 0 and 1 is a
 * belief, and earns what is expected: r(a, y) = y r(a, 1) + (1 − y) r(a, 0).
 *
 * @returns [N, 2], column a for action a, or [N, 3] with that of an invalid answer
 * @throws ShapeError when there are not as many logits as labels, DataError for a label outside [0, 1]
 */
export function rewardsOfActions(reward: BinaryReward, { labels, logits, invalidReward }: ActionRewards): Grid {
  expectLength('rewardsOfActions', 'logits', logits, labels.length);
  const width = invalidReward === undefined ? 2 : 3;
  const rewards = zeros(labels.length, width);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    if (!(label >= 0 && label <= 1)) {
      throw new DataError('rewardsOfActions', `labels[${i}] must be in [0, 1]; got ${label}`);
    }
    const logit = logits[i] as number;
    for (const action of [0, 1] as const) {
      const of = (truth: 0 | 1): number => reward({ action, label: truth, logit });
      // An infinite reward of a label that is ruled out is not asked for.
      const earned = label === 1 ? of(1) : label === 0 ? of(0) : label * of(1) + (1 - label) * of(0);
      rewards.data[width * i + action] = earned;
    }
    if (invalidReward !== undefined) rewards.data[width * i + 2] = invalidReward;
  }
  return rewards;
}

/**
 * The probability of each action under the behaviour policy: every action counts, no sampling noise.
 *
 * @param logMass log-probability that the answer is valid, at most 0 up to rounding; always, if left out
 * @returns [N, 2], or [N, 3] with `logMass`
 * @throws ShapeError when there are not as many of them as logits
 */
export function enumerateActions(logits: ArrayLike<number>, logMass?: ArrayLike<number>): Grid {
  if (logMass) expectLength('enumerateActions', 'logMass', logMass, logits.length);
  const width = logMass ? 3 : 2;
  const weights = zeros(logits.length, width);
  for (let i = 0; i < logits.length; i++) {
    const z = logits[i] as number;
    const valid = Math.min(logMass?.[i] ?? 0, 0);
    weights.data[width * i] = Math.exp(valid) * sigmoid(-z);
    weights.data[width * i + 1] = Math.exp(valid) * sigmoid(z);
    if (logMass) weights.data[width * i + 2] = 0 - Math.expm1(valid); // not −0
  }
  return weights;
}

/** The logarithms of those probabilities, finite: that of an invalid answer is −25 log 2 or more, as on the device. */
export function logProbsOfActions(logits: ArrayLike<number>, logMass?: ArrayLike<number>): Grid {
  const width = logMass ? 3 : 2;
  const logProbs = zeros(logits.length, width);
  for (let i = 0; i < logits.length; i++) {
    const z = logits[i] as number;
    const valid = Math.min(logMass?.[i] ?? 0, 0);
    logProbs.data[width * i] = valid + logSigmoid(-z);
    logProbs.data[width * i + 1] = valid + logSigmoid(z);
    if (logMass) logProbs.data[width * i + 2] = logComplement(Math.min(valid, CERTAIN));
  }
  return logProbs;
}

/** log(1 − exp(x)), x < 0, each branch where it keeps its digits. */
const logComplement = (x: number): number => (x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x)));

/** How often each action was drawn, of the size of their probabilities; `samples` draws per example. */
export function sampleActions({ data, rows, columns }: Grid, samples: number, rng: Rng): Grid {
  const counts = zeros(rows, columns);
  for (let i = 0; i < rows * samples; i++) {
    const row = columns * Math.floor(i / samples);
    let [left, drawn] = [rng.uniform(), 0];
    // Rounding may leave something after the last: it goes to the last that can happen at all.
    for (let a = 0; a < columns && left >= 0; a++) {
      const probability = data[row + a] as number;
      if (probability > 0) drawn = a;
      left -= probability;
    }
    (counts.data[row + drawn] as number) += 1;
  }
  return counts;
}

/**
 * The action of the label alone, [N, actions]: 1 for it and 0 for the others; imitation, with no sampling noise. A label y
 * between 0 and 1 shares it out: 1 − y for action 0, y for action 1.
 */
export function labelActions(labels: ArrayLike<number>, actions: 2 | 3 = 2): Grid {
  const weights = zeros(labels.length, actions);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    weights.data[actions * i] = 1 - label;
    weights.data[actions * i + 1] = label;
  }
  return weights;
}
