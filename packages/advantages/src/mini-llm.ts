import { expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawMask, drawTokens } from './example.js';
import { expectFiniteWhere, expectMask } from './masked-input.js';
import type { AdvantageResult } from './result.js';

/** Inputs of {@link miniLlm}; nothing is read where the mask is 0. */
export interface MiniLlmInputs {
  /** log π of the student that sampled the tokens, [B, T]. */
  readonly logProbs: Grid;
  /** log p of the teacher, [B, T]. */
  readonly teacherLogProbs: Grid;
  /** 1 where a token counts, [B, T]. */
  readonly mask: Grid;
}

/** Options of {@link miniLlm}. */
export interface MiniLlmOptions {
  /** Discount, in [0, 1]. Default 1; with 0 the advantage is the reward of the token. */
  readonly gamma?: number;
  /** Whether the sum is divided by the discounted number of its tokens. Default true. */
  readonly lengthNormalized?: boolean;
  /** Where γ⁰ stands: at the `token` (default), or at the start of the `response`, which multiplies A_t by γᵗ. */
  readonly discountFrom?: 'token' | 'response';
  /** What a masked token adds to the number of tokens; at least 0. Default 0. */
  readonly maskedLength?: number;
}

/**
 * How much more likely the teacher finds what follows, as an advantage of distillation by reverse KL:
 *
 *   r_t = log p_t − log π_t,   A_t = Σ_{s ≥ t} γ^{s−t} r_s / Σ_{s ≥ t} γ^{s−t}
 *
 * over valid tokens; without `lengthNormalized` only the upper sum.
 *
 * Metrics: `reward`, the mean of r over the valid tokens, `tokens`, their number, and `emptyRows` without one.
 *
 * Differences: TRL's gamma is 0 by default, where it takes r itself. It discounts from the start of the response
 * (`discountFrom: 'response'`, which normalising cancels), and a masked token has length 1e-4 (`maskedLength`; a masked
 * token is then a step of reward 0, no longer as if deleted).
 *
 * @returns advantages [B, T]
 * @throws OptionError for an option out of range, ShapeError when sizes differ, DataError when the mask is not 0 or 1,
 * or when a log-probability that counts is not finite
 * @see Gu et al. 2023, arXiv:2306.08543, section 2.2
 */
export function miniLlm(
  { logProbs, teacherLogProbs, mask }: MiniLlmInputs,
  { gamma = 1, lengthNormalized = true, discountFrom = 'token', maskedLength = 0 }: MiniLlmOptions = {},
): AdvantageResult<Grid> {
  if (!(gamma >= 0 && gamma <= 1)) throw new OptionError('miniLlm', 'gamma', 'in [0, 1]', gamma);
  if (discountFrom !== 'token' && discountFrom !== 'response') {
    throw new OptionError('miniLlm', 'discountFrom', "'token' or 'response'", discountFrom);
  }
  if (!(maskedLength >= 0 && maskedLength < Number.POSITIVE_INFINITY)) {
    throw new OptionError('miniLlm', 'maskedLength', 'a finite number of at least 0', maskedLength);
  }
  expectSameGrid('miniLlm', { logProbs, teacherLogProbs, mask });
  expectMask('miniLlm', mask);
  expectFiniteWhere('miniLlm', 'logProbs', logProbs, mask);
  expectFiniteWhere('miniLlm', 'teacherLogProbs', teacherLogProbs, mask);

  const { rows, columns } = mask;
  const data = new Float64Array(rows * columns);
  let total = 0;
  let tokens = 0;
  let emptyRows = 0;
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    let length = 0;
    /** The valid tokens of the row, from the last to the first. */
    const valid: number[] = [];
    for (let at = (row + 1) * columns - 1; at >= row * columns; at--) {
      if (mask.data[at] !== 1) {
        if (maskedLength > 0) {
          sum *= gamma;
          length = maskedLength + gamma * length;
        }
        continue;
      }
      const reward = (teacherLogProbs.data[at] as number) - (logProbs.data[at] as number);
      total += reward;
      sum = reward + gamma * sum;
      length = 1 + gamma * length;
      data[at] = lengthNormalized ? sum / length : sum;
      valid.push(at);
    }
    tokens += valid.length;
    if (valid.length === 0) emptyRows += 1;
    if (discountFrom === 'response' && !lengthNormalized && gamma > 0) {
      valid.forEach((at, i) => {
        data[at] = (data[at] as number) * gamma ** (valid.length - 1 - i);
      });
    }
  }
  return { advantages: { rows, columns, data }, metrics: { reward: total / Math.max(1, tokens), tokens, emptyRows } };
}

export const miniLlmEntry: EstimatorEntry<MiniLlmInputs> = {
  name: 'miniLlm',
  formula: 'Aₜ = Σ γˢ⁻ᵗ (log p − log π)ₛ / Σ γˢ⁻ᵗ, s ≥ t',
  citation: 'arXiv:2306.08543',
  laws: ['linear'],
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, () => -3 * rng.uniform()),
    teacherLogProbs: drawTokens(shape, () => -3 * rng.uniform()),
    mask: drawMask(shape, rng),
  }),
  estimate: (inputs) => miniLlm(inputs),
};
