import type { GoldenCase } from '../golden.js';
import { isTensor } from '../golden.js';
import { numberOf, tensorOf } from '../inputs.js';
import { type Mismatch, tolerances } from '../judge.js';
import type { Decision } from './decision.js';

/** Where TRL lets a policy learn from positions that are no tokens. */
export const trlPolicyLossDecisions: readonly Decision[] = [
  {
    name: 'padding-teaches-nothing',
    files: /^policy-loss\.trl-grpo/,
    cases: 'the loss type luspo where anything but the ratio of a response enters, and padding',
    source: 'the mean over all B T positions, padding included, times the length of the row',
    ours: 'the sum over the tokens of a response, mean over the responses',
    reason: 'what stands on the padding is arbitrary; the paper has ratios of responses, where both agree',
    applies: (golden) =>
      golden.params['loss_type'] === 'luspo' &&
      isTensor(golden.outputs['per_token_loss']) &&
      countsOf(golden).includes(0),
    explains: isSumOfTokens,
  },
  {
    name: 'no-token-no-loss',
    files: /^policy-loss\.trl-(gmpo|rloo)/,
    cases: 'a response none of whose tokens counts',
    source: 'minus its advantage, as if its ratio were 1',
    ours: '0',
    reason: 'nothing of it is trained on; it would shift the loss by a constant (core.md, 1.4)',
    applies: (golden) => withoutToken(golden).length > 0,
    explains: isWithoutThem,
  },
  {
    name: 'nothing-to-report',
    files: /^policy-loss\.trl-(grpo|gspo-token|gmpo)/,
    cases: 'a batch none of whose tokens counts',
    source: 'NaN, the least and the largest of no clip fraction',
    ours: '0',
    reason: 'a batch without a token teaches nothing (core.md, 1.4)',
    applies: (golden) => !countsOf(golden).includes(1),
    explains: ({ expected, got }) => Number.isNaN(expected) && got === 0,
  },
];

/** Whether theirs is ours with another weight for each row: n / T at its tokens, and 0 of ours on the padding. */
function isSumOfTokens({ part, index: [row = 0, column = 0], expected, got }: Mismatch, golden: GoldenCase): boolean {
  const [rows = 0, columns = 0] = tensorOf(golden, 'completion_mask').shape;
  const mask = countsOf(golden);
  if (part === 'loss' || part === 'metrics.policy_loss') {
    const perToken = golden.outputs['per_token_loss'];
    const sum = isTensor(perToken) ? perToken.data.reduce((all, y, i) => all + y * (mask[i] as number), 0) : Number.NaN;
    return close(got, sum / rows / (part === 'loss' ? accumulated(golden) : 1));
  }
  const length = mask.subarray(row * columns, (row + 1) * columns).reduce((sum, m) => sum + m, 0);
  if (part !== 'gradients.per_token_logps') return false;
  return mask[row * columns + column] === 0 ? got === 0 : close((got * length) / columns, expected);
}

/** What TRL divides the loss of a step by. */
const accumulated = (golden: GoldenCase): number =>
  golden.params['mode'] === 'eval' ? 1 : numberOf(golden, 'gradient_accumulation_steps', 1);

/** 1 at the tokens that are trained on. */
function countsOf(golden: GoldenCase): Float64Array {
  const tools = golden.inputs['tool_mask'];
  return tensorOf(golden, 'completion_mask').data.map((m, i) => m * (isTensor(tools) ? (tools.data[i] as number) : 1));
}

/** Rows without a token that counts, or whose entropies all fall below the quantile. */
function withoutToken(golden: GoldenCase): readonly number[] {
  const kept = golden.outputs['entropy_mask'];
  const { shape, data } = tensorOf(golden, 'completion_mask');
  const [rows = 0, columns = 0] = shape;
  return Array.from({ length: rows }, (_, row) => row).filter((row) =>
    Array.from({ length: columns }, (_, t) => row * columns + t).every(
      (i) => data[i] === 0 || (isTensor(kept) && kept.data[i] === 0),
    ),
  );
}

/** Whether ours is without what such rows add: minus the advantage of each, and its part of the mean over the rows. */
function isWithoutThem({ part, index: [row = 0], expected, got }: Mismatch, golden: GoldenCase): boolean {
  const empty = withoutToken(golden);
  const { data: advantages, shape } = tensorOf(golden, 'advantages');
  if (part === 'per_sequence_loss') return empty.includes(row) && close(got - (advantages[row] as number), expected);
  const added = empty.reduce((sum, i) => sum - (advantages[i] as number), 0) / (shape[0] as number);
  return part === 'loss' && close(got, expected - added / accumulated(golden));
}

function close(got: number, expected: number): boolean {
  const { absolute, relative } = tolerances.float32;
  return Math.abs(got - expected) <= absolute + relative * Math.abs(expected);
}
