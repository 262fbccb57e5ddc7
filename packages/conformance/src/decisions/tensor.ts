import { verlModes } from '../aggregation.js';
import { type GoldenCase, isTensor } from '../golden.js';
import { has, tensorOf } from '../inputs.js';
import { type Mismatch, tolerances } from '../judge.js';
import { finite, groups, largest, rowsWithoutToken } from './cases.js';
import type { Decision } from './decision.js';

/** Statistics, aggregation, KL and entropy. */
export const tensorDecisions: readonly Decision[] = [
  {
    name: 'no-variance',
    files: /^(masked-stats|advantages\.gae)\./,
    cases: 'fewer than two values, or values without any variance',
    source: 'an error, NaN, or rounding noise divided by sqrt(epsilon)',
    ours: 'variance 0, whitened 0 (or the value, when the mean is kept)',
    reason: 'the batch holds no scale to divide by; a training step must not end over it (core.md, 1.3)',
    applies: (golden) =>
      groups(golden).some(({ length, spread }) => length < 2 || (spread <= 1e-6 && has(golden, 'mask'))),
    // What is left of the sources' epsilon in the mean, 1e-8 of it, over sqrt(1e-8).
    explains: ({ part, expected, got }, golden) =>
      Number.isFinite(got) &&
      (Number.isNaN(expected) ||
        (part === 'result' && Math.abs(expected - got) <= 1e-4 * largest(golden, 'values')) ||
        (part === 'gradients.values' && got === 0 && Math.abs(expected) <= 1e-4)),
    instead: finite,
  },
  {
    name: 'nothing-to-average',
    files: /^(masked-stats|loss-aggregation|entropy|policy-loss|value-loss)/,
    cases: 'a mask without a single 1, in the batch or in a row that is averaged',
    source: 'NaN (0 / 0)',
    ours: '0, with gradient 0',
    reason: 'a batch without a token teaches nothing, and must not poison the weights (core.md, 1.3 and 1.4)',
    applies: (golden) => groups(golden).some(({ length }) => length === 0) || isRejected(golden),
    explains: ({ expected, got }) => Number.isNaN(expected) && got === 0,
  },
  {
    name: 'masked-vocabulary',
    files: /^entropy\./,
    cases: 'logits of -Infinity',
    source: 'NaN (0 times infinity)',
    ours: 'the entropy over the other tokens',
    reason: 'a token that cannot be sampled adds nothing: p log p is 0 at p = 0 (core.md, 1.2)',
    applies: (golden) => has(golden, 'logits') && tensorOf(golden, 'logits').data.includes(Number.NEGATIVE_INFINITY),
    explains: ({ expected, got }) => Number.isNaN(expected) && Number.isFinite(got),
  },
  {
    name: 'functions-not-names',
    files: /^(loss-aggregation|entropy|policy-loss|value-loss|kl-penalty)/,
    cases: 'an unknown name of an aggregation or of an estimator',
    source: 'an error',
    ours: 'nothing to call: an unknown function is a compile error',
    reason: 'aggregations and estimators are functions, not strings (architecture.md, 5)',
    applies: ({ params }) =>
      unknown(params['loss_agg_mode'], verlModes) || unknown(params['kl_penalty'], verlKlNames, /\+$/),
    instead: ({ kind }) => kind === 'not mapped',
  },
  {
    name: 'works-here',
    files: /^kl-penalty\.verl/,
    cases: 'straight-through estimators (k3+) as shipped, and the full divergence',
    source: 'NotImplementedError',
    ours: 'straightThrough(k3), fullKl',
    reason: 'named by the source, but not finished at the recorded commit (core.md, 1.5)',
    applies: ({ params }) => /\+$|^full$/.test(String(params['kl_penalty'])),
    instead: finite,
  },
  {
    name: 'logits-not-log-probs',
    files: /^kl-penalty\.spo/,
    cases: 'the gradient of the full divergence',
    source: 'd / d log-probs, as if they could move one by one: p (log p - log q + 1) and -p',
    ours: 'd / d logits: p (log p - log q - KL) and q - p',
    reason: 'a policy moves its logits; the log-probs of a distribution are tied by their sum (core.md, 1.5)',
    applies: ({ params }) => params['estimation_type'] === 'full',
    explains: isPulledBack,
  },
  {
    name: 'no-token-no-reward',
    files: /^kl-penalty\.openrlhf/,
    cases: 'a row without a token that counts',
    source: 'the outcome lands on the last position of the row',
    ours: 'the outcome is dropped',
    reason: 'no token earned it (core.md, 1.8)',
    applies: (golden) => rowsWithoutToken(golden).length > 0,
    explains: ({ index: [row = 0, column], got }, golden) =>
      Number.isFinite(got) &&
      rowsWithoutToken(golden).includes(row) &&
      column === (tensorOf(golden, 'action_mask').shape[1] as number) - 1,
  },
];

/** Whether rejection has left no token. */
function isRejected({ outputs }: GoldenCase): boolean {
  const kept = outputs['effective_mask'];
  return isTensor(kept) && !kept.data.includes(1);
}

const verlKlNames = ['kl', 'k1', 'abs', 'mse', 'k2', 'low_var_kl', 'k3', 'full'];

function unknown(name: unknown, known: readonly string[], suffix = /$/): boolean {
  return typeof name === 'string' && !known.includes(name.replace(suffix, ''));
}

/** Whether ours is the source's gradient, taken through the softmax: g_j − p_j Σ_v g_v. */
function isPulledBack({ part, index, got }: Mismatch, golden: GoldenCase): boolean {
  const [kind, name = ''] = part.split('.');
  const theirs = golden.gradients[name];
  if (kind !== 'gradients' || theirs === undefined) return false;
  const size = theirs.shape.at(-1) as number;
  const row = index.slice(0, -1).reduce((flat, i, axis) => flat * (theirs.shape[axis] as number) + i, 0);
  const gradient = theirs.data.subarray(row * size, (row + 1) * size);
  const logProbs = tensorOf(golden, name).data.subarray(row * size, (row + 1) * size);
  const at = index.at(-1) as number;
  const p = Math.exp(logProbs[at] as number);
  const expected = (gradient[at] as number) - p * gradient.reduce((sum, g) => sum + g, 0);
  const { absolute, relative } = tolerances.float32;
  return Math.abs(got - expected) <= absolute + relative * Math.abs(expected);
}
