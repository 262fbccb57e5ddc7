import { expectSameGrid, type Grid, OptionError } from '@tsrl/core';
import { expectFiniteWhere, expectMask } from './masked-input.js';

/** Inputs of {@link policyDrift}; nothing is read where the mask is 0. */
export interface PolicyDriftInputs {
  /** Of the tokens of an earlier response, under the policy that acted on the prompt last, [B, T]. */
  readonly oldLogProbs: Grid;
  /** Of the same tokens, under the policy of now, [B, T]. */
  readonly logProbs: Grid;
  /** 1 where a token counts, [B, T]. */
  readonly mask: Grid;
}

/** Options of {@link policyDrift}. */
export interface PolicyDriftOptions {
  /** How the divergence is estimated; default `abs`. */
  readonly estimator?: 'abs' | 'k1' | 'k3';
}

const estimators = {
  abs: (d: number) => Math.abs(d),
  k1: (d: number) => d,
  k3: (d: number) => Math.expm1(-d) + d,
} as const;

/**
 * How far the policy has moved on each prompt, from the response that it gave there last: the mean over its tokens of
 *
 *   d = log π_old − log π:   `abs` |d|,   `k1` d, and 0 where the mean is negative,   `k3` e^(−d) − 1 + d
 *
 * The caller keeps that response and its log-probabilities, taken right after the update that followed it.
 * `k1` and `k3` estimate the divergence of the old policy from the present one; `abs` is no divergence, but it is what
 * the reference computes. A row without tokens has drift 0.
 *
 * Differences: the paper says KL divergence; the reference divides by the number of tokens + 1e-8.
 *
 * @returns [B], at least 0: the drift of `valueTracker`
 * @throws OptionError for an unknown estimator, ShapeError when sizes differ, DataError when the mask is not 0 or 1, or
 * when a log-probability that counts is not finite
 * @see Xu and Ding 2025, arXiv:2509.13232
 */
export function policyDrift(
  { oldLogProbs, logProbs, mask }: PolicyDriftInputs,
  { estimator = 'abs' }: PolicyDriftOptions = {},
): Float64Array {
  if (!Object.hasOwn(estimators, estimator)) {
    throw new OptionError('policyDrift', 'estimator', "'abs', 'k1' or 'k3'", estimator);
  }
  expectSameGrid('policyDrift', { oldLogProbs, logProbs, mask });
  expectMask('policyDrift', mask);
  expectFiniteWhere('policyDrift', 'oldLogProbs', oldLogProbs, mask);
  expectFiniteWhere('policyDrift', 'logProbs', logProbs, mask);
  const { rows, columns } = mask;
  return Float64Array.from({ length: rows }, (_, row) => {
    let [sum, tokens] = [0, 0];
    for (let at = row * columns; at < (row + 1) * columns; at++) {
      if (mask.data[at] === 0) continue;
      sum += estimators[estimator]((oldLogProbs.data[at] as number) - (logProbs.data[at] as number));
      tokens += 1;
    }
    return tokens === 0 ? 0 : Math.max(0, sum / tokens);
  });
}
