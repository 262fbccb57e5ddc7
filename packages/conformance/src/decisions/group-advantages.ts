import type { GoldenCase, GoldenTensor } from '../golden.js';
import { tensorOf } from '../inputs.js';
import type { Mismatch } from '../judge.js';
import { finite, rowsWithoutToken } from './cases.js';
import type { Decision } from './decision.js';

/** Estimators without a critic. */
export const groupAdvantageDecisions: readonly Decision[] = [
  {
    name: 'whitened by the mean',
    files: /^advantages\.(gae\.verl|reinforce-plus-plus)/,
    cases: 'fewer than two tokens, or a mean that is large beside the spread or the number of tokens',
    source: 'an error, or a mean over the count + 1e-8, so that the result is off by 1e-8 of the mean over the spread',
    ours: 'the mean over the count; 0 without a spread',
    reason: 'what is whitened has mean 0, and no spread is no scale (core.md, 1.3)',
    applies: (golden) => golden.raises === undefined || tokensOf(golden).length < 2,
    explains: isMeanOfCount,
    instead: finite,
  },
  {
    name: 'a group is those with tokens',
    files: /^advantages\.optimal-token-baseline/,
    cases: 'a group in which one response alone has tokens',
    source: 'its baseline is its own reward to go, and what is left of it by epsilon its advantage',
    ours: 'a group of one: the reward to go',
    reason: 'a response without tokens is no other to compare with (core.md, 4.11)',
    applies: (golden) => rowsWithoutToken(golden).length > 0,
    explains: ({ part, index: [row = 0, column = 0], got }, golden) => {
      const { strings, data } = tensorOf(golden, 'index');
      const ids: ArrayLike<number | string> = strings ?? data;
      const empty = rowsWithoutToken(golden);
      const others = Array.from(ids).filter((id, i) => i !== row && id === ids[row] && !empty.includes(i));
      const returns = golden.outputs['returns'] as GoldenTensor;
      const own = returns.data[row * (returns.shape[1] as number) + column] as number;
      return part === 'advantages' && others.length === 0 && Math.abs(got - own) <= 1e-9 + 1e-7 * Math.abs(own);
    },
  },
  {
    name: 'one-response-no-spread',
    files: /^advantages\.trl-grpo/,
    cases: 'a batch of one response, standardized over the batch',
    source: 'NaN, the sample deviation of one number',
    ours: '0',
    reason: 'nothing was better than anything else (core.md, 1.3)',
    applies: (golden) => tensorOf(golden, 'rewards_per_func').shape[0] === 1,
    explains: ({ part, expected, got }) =>
      (Number.isNaN(expected) && got === 0) || (part === 'is_std_zero' && expected === 0 && got === 1),
  },
  {
    name: 'responses-without-tokens',
    files: /^advantages\.(opo|prime-rloo)/,
    cases: 'a response or a group without a token that counts',
    source: 'NaN (0 / 0)',
    ours: 'a baseline from the others, or the mean of the group; 0 on tokens that do not count',
    reason: 'one empty response must not poison the whole batch (core.md, 0.4 and 4.11)',
    applies: (golden) => rowsWithoutToken(golden).length > 0,
    explains: ({ expected, got }) => Number.isNaN(expected) && Number.isFinite(got),
  },
];

/** Where a token counts. */
function tokensOf(golden: GoldenCase): readonly number[] {
  return Array.from(tensorOf(golden, 'response_mask').data).flatMap((m, i) => (m === 1 ? [i] : []));
}

/** What the source whitens, at every position. */
function beforeWhitening(golden: GoldenCase): ArrayLike<number> {
  const { raw_advantages: raw, returns } = golden.outputs as Readonly<Record<string, GoldenTensor | undefined>>;
  if (raw !== undefined) return raw.data;
  if (golden.params['gamma'] !== undefined) return (returns as GoldenTensor).data;
  const { data, shape } = tensorOf(golden, 'token_level_rewards');
  const columns = shape[1] as number;
  const { strings, data: numbers } = tensorOf(golden, 'index');
  const ids = Array.from<number | string>(strings ?? numbers);
  const scores = ids.map((_, row) => data.subarray(row * columns, (row + 1) * columns).reduce((sum, r) => sum + r, 0));
  return data.map((_, i) => {
    const row = Math.floor(i / columns);
    const group = scores.filter((_, other) => ids[other] === ids[row]);
    const mean = group.length === 1 ? 0 : group.reduce((sum, r) => sum + r, 0) / group.length;
    return (scores[row] as number) - mean;
  });
}

/** Whether the source's number is what its epsilon in the count makes of the values, and ours what no epsilon makes. */
function isMeanOfCount({ part, index: [row = 0, column = 0], expected, got }: Mismatch, golden: GoldenCase): boolean {
  const values = beforeWhitening(golden);
  const tokens = tokensOf(golden).map((i) => values[i] as number);
  const n = tokens.length;
  const x = values[row * (tensorOf(golden, 'response_mask').shape[1] as number) + column] as number;
  const whitened = (count: number): number => {
    const mean = tokens.reduce((sum, value) => sum + value, 0) / count;
    const variance = tokens.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    const sample = (variance * n) / (n - 1);
    return count === n && sample <= 1e-12 ? 0 : (x - mean) / Math.sqrt(sample + 1e-8);
  };
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-8 + 1e-6 * Math.abs(b);
  return (part === 'advantages' || part === 'returns') && near(expected, whitened(n + 1e-8)) && near(got, whitened(n));
}
