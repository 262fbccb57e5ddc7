import { expectLength, OptionError } from '@tsrl/core';

/**
 * One number for the scores p₁ … p_K of the steps of a solution: their `product`, their `minimum`, the `last` or their
 * `mean`; 0 without steps.
 *
 * @throws OptionError for an unknown aggregate
 */
export function aggregateSteps(scores: readonly number[], by: 'product' | 'minimum' | 'last' | 'mean'): number {
  const aggregates = {
    product: () => scores.reduce((all, p) => all * p, 1),
    minimum: () => scores.reduce((least, p) => Math.min(least, p), Number.POSITIVE_INFINITY),
    last: () => scores.at(-1) as number,
    mean: () => scores.reduce((sum, p) => sum + p, 0) / scores.length,
  };
  if (!Object.hasOwn(aggregates, by)) {
    throw new OptionError('aggregateSteps', 'by', "'product', 'minimum', 'last' or 'mean'", by);
  }
  return scores.length === 0 ? 0 : aggregates[by]();
}

/** Options of {@link stepRewards}. */
export interface StepRewardsOptions {
  /** `value`: a score is the chance of success after its step. `reward`: it is the reward of the step. Default `value`. */
  readonly scores?: 'value' | 'reward';
  /** p₀, the value before the first step. Default 0. */
  readonly baseline?: number;
}

/**
 * The rewards of the steps of a solution: of values the differences p_k − p_{k−1}, which telescope to p_K − p₀
 * however many steps there are; of rewards, themselves. Positive rewards of steps pay for taking more of them.
 *
 * @throws OptionError for an unknown kind of scores
 */
export function stepRewards(
  scores: readonly number[],
  { scores: kind = 'value', baseline = 0 }: StepRewardsOptions = {},
): Float64Array {
  if (kind !== 'value' && kind !== 'reward')
    throw new OptionError('stepRewards', 'scores', "'value' or 'reward'", kind);
  return Float64Array.from(scores, (p, k) =>
    kind === 'reward' ? p : p - (k === 0 ? baseline : (scores[k - 1] as number)),
  );
}

/**
 * Rewards of steps on tokens: [tokens], 0 but at the last token of each step.
 *
 * @throws ShapeError when the two differ in length, OptionError for a number of tokens that is none, and for an
 * end that is no token or not after the one before
 */
export function placeSteps(rewards: ArrayLike<number>, ends: readonly number[], tokens: number): Float64Array {
  expectLength('placeSteps', 'ends', ends, rewards.length);
  if (!(Number.isInteger(tokens) && tokens >= 0)) {
    throw new OptionError('placeSteps', 'tokens', 'a whole number of at least 0', tokens);
  }
  const placed = new Float64Array(tokens);
  ends.forEach((end, k) => {
    const after = k === 0 ? -1 : (ends[k - 1] as number);
    if (!(Number.isInteger(end) && end > after && end < tokens)) {
      throw new OptionError('placeSteps', `ends[${k}]`, `a token after ${after} and before ${tokens}`, end);
    }
    placed[end] = rewards[k] as number;
  });
  return placed;
}

/**
 * Potential-based shaping of the states s₀ … s_{K−1} and a terminal state of potential 0: F_t = γ Φ(s_{t+1}) − Φ(s_t).
 * Discounted, it sums to −Φ(s₀), so that it changes no optimal policy.
 *
 * @throws OptionError for a γ outside [0, 1]
 * @see Ng, Harada and Russell 1999, "Policy invariance under reward transformations"
 */
export function potentialShaping(potentials: readonly number[], gamma: number = 1): Float64Array {
  if (!(gamma >= 0 && gamma <= 1)) throw new OptionError('potentialShaping', 'gamma', 'in [0, 1]', gamma);
  return Float64Array.from(potentials, (potential, t) => gamma * (potentials[t + 1] ?? 0) - potential);
}

/**
 * Credit that tends to the worst step alone as the temperature falls: r_k = p_k · softmax(−p / T)_k.
 *
 * @throws OptionError for a temperature that is not positive
 * @see Cheng et al. 2025, arXiv:2504.15275 (PURE)
 */
export function minFormCredit(scores: readonly number[], temperature: number = 0.1): Float64Array {
  if (!(temperature > 0)) throw new OptionError('minFormCredit', 'temperature', 'positive', temperature);
  const least = scores.reduce((min, p) => Math.min(min, p), Number.POSITIVE_INFINITY);
  const weights = scores.map((p) => Math.exp((least - p) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Float64Array.from(scores, (p, k) => (p * (weights[k] as number)) / total);
}

/**
 * The reward of each token in a process reward model that was trained on outcomes alone: β (log π_prm − log π_ref).
 *
 * @throws ShapeError when the two differ in length, OptionError for a β that is not positive and finite
 * @see Yuan et al. 2024, arXiv:2412.01981
 */
export function implicitProcessRewards(
  logProbs: ArrayLike<number>,
  refLogProbs: ArrayLike<number>,
  beta: number,
): Float64Array {
  expectLength('implicitProcessRewards', 'refLogProbs', refLogProbs, logProbs.length);
  if (!(beta > 0 && beta < Number.POSITIVE_INFINITY)) {
    throw new OptionError('implicitProcessRewards', 'beta', 'positive and finite', beta);
  }
  return Float64Array.from(logProbs, (logProb, t) => beta * (logProb - (refLogProbs[t] as number)));
}
