import { DataError, expectLength, expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import { discountedReturns } from './discounted-returns.js';
import type { EstimatorEntry } from './entry.js';
import { drawIds, drawMask, drawResponses, drawTokens } from './example.js';
import { type GroupIds, momentsOfGroups } from './group-moments.js';
import { groupMetrics } from './group-relative.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import { placeOutcome } from './place-outcome.js';
import type { ReturnsResult } from './remax.js';
import { rloo } from './rloo.js';
import { tokensPerRow } from './tokens-per-row.js';
import { whiten } from './whiten.js';

/** Inputs of {@link primeRloo}. */
export interface PrimeRlooInputs {
  /** Implicit process reward of each token, [B, T]; not read where the mask is 0. */
  readonly processRewards: Grid;
  /** Outcome of each response, such as 1 where it is right, [B]. */
  readonly rewards: ArrayLike<number>;
  /** Which prompt each response answers, [B]. */
  readonly groups: GroupIds;
  /** 1 where a token counts, [B, T]. */
  readonly mask: Grid;
}

/** Options of {@link primeRloo}. */
export interface PrimeRlooOptions {
  /** Of the process rewards. Default 5. */
  readonly processWeight?: number;
  /** Of the outcomes. Default 5. */
  readonly outcomeWeight?: number;
}

/**
 * PRIME: leave-one-out baselines for process rewards p and outcomes r, each by itself; summed, to go, and whitened
 * over all valid tokens:
 *
 *   p̂_{i,t} = (G p_{i,t} − Σ_j p̄_j) / (G − 1),   p̄_j the mean over the tokens of response j
 *   R_{i,t} = Σ_{s ≥ t} w_p p̂_{i,s} + w_r rloo(r)_i,   A = whiten(R)
 *
 * A response without tokens counts as p̄ = 0. A group of one has nothing to be compared with: its rewards count as 0.
 *
 * Metrics: `groups`, `singletonGroups`, `equalGroups`, `missingRewards` of the outcomes, and `emptyRows` without a token.
 *
 * Differences: verl's recipe divides 0 by 0 for a group of one and for a response without tokens.
 *
 * @returns advantages and returns (not whitened) [B, T]
 * @throws OptionError for a weight that is not finite, ShapeError when sizes differ or there is no response, DataError
 * when the mask is not 0 or 1, or when a reward that counts is not finite
 * @see Cui et al. 2025, arXiv:2502.01456
 */
export function primeRloo(
  { processRewards, rewards, groups, mask }: PrimeRlooInputs,
  { processWeight = 5, outcomeWeight = 5 }: PrimeRlooOptions = {},
): ReturnsResult {
  for (const [name, weight] of Object.entries({ processWeight, outcomeWeight })) {
    if (!Number.isFinite(weight)) throw new OptionError('primeRloo', name, 'finite', weight);
  }
  expectSameGrid('primeRloo', { processRewards, mask });
  expectLength('primeRloo', 'rewards', rewards, mask.rows);
  expectMask('primeRloo', mask);
  expectFiniteWhere('primeRloo', 'processRewards', processRewards, mask);
  const unfit = Array.from(rewards).findIndex((reward) => !Number.isFinite(reward));
  if (unfit >= 0) throw new DataError('primeRloo', `rewards[${unfit}] must be finite; got ${rewards[unfit]}`);

  const lengths = tokensPerRow(mask);
  const rowMeans = new Float64Array(mask.rows);
  const rowOf = (at: number): number => Math.floor(at / mask.columns);
  mask.data.forEach((m, at) => {
    const row = rowOf(at);
    if (m === 1)
      rowMeans[row] = (rowMeans[row] as number) + (processRewards.data[at] as number) / (lengths[row] as number);
  });
  const process = momentsOfGroups('primeRloo', rowMeans, groups, 'sample');
  const outcome = momentsOfGroups('primeRloo', rewards, groups, 'sample');
  const outcomes = placeOutcome(rloo({ rewards, groups }).advantages, mask);
  const combined = outcomes.data.map((r, at) => {
    if (mask.data[at] !== 1) return 0;
    const group = process.index[rowOf(at)] as number;
    const count = process.counts[group] as number;
    if (count === 1) return 0;
    const p = ((processRewards.data[at] as number) - (process.means[group] as number)) * (count / (count - 1));
    return processWeight * p + outcomeWeight * r;
  });
  const returns = discountedReturns({ rewards: { ...mask, data: combined }, mask });
  const emptyRows = lengths.filter((n) => n === 0).length;
  return { advantages: whiten(returns, mask), returns, metrics: { ...groupMetrics(outcome), emptyRows } };
}

export const primeRlooEntry: EstimatorEntry<PrimeRlooInputs> = {
  name: 'primeRloo',
  formula: 'A = whitened over all tokens: reward to go of w_p rloo(process) + w_r rloo(outcome)',
  citation: 'arXiv:2502.01456',
  laws: ['group-shift-invariant', 'shift-invariant', 'zero-mean'],
  example: (shape, rng) => ({
    processRewards: drawTokens(shape, () => rng.normal()),
    rewards: drawResponses(shape, () => Number(rng.uniform() < 0.5)),
    groups: drawIds(shape),
    mask: drawMask(shape, rng),
  }),
  estimate: (inputs) => primeRloo(inputs),
};
