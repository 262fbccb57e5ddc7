import type { GoldenCase } from '../golden.js';
import { tensorOf } from '../inputs.js';
import type { Mismatch } from '../judge.js';
import { finite, rowsWithoutToken } from './cases.js';
import type { Decision } from './decision.js';
import { countShows } from './rollout-count.js';

/** Statistics over sequences: by name, and those of sequence weights, of which there is one for each row. */
const overSequences =
  /^metrics\.(rollout_is_(seq_(mean|std|max|min|max_deviation|fraction_high|fraction_low)|max|min|ratio_fraction_(high|low))|(training|rollout)_(log_)?ppl|log_ppl_(abs_)?diff(_max|_min)?|ppl_ratio|chi2_seq)$/;

/**
 * Whether the 1e-8 that the source adds to the count explains it. A mean is off by 1e-8 of itself, which shows where 1
 * is taken from it or an exponential of it; a variance, the mean of squares minus the square of the mean, by twice
 * that of the largest square, within the thresholds to which the source clamps.
 */
function isOfCount({ part, expected, got }: Mismatch, golden: GoldenCase): boolean {
  if (!/^metrics\..*_std$/.test(part) || part.endsWith('_seq_std')) {
    const size = Math.abs(expected);
    // Of a mean of exponentials over the rows, the largest may be the whole.
    const exponent = Math.abs(Math.log(size)) + Math.log(tensorOf(golden, 'response_mask').shape[0] as number);
    return Math.abs(expected - got) <= 1e-8 * (1 + size) * (1 + exponent);
  }
  const { params } = golden;
  const given = String(params['rollout_is_threshold'] ?? params['rollout_rs_threshold'] ?? 2);
  const largest = Math.max(
    ...given.split(/[_,]/).map((bound) => Math.max(Number(bound), Math.abs(Math.log(Number(bound))))),
  );
  return Math.abs(expected ** 2 - got ** 2) <= 2.5e-8 * largest ** 2;
}

export const rolloutDecisions: readonly Decision[] = [
  {
    name: 'a mean divides by its count',
    files: /^rollout-correction\.verl/,
    cases: 'few tokens, statistics that hardly differ, or large perplexities',
    source: 'sums divided by the count + 1e-8; the standard deviation of equal numbers is up to 1e-4 of them',
    ours: 'the mean; 0',
    reason: 'the epsilon stands for an empty mask, and reports a spread where there is none (core.md, 1.3)',
    applies: countShows,
    explains: isOfCount,
  },
  {
    name: 'a sequence without a token is in no statistic over sequences',
    files: /^rollout-correction\.verl/,
    cases: 'diagnostics where a row has no token',
    source: 'such a row enters means, extremes and fractions over sequences, with ratio 1 or 0 and log-probability 0',
    ours: 'it is left out',
    reason:
      'nothing was sampled there: a ratio of 0 drags the mean down and sets the minimum, and a log-probability of 0 is a perplexity of 1, however bad the model',
    applies: (golden) => rowsWithoutToken(golden).length > 0,
    explains: (mismatch, golden) =>
      (overSequences.test(mismatch.part) && Number.isFinite(mismatch.got)) || isOfCount(mismatch, golden),
  },
  {
    name: 'a batch without a token is no error',
    files: /^rollout-correction\.verl/,
    cases: 'a mask without a single 1',
    source: 'an error',
    ours: 'weights, masks and metrics of 0, and extremes where both policies would agree',
    reason: 'a batch without a token teaches nothing, and must not end a run (core.md, 0.4)',
    applies: (golden) => rowsWithoutToken(golden).length === tensorOf(golden, 'response_mask').shape[0],
    instead: finite,
  },
];
