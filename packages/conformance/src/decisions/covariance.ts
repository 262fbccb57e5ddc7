import type { GoldenCase } from '../golden.js';
import { numberOf, tensorOf } from '../inputs.js';
import type { Decision } from './decision.js';

/** Losses that choose tokens by their covariance. */
export const covarianceDecisions: readonly Decision[] = [
  {
    name: 'covariances that tie',
    files: /^policy-loss\.(clip|kl)-cov/,
    cases: 'a covariance that rounding alone puts on one side of the bound, as with equal advantages or two tokens',
    source: 'the choice that the rounding of float64 and an epsilon of 1e-8 make',
    ours: 'a choice by covariances of float32 without an epsilon; all that tie',
    reason: 'tokens of equal covariance have nothing to be told apart by',
    applies: isTie,
    explains: ({ part, got }) => part !== 'metrics.ppo_kl' && Number.isFinite(got),
  },
];

/** Whether a covariance is on a bound of the range, or the last chosen and the first not chosen agree. */
function isTie(golden: GoldenCase): boolean {
  const mask = tensorOf(golden, 'response_mask').data;
  const counted = (name: string): readonly number[] =>
    Array.from(tensorOf(golden, name).data).filter((_, i) => mask[i] === 1);
  const centered = (values: readonly number[]): readonly number[] => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const [advantages, logProbs] = [counted('advantages'), counted('log_prob')];
  const [a, b] = [centered(advantages), centered(logProbs)];
  const covariances = a.map((value, i) => value * (b[i] as number)).sort((x, y) => y - x);
  const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
  const near = (x: number, y: number): boolean => Math.abs(x - y) <= 1e-6 * largest(advantages) * largest(logProbs);
  const settings = { ...golden, params: (golden.params['policy_loss'] ?? {}) as GoldenCase['params'] };
  if (golden.outputs['corr'] !== undefined) {
    const bounds = [numberOf(settings, 'clip_cov_lb', 1), numberOf(settings, 'clip_cov_ub', 5)];
    return covariances.some((one) => bounds.some((bound) => near(one, bound)));
  }
  const chosen = Math.max(1, Math.floor(covariances.length * numberOf(settings, 'kl_cov_ratio', 2e-4)));
  return chosen < covariances.length && near(covariances[chosen - 1] as number, covariances[chosen] as number);
}
