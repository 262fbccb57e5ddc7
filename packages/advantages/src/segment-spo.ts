import { DataError, expectLength, expectSameGrid, type Grid, zeros } from '@tsrl/core';
import type { EstimatorEntry } from './entry.js';
import { drawMask, drawResponses, drawTokens } from './example.js';
import { expectMask, place } from './masked-input.js';
import type { AdvantageResult } from './result.js';

/** Inputs of {@link segmentSpo}; nothing is read where the mask is 0. */
export interface SegmentSpoInputs {
  /** r, one per complete response, [B]. */
  readonly rewards: ArrayLike<number>;
  /** 1 at the first token of each segment, [B, T]: from `cutpointStarts` or `fixedStarts`. */
  readonly starts: Grid;
  /** V̂ of the state before the first token of each segment, [B, T]; read only there. */
  readonly values: Grid;
  /** 1 where a token counts, [B, T]; holes allowed. */
  readonly mask: Grid;
  /** V̂ of each prompt, [B]. */
  readonly promptValues?: ArrayLike<number>;
}

/**
 * Segment policy optimization, chain form: all tokens of a segment have the advantage by which it changed the value of
 * the response,
 *
 *   A = V̂(next segment) − V̂(this segment),   r − V̂(this segment) in the last
 *
 * Tokens before the first start form a segment with the value of the prompt; without `promptValues` they have advantage
 * 0, as has a row without starts. Where a segment starts at the first token its own value is used, not that of the
 * prompt. Over the segments of a row the advantages sum to r − V̂(prompt).
 *
 * They are not whitened and not masked by probability: `probabilityMask` gives the mask for `whiten` and for the loss.
 *
 * Metrics: `segments` that have an advantage, `uncutRows` with tokens but without a start, `emptyRows` without a token.
 *
 * Differences: the reference has no value of the prompt, and clears tokens whose probability is above the threshold.
 *
 * @returns advantages [B, T], 0 where the mask is 0
 * @throws ShapeError when sizes differ, DataError when the mask or the starts are not 0 or 1, or when a reward or value
 * that counts is not finite
 * @see Guo et al. 2025, arXiv:2505.23564; `treeAdvantages` for the tree form, `grpo` and `rloo` for that over groups
 */
export function segmentSpo({ rewards, starts, values, mask, promptValues }: SegmentSpoInputs): AdvantageResult<Grid> {
  expectSameGrid('segmentSpo', { mask, starts, values });
  expectLength('segmentSpo', 'rewards', rewards, mask.rows);
  if (promptValues) expectLength('segmentSpo', 'promptValues', promptValues, mask.rows);
  expectMask('segmentSpo', mask);

  const { rows, columns } = mask;
  const advantages = zeros(rows, columns);
  let [segments, uncutRows, emptyRows] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const [begin, end] = [row * columns, (row + 1) * columns];
    const first = mask.data.subarray(begin, end).indexOf(1) + begin;
    if (first < begin) {
      emptyRows += 1;
      continue;
    }
    // From the last segment to the first: its value is what the one before it leads to.
    let next = { at: end, value: finite(`rewards[${row}]`, rewards[row]) };
    const close = (at: number, value: number): void => {
      for (let token = at; token < next.at; token++) {
        if (mask.data[token] === 1) advantages.data[token] = next.value - value;
      }
      next = { at, value };
      segments += 1;
    };
    for (let at = end - 1; at >= first; at--) {
      if (mask.data[at] === 1 && isStart(starts, at)) close(at, finite(`values${place(values, at)}`, values.data[at]));
    }
    if (next.at === end) uncutRows += 1;
    if (promptValues && next.at > first) close(first, finite(`promptValues[${row}]`, promptValues[row]));
  }
  return { advantages, metrics: { segments, uncutRows, emptyRows } };
}

function isStart(starts: Grid, at: number): boolean {
  const start = starts.data[at];
  if (start !== 0 && start !== 1) {
    throw new DataError('segmentSpo', `starts${place(starts, at)} must be 0 or 1; got ${start}`);
  }
  return start === 1;
}

function finite(what: string, value: number | undefined): number {
  if (value === undefined || !Number.isFinite(value)) {
    throw new DataError('segmentSpo', `${what} must be finite; got ${value}`);
  }
  return value;
}

export const segmentSpoEntry: EstimatorEntry<SegmentSpoInputs> = {
  name: 'segmentSpo',
  formula: 'A = V̂(next segment) − V̂(segment), r − V̂ in the last',
  citation: 'arXiv:2505.23564',
  laws: [],
  example: (shape, rng) => ({
    rewards: drawResponses(shape, () => Number(rng.uniform() < 0.5)),
    starts: drawTokens(shape, () => Number(rng.uniform() < 0.3)),
    values: drawTokens(shape, () => rng.uniform()),
    mask: drawMask(shape, rng),
    promptValues: drawResponses(shape, () => rng.uniform()),
  }),
  estimate: (inputs) => segmentSpo(inputs),
};
