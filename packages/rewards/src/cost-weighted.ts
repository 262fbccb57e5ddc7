import { OptionError } from '@tsrl/core';
import type { BinaryReward } from './confidence.js';

/** What each of the four outcomes is worth or costs: finite numbers of at least 0, by default 1. */
export interface Costs {
  /** g_TP: gain of action 1 on label 1. */
  readonly truePositive?: number;
  /** c_FN: cost of action 0 on label 1. */
  readonly falseNegative?: number;
  /** g_TN: gain of action 0 on label 0. */
  readonly trueNegative?: number;
  /** c_FP: cost of action 1 on label 0. */
  readonly falsePositive?: number;
}

/**
 * A reward whose four outcomes count differently: that of a cost matrix U with the confidence of the reward,
 *
 *   r(x, a, y) = U[y][a] κ c(p_a),   U = [[g_TN, −c_FP], [−c_FN, g_TP]]
 *
 * which is `reward` times |U[y][a]|: its sign is that of U already. With `constantReward` the better action is 1 where
 * P(y = 1 | x) exceeds `bayesThreshold(costs)`, so that a policy trained to the end decides at that threshold by itself,
 * at p = 1/2; do not move its threshold once more. Other confidences shift it.
 *
 * One of three ways to meet class imbalance, beside balanced sampling and class weights: two together count it twice.
 *
 * @throws OptionError for a gain or cost that is negative or not finite, or when all are 0
 * @see Elkan 2001, "The foundations of cost-sensitive learning"
 */
export function costWeighted(reward: BinaryReward, costs: Costs): BinaryReward {
  const [gainNegative, costPositive, costNegative, gainPositive] = magnitudes('costWeighted', costs);
  const sizes = [
    [gainNegative, costPositive],
    [costNegative, gainPositive],
  ] as const;
  return (input) => sizes[input.label][input.action] * reward(input);
}

/**
 * The probability of class 1 above which deciding for it is the cheaper error:
 *
 *   t* = (g_TN + c_FP) / (g_TN + c_FP + g_TP + c_FN)
 *
 * With η = P(y = 1 | x), action 1 earns η (g_TP + c_FN) − (1 − η) (g_TN + c_FP) more than action 0 in the mean, which
 * is positive where η > t*. For a calibrated classifier that knows nothing of the costs.
 *
 * @throws OptionError for a gain or cost that is negative or not finite, or when all are 0
 * @see Elkan 2001, "The foundations of cost-sensitive learning", equation 2
 */
export function bayesThreshold(costs: Costs): number {
  const [gainNegative, costPositive, costNegative, gainPositive] = magnitudes('bayesThreshold', costs);
  const ofNegative = gainNegative + costPositive;
  return ofNegative / (ofNegative + costNegative + gainPositive);
}

/** |U| row by row: g_TN, c_FP, c_FN, g_TP. */
function magnitudes(
  who: string,
  { truePositive = 1, falseNegative = 1, trueNegative = 1, falsePositive = 1 }: Costs,
): readonly [number, number, number, number] {
  const named = { trueNegative, falsePositive, falseNegative, truePositive };
  for (const [name, value] of Object.entries(named)) {
    if (!(value >= 0 && Number.isFinite(value)))
      throw new OptionError(who, name, 'a finite number of at least 0', value);
  }
  if (trueNegative + falsePositive + falseNegative + truePositive === 0) {
    throw new OptionError(who, 'costs', 'positive for one outcome at least', named);
  }
  return [trueNegative, falsePositive, falseNegative, truePositive];
}
