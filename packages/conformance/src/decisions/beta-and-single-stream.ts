import type { GoldenCase } from '../golden.js';
import { tensorOf } from '../inputs.js';
import { finite } from './cases.js';
import type { Decision } from './decision.js';

/** BNPO and single-stream SPO. */
export const betaAndSingleStreamDecisions: readonly Decision[] = [
  {
    name: 'no-rate-of-one-response',
    files: /^advantages\.bnpo/,
    cases: 'a prompt with a single response',
    source: 'the success rate 0, hence the advantage 1e6 R; an error or NaN when all prompts have one',
    ours: 'advantage 0, and the prompt stays out of the fit',
    reason: 'one response has nothing to be compared with (core.md, 5.4)',
    applies: (golden) => sizesAndMeans(golden).some(({ size }) => size === 1),
    explains: ({ got }) => Number.isFinite(got),
    instead: finite,
  },
  {
    name: 'rates-that-do-not-differ',
    files: /^advantages\.bnpo/,
    cases: 'several prompts whose success rates are all equal',
    source: 'infinite or NaN parameters, and NaN advantages or an error',
    ours: 'alpha = beta = 1: centered rewards',
    reason: 'a Beta density without width cannot normalize (core.md, 5.4)',
    applies: (golden) => {
      const means = sizesAndMeans(golden).map(({ mean }) => mean);
      return means.length > 1 && Math.max(...means) - Math.min(...means) <= 1e-6;
    },
    explains: ({ part, got }) => part !== 'group_means' && Number.isFinite(got),
    instead: finite,
  },
  {
    name: 'batch-of-one',
    files: /^advantages\.single-stream-spo/,
    cases: 'a batch of one response',
    source: 'NaN, the sample deviation of one number',
    ours: 'advantage 0',
    reason: 'there is nothing to normalize by (core.md, 6A)',
    applies: (golden) =>
      golden.function === 'fit: advantages and tracker update' && tensorOf(golden, 'alpha').data.length === 1,
    explains: ({ expected, got }) => Number.isNaN(expected) && got === 0,
  },
];

/** Number of responses and mean score of each prompt. */
function sizesAndMeans(golden: GoldenCase): readonly { readonly size: number; readonly mean: number }[] {
  const scores = tensorOf(golden, 'token_level_rewards');
  const columns = scores.shape[1] as number;
  const { strings, data } = tensorOf(golden, 'index');
  const groups = new Map<number | string, number[]>();
  Array.from<number | string>(strings ?? data).forEach((id, row) => {
    const score = scores.data.subarray(row * columns, (row + 1) * columns).reduce((sum, x) => sum + x, 0);
    groups.set(id, [...(groups.get(id) ?? []), score]);
  });
  return [...groups.values()].map((group) => ({
    size: group.length,
    mean: group.reduce((sum, x) => sum + x, 0) / group.length,
  }));
}
