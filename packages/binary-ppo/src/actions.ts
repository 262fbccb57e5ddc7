import { DataError, expectLength, type Grid, type Rng, sigmoid, zeros } from '@tsrl/core';
import type { BinaryReward } from '@tsrl/rewards';

/**
 * What each of the two actions would earn on each example: the label is known, so both are.
 *
 * @returns [N, 2], column a for action a
 * @throws ShapeError when there are not as many logits as labels, DataError for a label other than 0 and 1
 */
export function rewardsOfActions(
  reward: BinaryReward,
  { labels, logits }: { readonly labels: ArrayLike<number>; readonly logits: ArrayLike<number> },
): Grid {
  expectLength('rewardsOfActions', 'logits', logits, labels.length);
  const rewards = zeros(labels.length, 2);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (label !== 0 && label !== 1) {
      throw new DataError('rewardsOfActions', `labels[${i}] must be 0 or 1; got ${label}`);
    }
    const logit = logits[i] as number;
    rewards.data[2 * i] = reward({ action: 0, label, logit });
    rewards.data[2 * i + 1] = reward({ action: 1, label, logit });
  }
  return rewards;
}

/** The probability of each action under the behaviour policy, [N, 2]: every action counts, no sampling noise. */
export function enumerateActions(logits: ArrayLike<number>): Grid {
  const weights = zeros(logits.length, 2);
  for (let i = 0; i < logits.length; i++) {
    weights.data[2 * i] = sigmoid(-(logits[i] as number));
    weights.data[2 * i + 1] = sigmoid(logits[i] as number);
  }
  return weights;
}

/** How often each action was drawn from the behaviour policy, [N, 2]; `samples` draws per example. */
export function sampleActions(logits: ArrayLike<number>, samples: number, rng: Rng): Grid {
  const counts = zeros(logits.length, 2);
  for (let i = 0; i < logits.length; i++) {
    const p = sigmoid(logits[i] as number);
    for (let draw = 0; draw < samples; draw++) {
      (counts.data[2 * i + (rng.uniform() < p ? 1 : 0)] as number) += 1;
    }
  }
  return counts;
}

/** The action of the label alone, [N, 2]: 1 for it and 0 for the other one; imitation, with no sampling noise. */
export function labelActions(labels: ArrayLike<number>): Grid {
  const weights = zeros(labels.length, 2);
  for (let i = 0; i < labels.length; i++) weights.data[2 * i + (labels[i] === 1 ? 1 : 0)] = 1;
  return weights;
}
