import { analyticAdvantages, analyticBaseline } from '@tsrl/advantages';
import { expectLength, type Grid, StateError } from '@tsrl/core';

/** What a reward is compared with. */
export type Baseline = 'analytic' | 'valueHead' | 'batchMean' | 'none';

/** One refresh as a baseline sees it, for N examples; columns of [N, 2] belong to the actions 0 and 1. */
export interface BaselineInputs {
  /** [N], z of the behaviour policy. */
  readonly logits: ArrayLike<number>;
  /** [N], V(x) of the behaviour policy; needed by `valueHead` alone. */
  readonly values?: ArrayLike<number>;
  /** [N, 2] */
  readonly rewards: Grid;
  /** [N, 2], how much each action counts: its probability, or how often it was drawn. */
  readonly weights: Grid;
  /** Whether `weights` are draws: then a value head learns from what was drawn alone. */
  readonly sampled: boolean;
}

/**
 * Rewards against a baseline, A = r − V(x), and what a value head should learn:
 *
 *   analytic   V = p r₁ + (1 − p) r₀, p = π_old(1|x): exact; A = (1 − p_a) Δ and no critic
 *   valueHead  V of the policy at the last refresh; it is fitted to r, or to the exact V where both actions count
 *   batchMean  V = Σ w r / Σ w over the whole refresh
 *   none       V = 0
 *
 * An episode is one step, so for any γ and λ generalised advantage estimation is this difference.
 *
 * @throws StateError for `valueHead` without values, ShapeError when there are not as many of them as logits
 */
export function againstBaseline(
  baseline: Baseline,
  { logits, values, rewards, weights, sampled }: BaselineInputs,
): { readonly advantages: Grid; readonly returns: Grid } {
  const decisions = { logits, rewards0: column(rewards, 0), rewards1: column(rewards, 1) };
  switch (baseline) {
    case 'analytic':
      return { advantages: analyticAdvantages(decisions), returns: rewards };
    case 'valueHead': {
      if (!values) throw new StateError('binaryPpo', 'the baseline valueHead needs a policy with a value head');
      expectLength('binaryPpo', 'values', values, logits.length);
      // Both actions together say what the state is worth; a single draw is all that sampling knows.
      const exact = sampled ? undefined : analyticBaseline(decisions);
      return {
        advantages: mapGrid(rewards, (r, row) => r - (values[row] as number)),
        returns: exact ? mapGrid(rewards, (_, row) => exact[row] as number) : rewards,
      };
    }
    case 'batchMean': {
      let [sum, total] = [0, 0];
      weights.data.forEach((weight, i) => {
        // What was not drawn does not count, be its reward infinite.
        if (weight > 0) sum += weight * (rewards.data[i] as number);
        total += weight;
      });
      return { advantages: mapGrid(rewards, (r) => r - sum / total), returns: rewards };
    }
    case 'none':
      return { advantages: rewards, returns: rewards };
  }
}

/** The same grid with each entry mapped; `row` is its example. */
export const mapGrid = ({ data, rows, columns }: Grid, f: (value: number, row: number) => number): Grid => ({
  data: data.map((value, i) => f(value, Math.floor(i / columns))),
  rows,
  columns,
});

const column = ({ data, rows, columns }: Grid, c: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => data[i * columns + c] as number);
