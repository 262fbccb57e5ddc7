import { type Grid, OptionError, zeros } from '@tsrl/core';
import { bounded, concat, logRatioRows, mean, type RolloutInputs, sum } from './rollout-log-ratios.js';
import { deviation, type RolloutStatistics, rolloutStatistics } from './rollout-statistics.js';

/** Options of {@link rolloutWeights}. */
export interface RolloutWeightsOptions {
  /** Whether a token has its own ratio (default), or that of its sequence: the product, or its geometric mean. */
  readonly level?: 'token' | 'sequence' | 'geometric';
  /** What becomes of a ratio outside the bounds: it is moved to the bound (`truncate`, default), or becomes 0. */
  readonly outside?: 'truncate' | 'mask';
  /** At least 0. Default 0. */
  readonly lower?: number;
  /** Above 0, at least `lower`; may be infinite. Default 2. */
  readonly upper?: number;
  /** Whether the weights are divided by their mean, over the tokens or, of sequences, over those. Default false. */
  readonly normalize?: boolean;
}

/** What {@link rolloutWeights} reports: the ratios before bounds, and what the bounds made of them. */
export interface RolloutWeightMetrics extends RolloutStatistics {
  /** Deviation of the weights over the tokens, before normalising. */
  readonly std: number;
  /** (Σw)² / (n Σw²) over the n tokens: 1 for equal weights, 1/n when one token has all; 0 when all weights are 0. */
  readonly effectiveSampleSize: number;
  /** What the weights were divided by; 1 without `normalize`, or when all are 0. */
  readonly normalizer: number;
}

/** Weights of tokens, [B, T], 0 where the mask is 0. */
export interface RolloutWeights {
  readonly weights: Grid;
  readonly metrics: Readonly<RolloutWeightMetrics> & Readonly<Record<string, number>>;
}

/**
 * Importance weights for tokens that another policy sampled, as an engine whose probabilities differ from those of the
 * trainer, or an older copy of the policy:
 *
 *   wₜ = ρₜ = exp(log πₜ − log μₜ)   (`token`),   Π ρₜ   (`sequence`),   (Π ρₜ)^(1/n)   (`geometric`)
 *
 * then cut to [lower, upper] (truncated importance sampling) or set to 0 outside (masked). They multiply the policy loss
 * as constants. Sequence weights are unbiased until they are cut, and vary with the exponential of the length.
 * Logarithms are cut to ±20 before the exponential.
 *
 * Differences: verl bounds from above only and normalises on request. Its diagnostics cut the weights to
 * [1 / upper, upper] first, as do ours with that `lower`, and a sequence without a token enters them, with ratio 1 or 0.
 * TRL's `token_truncate`, `token_mask`, `sequence_truncate` and `sequence_mask` are the levels `token` and `sequence`
 * with both kinds of `outside`; weights of padding are 1 there, and sequence weights [B, 1]. OpenRLHF's sequence masks
 * are `geometric`.
 *
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a log-probability that counts is not finite
 * @see Ionides 2008, Truncated importance sampling, doi:10.1198/106186008X320456
 */
export function rolloutWeights(
  inputs: RolloutInputs,
  { level = 'token', outside = 'truncate', lower = 0, upper = 2, normalize = false }: RolloutWeightsOptions = {},
): RolloutWeights {
  const who = 'rolloutWeights';
  if (level !== 'token' && level !== 'sequence' && level !== 'geometric') {
    throw new OptionError(who, 'level', "'token', 'sequence' or 'geometric'", level);
  }
  if (outside !== 'truncate' && outside !== 'mask') {
    throw new OptionError(who, 'outside', "'truncate' or 'mask'", outside);
  }
  if (!(lower >= 0 && lower < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'lower', 'finite and at least 0', lower);
  }
  if (!(upper > 0 && upper >= lower)) throw new OptionError(who, 'upper', 'positive and at least lower', upper);

  const { mask } = inputs;
  const rows = logRatioRows(who, inputs);
  const ratios = rows.map(({ logRatios }) => {
    if (level === 'token') return logRatios.map((x) => Math.exp(bounded(x)));
    const whole = Math.exp(bounded(level === 'sequence' ? sum(logRatios) : mean(logRatios)));
    return logRatios.map(() => whole);
  });
  const bound = (ratio: number): number => {
    if (outside === 'mask') return ratio >= lower && ratio <= upper ? ratio : 0;
    return Math.min(upper, Math.max(lower, ratio));
  };
  const bounds = ratios.map((row) => row.map(bound));
  const tokens = concat(bounds);

  const average = mean(level === 'token' ? tokens : bounds.map((row) => row[0] as number));
  const normalizer = normalize && average > 0 ? average : 1;
  const weights = zeros(mask.rows, mask.columns);
  rows.forEach(({ at }, row) => {
    at.forEach((position, i) => {
      weights.data[position] = (bounds[row]?.[i] as number) / normalizer;
    });
  });
  const metrics = {
    ...rolloutStatistics(ratios, level === 'token' ? 'token' : 'sequence', { lower, upper, ideal: 1 }),
    std: deviation(tokens),
    effectiveSampleSize: effectiveSampleSize(tokens),
    normalizer,
  };
  return { weights, metrics };
}

function effectiveSampleSize(weights: Float64Array): number {
  const squares = sum(weights.map((w) => w * w));
  return squares === 0 ? 0 : sum(weights) ** 2 / (weights.length * squares);
}
