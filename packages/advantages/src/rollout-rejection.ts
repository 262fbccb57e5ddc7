import { type Grid, OptionError, zeros } from '@tsrl/core';
import { bounded, concat, logRatioRows, mean, type RolloutInputs, sum } from './rollout-log-ratios.js';
import { deviation, type RolloutStatistics, rolloutStatistics } from './rollout-statistics.js';

/** What must be within bounds for tokens to stay. */
export interface RejectionRule {
  /** An estimate of KL(μ ‖ π) from one token: k₁ = −log ρ, k₂ = (log ρ)² / 2, k₃ = ρ − 1 − log ρ. */
  readonly estimate: 'k1' | 'k2' | 'k3';
  /** Of each `token` by itself, or `sum`, `mean` or `max` over a sequence, which then stays or goes as a whole. */
  readonly over: 'token' | 'sum' | 'mean' | 'max';
  /** In nats, at most `upper`; of k1 only, for the others are never negative. Default −∞. */
  readonly lower?: number;
  /** In nats; positive for k2 and k3. */
  readonly upper: number;
}

/** Options of {@link rolloutRejection}. */
export interface RolloutRejectionOptions {
  /** At least one; a token stays when all agree. */
  readonly rules: readonly RejectionRule[];
}

/** What one rule saw and did. */
export interface RuleReport extends RolloutStatistics {
  /** Deviation over the tokens of the estimate, cut to the bounds. */
  readonly std: number;
  readonly rejectedTokens: number;
  /** Sequences that lost at least one token. */
  readonly rejectedSequences: number;
}

/** The mask without what was rejected, [B, T]. */
export interface RolloutRejection {
  readonly mask: Grid;
  /** One for every rule, in their order. */
  readonly rules: readonly RuleReport[];
  readonly metrics: Readonly<Record<'tokens' | 'sequences' | 'rejectedTokens' | 'rejectedSequences', number>>;
}

/**
 * Drops tokens, or whole sequences, on which the policy that sampled (μ) and the one that is trained (π) differ too much:
 *
 *   m'ₜ = mₜ · Π over the rules of [lower ≤ k ≤ upper],   ρ = π / μ
 *
 * with k₁ averaged over the sequence the geometric mean of the ratio is bounded, with k₁ summed the ratio of the whole
 * sequence. Log-ratios are cut to ±20 first.
 *
 * Metrics: `tokens` and `sequences` that had some before, `rejectedTokens`, `rejectedSequences` that lost one or more.
 *
 * Differences: verl writes the bounds of k1 as bounds of μ / π, whose logarithms ours are (one number u stands for
 * 1 / u and u), and knows no maximum of k1.
 *
 * @throws OptionError for a rule that does not fit, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a log-probability that counts is not finite
 * @see Schulman 2020, Approximating KL divergence (the estimates)
 */
export function rolloutRejection(inputs: RolloutInputs, { rules }: RolloutRejectionOptions): RolloutRejection {
  if (rules.length === 0) throw new OptionError('rolloutRejection', 'rules', 'at least one rule', rules);
  rules.forEach(expectRule);

  const { mask } = inputs;
  const rows = logRatioRows('rolloutRejection', inputs);
  const kept = rows.map(({ at }) => new Uint8Array(at.length).fill(1));
  const reports = rules.map(({ estimate, over, lower = Number.NEGATIVE_INFINITY, upper }) => {
    const statistics = rows.map(({ logRatios }) => {
      const tokens = logRatios.map((x) => estimates[estimate](bounded(x)));
      if (over === 'token') return tokens;
      return tokens.fill(reductions[over](tokens));
    });
    let rejectedTokens = 0;
    let rejectedSequences = 0;
    statistics.forEach((row, i) => {
      const before = rejectedTokens;
      row.forEach((k, t) => {
        if (k >= lower && k <= upper) return;
        rejectedTokens += 1;
        (kept[i] as Uint8Array)[t] = 0;
      });
      if (rejectedTokens > before) rejectedSequences += 1;
    });
    const cut = concat(statistics).map((k) => Math.min(upper, Math.max(lower, k)));
    return {
      ...rolloutStatistics(statistics, over === 'token' ? 'token' : 'sequence', { lower, upper, ideal: 0 }),
      std: deviation(cut),
      rejectedTokens,
      rejectedSequences,
    };
  });

  const left = zeros(mask.rows, mask.columns);
  rows.forEach(({ at }, i) => {
    at.forEach((position, t) => {
      left.data[position] = kept[i]?.[t] as number;
    });
  });
  const metrics = {
    tokens: sum(rows.map(({ at }) => at.length)),
    sequences: rows.length,
    rejectedTokens: sum(kept.map((row) => row.length - sum(row))),
    rejectedSequences: kept.filter((row) => row.includes(0)).length,
  };
  return { mask: left, rules: reports, metrics };
}

const estimates = {
  k1: (logRatio: number): number => -logRatio,
  k2: (logRatio: number): number => logRatio ** 2 / 2,
  k3: (logRatio: number): number => Math.expm1(logRatio) - logRatio,
};

const reductions = {
  sum,
  mean,
  max: (values: Float64Array): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
};

function expectRule({ estimate, over, lower, upper }: RejectionRule, i: number): void {
  const option = (name: string, expected: string, got: unknown): OptionError =>
    new OptionError('rolloutRejection', `rules[${i}].${name}`, expected, got);
  if (!Object.hasOwn(estimates, estimate)) throw option('estimate', "'k1', 'k2' or 'k3'", estimate);
  if (over !== 'token' && !Object.hasOwn(reductions, over)) {
    throw option('over', "'token', 'sum', 'mean' or 'max'", over);
  }
  if (lower !== undefined && estimate !== 'k1') throw option('lower', 'absent, but for k1', lower);
  if (estimate !== 'k1' && !(upper > 0)) throw option('upper', `positive, as ${estimate} is`, upper);
  if (typeof upper !== 'number' || Number.isNaN(upper)) throw option('upper', 'a number', upper);
  if (lower !== undefined && !(lower <= upper)) throw option('lower', `at most upper, ${upper}`, lower);
}
