import { expectSameGrid, type Grid, OptionError, zeros } from '@tsrl/core';
import { expectFiniteWhere, expectMask } from './masked-input.js';

/** Inputs of {@link penalizeKl}; nothing is read where the mask is 0. */
export interface PenalizeKlInputs {
  /** Reward of each token, [B, T]: `placeOutcome` for one reward per response. */
  readonly rewards: Grid;
  /** log π of the tokens under the policy that sampled them, [B, T]. */
  readonly logProbs: Grid;
  /** log π_ref of the tokens, [B, T]. */
  readonly refLogProbs: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
}

/** Options of {@link penalizeKl}. */
export interface PenalizeKlOptions {
  /** β: what a nat costs; finite, at least 0. Default 0.05. */
  readonly beta?: number;
  /** Of d = log π − log π_ref: k1 d (default), abs |d|, k2 d² / 2, k3 e^−d − 1 + d. */
  readonly estimate?: 'k1' | 'abs' | 'k2' | 'k3';
}

/** Rewards less the penalty, [B, T]; 0 where the mask is 0. */
export interface PenalizedRewards {
  readonly rewards: Grid;
  readonly metrics: Readonly<Record<'kl' | 'klPerSequence', number>>;
}

/**
 * Takes the divergence from a reference policy off the reward of every token:
 *
 *   r'ₜ = rₜ − β kₜ,   k an estimate of KL(π ‖ π_ref) from the sampled token; 0 where the mask is 0
 *
 * The expectation of the policy gradient with k1 here is that of k2 in the loss. With k2, k3 or abs in the reward it is
 * not the gradient of a KL. Take the KL in the reward or in the loss, not in both.
 *
 * Metrics: `kl`, the mean over sequences of their mean over tokens (what `adaptiveKl` expects by default), and
 * `klPerSequence`, of their sum; rows without a token count nowhere.
 *
 * Differences: TRL clips and penalises the outcome (no end of text) before: do so with what `placeOutcome` gets.
 * OpenRLHF and verl clamp k3; e^−d is left as it is here, and must be finite.
 *
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when an input or a penalty that counts is not finite
 * @see Ziegler et al. 2019, arXiv:1909.08593, equation 2; Schulman 2020, Approximating KL divergence (the estimates)
 */
export function penalizeKl(
  { rewards, logProbs, refLogProbs, mask }: PenalizeKlInputs,
  { beta = 0.05, estimate = 'k1' }: PenalizeKlOptions = {},
): PenalizedRewards {
  const who = 'penalizeKl';
  if (!(beta >= 0 && beta < Number.POSITIVE_INFINITY))
    throw new OptionError(who, 'beta', 'finite and at least 0', beta);
  if (!Object.hasOwn(estimates, estimate))
    throw new OptionError(who, 'estimate', "'k1', 'abs', 'k2' or 'k3'", estimate);
  const grids = { rewards, logProbs, refLogProbs };
  expectSameGrid(who, { ...grids, mask });
  expectMask(who, mask);
  for (const [name, grid] of Object.entries(grids)) expectFiniteWhere(who, name, grid, mask);

  const { rows, columns } = mask;
  const penalties: Grid = {
    ...mask,
    data: mask.data.map((m, at) =>
      m === 1 ? estimates[estimate]((logProbs.data[at] as number) - (refLogProbs.data[at] as number)) : 0,
    ),
  };
  expectFiniteWhere(who, estimate, penalties, mask);
  const penalized = zeros(rows, columns);
  let [means, sums, sequences] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    let [sum, tokens] = [0, 0];
    for (let at = row * columns; at < (row + 1) * columns; at++) {
      if (mask.data[at] !== 1) continue;
      const penalty = penalties.data[at] as number;
      penalized.data[at] = (rewards.data[at] as number) - beta * penalty;
      sum += penalty;
      tokens += 1;
    }
    if (tokens === 0) continue;
    sequences += 1;
    sums += sum;
    means += sum / tokens;
  }
  const n = Math.max(1, sequences);
  return { rewards: penalized, metrics: { kl: means / n, klPerSequence: sums / n } };
}

const estimates = {
  k1: (d: number): number => d,
  abs: Math.abs,
  k2: (d: number): number => d ** 2 / 2,
  k3: (d: number): number => Math.expm1(-d) + d,
};
