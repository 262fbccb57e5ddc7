import type { GoldenCase } from '../golden.js';
import { tensorOf } from '../inputs.js';
import { finite, rowsWithoutToken } from './cases.js';
import type { Decision } from './decision.js';

/** Estimators without a critic. */
export const groupAdvantageDecisions: readonly Decision[] = [
  {
    name: 'no-spread-of-returns',
    files: /^advantages\.reinforce-plus-plus\./,
    cases: 'fewer than two tokens, or returns that are all equal',
    source: 'an error, or what an epsilon of 1e-8 in the mean leaves, divided by sqrt(1e-8)',
    ours: 'advantages 0',
    reason: 'nothing was better than anything else (core.md, 1.3)',
    applies: (golden) => {
      const returns = returnsOf(golden);
      return returns.length < 2 || Math.max(...returns) - Math.min(...returns) <= 1e-6;
    },
    explains: ({ part, expected, got }, golden) =>
      part === 'advantages' && got === 0 && Math.abs(expected) <= 1e-4 * Math.max(...returnsOf(golden).map(Math.abs)),
    instead: finite,
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

/** Rewards to go of the tokens that count, as the source has them. */
function returnsOf(golden: GoldenCase): readonly number[] {
  const mask = tensorOf(golden, 'response_mask');
  const columns = mask.shape[1] as number;
  const rewards = tensorOf(golden, 'token_level_rewards').data;
  const gamma = Number(golden.params['gamma'] ?? 1);
  const returns: number[] = [];
  let next = 0;
  for (let at = mask.data.length - 1; at >= 0; at--) {
    if ((at + 1) % columns === 0) next = 0;
    next = mask.data[at] === 1 ? (rewards[at] as number) + gamma * next : 0;
    if (mask.data[at] === 1) returns.push(next);
  }
  return returns;
}
