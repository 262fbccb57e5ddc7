import { bounded, concat, logRatioRows, mean, type RolloutInputs, sum } from './rollout-log-ratios.js';

/** How far the policy that is trained (π) is from the one that sampled (μ); all 0 without a token. */
export interface OffPolicyMetrics {
  /** Mean over sequences of exp(−mean log π), and of its logarithm. */
  readonly perplexity: number;
  readonly logPerplexity: number;
  /** The same of μ. */
  readonly rolloutPerplexity: number;
  readonly rolloutLogPerplexity: number;
  /** log perplexity of π less that of μ, by sequence: mean, mean of the size, largest, smallest. */
  readonly logPerplexityGap: number;
  readonly logPerplexityGapSize: number;
  readonly logPerplexityGapMax: number;
  readonly logPerplexityGapMin: number;
  /** Mean over sequences of the perplexity of π over that of μ. */
  readonly perplexityRatio: number;
  /** KL(μ ‖ π): mean over tokens of k₁ = −log ρ, which may be negative, and of k₃ = ρ − 1 − log ρ, which may not. */
  readonly kl: number;
  readonly k3: number;
  /** χ²(π ‖ μ): mean of ρ² − 1 over tokens, and over sequences with the ratio of the whole. */
  readonly chiSquare: number;
  readonly chiSquareSequence: number;
  /** Rows without a token: they count nowhere. */
  readonly emptyRows: number;
}

/**
 * Diagnostics of the gap between the policy that sampled the tokens and the one that is trained on them, ρ = π / μ.
 * Log-ratios are cut to ±20 in the squares.
 *
 * Differences: in verl a row without a token enters the means over sequences, with perplexity 1.
 *
 * @throws ShapeError when sizes differ, DataError when the mask is not 0 or 1, or when a log-probability that counts is
 * not finite
 */
export function offPolicyMetrics(inputs: RolloutInputs): OffPolicyMetrics {
  const { logProbs, rolloutLogProbs, mask } = inputs;
  const rows = logRatioRows('offPolicyMetrics', inputs);
  const crossEntropies = (of: Float64Array): Float64Array =>
    Float64Array.from(rows, ({ at }) => -at.reduce((total, i) => total + (of[i] as number), 0) / at.length);
  const [trained, rollout] = [crossEntropies(logProbs.data), crossEntropies(rolloutLogProbs.data)];
  const gaps = trained.map((entropy, row) => entropy - (rollout[row] as number));
  const tokens = concat(rows.map(({ logRatios }) => logRatios));
  const square = (logRatio: number): number => Math.expm1(2 * bounded(logRatio));
  return {
    perplexity: mean(trained.map(Math.exp)),
    logPerplexity: mean(trained),
    rolloutPerplexity: mean(rollout.map(Math.exp)),
    rolloutLogPerplexity: mean(rollout),
    logPerplexityGap: mean(gaps),
    logPerplexityGapSize: mean(gaps.map(Math.abs)),
    logPerplexityGapMax: gaps.length === 0 ? 0 : gaps.reduce((a, b) => Math.max(a, b)),
    logPerplexityGapMin: gaps.length === 0 ? 0 : gaps.reduce((a, b) => Math.min(a, b)),
    perplexityRatio: mean(gaps.map(Math.exp)),
    kl: -mean(tokens),
    k3: mean(tokens.map((x) => Math.expm1(x) - x)),
    chiSquare: mean(tokens.map(square)),
    chiSquareSequence: mean(rows.map(({ logRatios }) => square(sum(logRatios)))),
    emptyRows: mask.rows - rows.length,
  };
}
