import { tensorOf } from '../inputs.js';
import { finite, rowsWithoutToken } from './cases.js';
import type { Decision } from './decision.js';

/** Statistics over sequences: by name, and those of sequence weights, of which there is one for each row. */
const overSequences =
  /^metrics\.(rollout_is_(seq_(mean|std|max|min|max_deviation|fraction_high|fraction_low)|max|min|ratio_fraction_(high|low))|(training|rollout)_(log_)?ppl|log_ppl_(abs_)?diff(_max|_min)?|ppl_ratio|chi2_seq)$/;

export const rolloutDecisions: readonly Decision[] = [
  {
    name: 'a sequence without a token is in no statistic over sequences',
    files: /^rollout-correction\.verl/,
    cases: 'diagnostics where a row has no token',
    source: 'such a row enters means, extremes and fractions over sequences, with ratio 1 or 0 and log-probability 0',
    ours: 'it is left out',
    reason:
      'nothing was sampled there: a ratio of 0 drags the mean down and sets the minimum, and a log-probability of 0 is a perplexity of 1, however bad the model',
    applies: (golden) => rowsWithoutToken(golden).length > 0,
    explains: ({ part, got }) => overSequences.test(part) && Number.isFinite(got),
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
