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
    cases: 'the loss type luspo with ratios of tokens, and padding',
    source: 'the mean over all B T positions, padding included, times the length of the row',
    ours: 'the sum over the tokens of a response, mean over the responses',
    reason: 'what stands on the padding is arbitrary; the paper has ratios of responses, where both agree',
    applies: (golden) =>
      golden.params['loss_type'] === 'luspo' &&
      golden.params['importance_sampling_level'] === 'token' &&
      tensorOf(golden, 'completion_mask').data.includes(0),
    explains: isSumOfTokens,
  },
  {
    name: 'no-token-no-loss',
    files: /^policy-loss\.trl-gmpo/,
    cases: 'a response none of whose tokens counts',
    source: 'minus its advantage, as if its ratio were 1',
    ours: '0',
    reason: 'nothing of it is trained on; it would shift the loss by a constant (core.md, 1.4)',
    applies: (golden) => withoutToken(golden).length > 0,
    explains: isWithoutThem,
  },
];

/** Whether theirs is ours with another weight for each row: n / T at its tokens, and 0 of ours on the padding. */
function isSumOfTokens({ part, index: [row = 0, column = 0], expected, got }: Mismatch, golden: GoldenCase): boolean {
  const { shape, data: mask } = tensorOf(golden, 'completion_mask');
  const [rows = 0, columns = 0] = shape;
  if (part === 'loss') {
    const perToken = golden.outputs['per_token_loss'];
    return (
      isTensor(perToken) && close(got, perToken.data.reduce((sum, y, i) => sum + y * (mask[i] as number), 0) / rows)
    );
  }
  const length = mask.subarray(row * columns, (row + 1) * columns).reduce((sum, m) => sum + m, 0);
  if (part !== 'gradients.per_token_logps') return false;
  return mask[row * columns + column] === 0 ? got === 0 : close((got * length) / columns, expected);
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

/** Whether ours is 0 for such a row, and the mean over the rows without what they add. */
function isWithoutThem({ part, index: [row = 0], expected, got }: Mismatch, golden: GoldenCase): boolean {
  const empty = withoutToken(golden);
  const { data: advantages, shape } = tensorOf(golden, 'advantages');
  if (part === 'per_sequence_loss')
    return empty.includes(row) && got === 0 && close(-(advantages[row] as number), expected);
  const added = empty.reduce((sum, i) => sum - (advantages[i] as number), 0) / (shape[0] as number);
  return part === 'loss' && close(got, expected - added / numberOf(golden, 'gradient_accumulation_steps', 1));
}

function close(got: number, expected: number): boolean {
  const { absolute, relative } = tolerances.float32;
  return Math.abs(got - expected) <= absolute + relative * Math.abs(expected);
}
