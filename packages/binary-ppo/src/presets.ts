import { linear } from '@tsrl/core';
import { logComplement, printed } from '@tsrl/rewards';
import type { BinaryPpoOptions } from './options.js';

/** Both actions, the exact baseline and the reward with its sign put right: the defaults of `binaryPpo`, spelled out. */
export const stable: BinaryPpoOptions = {
  reward: logComplement({ kappa: 1, cap: 5 }),
  actions: 'enumerate',
  baseline: 'analytic',
  normalize: 'scale',
  clipLow: 0.2,
  clipHigh: 0.2,
  valueCoefficient: 0.5,
  supervisedCoefficient: 0.1,
  entropyCoefficient: 0.01,
  klCoefficient: 0,
};

/**
 * As near to the paper as is known: one drawn action, a value head, whitened advantages, and the reward **as printed,
 * which rewards the wrong action**: for reproduction, not for use. κ = 2, and probabilities are held at 1e-6 or more in
 * place of a cap. The paper's own numbers were not published with code; these are examples from secondary sources.
 *
 * @see Pandey and Jin 2026, arXiv:2602.02708
 */
export const paper: BinaryPpoOptions = {
  ...stable,
  reward: printed({ kappa: 2, cap: -Math.log(1e-6) }),
  actions: 'sample',
  samplesPerExample: 1,
  baseline: 'valueHead',
  normalize: 'whiten',
};

/** `stable` without the supervised term: what the reward alone teaches. */
export const ppoOnly: BinaryPpoOptions = { ...stable, supervisedCoefficient: 0 };

/**
 * `stable` with a supervised term that fades out in a straight line, from 1 at step 0 to 0 at step `steps`: the
 * logarithm first, which hears the examples that a policy is confidently wrong about, and the bounded reward at the end.
 * It believes what it hears, so it is for labels that are right or beliefs: `posteriorLabels` of @tsrl/rewards as `labels`,
 * with rates by `anchoredNoiseRates` of @tsrl/evaluation, drawn by `balanceBeliefs` of @tsrl/data, as in
 * `tsrl train --preset adaptive`. From no paper; docs/evidence.md compares it with the others.
 */
export const adaptive = (steps: number): BinaryPpoOptions => ({
  ...stable,
  supervisedCoefficient: linear(1, 0, steps),
});
