import { expectLength, type Grid, StateError, zeros } from '@tsrl/core';

/** What a reward is compared with. */
export type Baseline = 'analytic' | 'valueHead' | 'batchMean' | 'none';

/** One refresh as a baseline sees it, for N examples; the grids are [N, actions]. */
export interface BaselineInputs {
  /** π_old(a|x). */
  readonly probabilities: Grid;
  /** [N], V(x) of the behaviour policy; needed by `valueHead` alone. */
  readonly values?: ArrayLike<number>;
  readonly rewards: Grid;
  /** How much each action counts: its probability, or how often it was drawn. */
  readonly weights: Grid;
  /** Whether `weights` are draws: then a value head learns from what was drawn alone. */
  readonly sampled: boolean;
}

/**
 * Rewards against a baseline, A = r − V(x), and what a value head should learn:
 *
 *   analytic   V = Σ_a π_old(a|x) r_a: exact, no critic; of two actions, A = (1 − p_a) Δ
 *   valueHead  V of the policy at the last refresh; it is fitted to r, or to the exact V where all actions count
 *   batchMean  V = Σ w r / Σ w over the whole refresh
 *   none       V = 0
 *
 * An episode is one step, so for any γ and λ generalised advantage estimation is this difference.
 *
 * @throws StateError for `valueHead` without values, ShapeError when there are not as many of them as examples
 */
export function againstBaseline(
  baseline: Baseline,
  { probabilities, values, rewards, weights, sampled }: BaselineInputs,
): { readonly advantages: Grid; readonly returns: Grid } {
  switch (baseline) {
    case 'analytic':
      return { advantages: exactAdvantages(rewards, probabilities), returns: rewards };
    case 'valueHead': {
      if (!values) throw new StateError('binaryPpo', 'the baseline valueHead needs a policy with a value head');
      expectLength('binaryPpo', 'values', values, rewards.rows);
      const advantages = mapGrid(rewards, (r, row) => r - (values[row] as number));
      // All actions together say what the state is worth; a single draw is all that sampling knows.
      return { advantages, returns: sampled ? rewards : exactValues(rewards, probabilities) };
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

/**
 * A_a = Σ_b π(b) (r_a − r_b), which is r_a − V without the cancellation of a confident policy.
 *
 * With two actions these are `analyticAdvantages` of @tsrl/advantages.
 */
function exactAdvantages({ data, rows, columns }: Grid, { data: probabilities }: Grid): Grid {
  const advantages = zeros(rows, columns);
  for (let at = 0; at < data.length; at++) {
    const row = at - (at % columns);
    for (let other = row; other < row + columns; other++) {
      if (other === at) continue;
      const gap = (data[at] as number) - (data[other] as number);
      (advantages.data[at] as number) += (probabilities[other] as number) * gap;
    }
  }
  return advantages;
}

/** V of each example, in all of its columns. */
function exactValues(rewards: Grid, { data: probabilities, columns }: Grid): Grid {
  const values = new Float64Array(rewards.rows);
  rewards.data.forEach((reward, at) => {
    (values[Math.floor(at / columns)] as number) += (probabilities[at] as number) * reward;
  });
  return mapGrid(rewards, (_, row) => values[row] as number);
}

/** The same grid with each entry mapped; `row` is its example. */
export const mapGrid = ({ data, rows, columns }: Grid, f: (value: number, row: number) => number): Grid => ({
  data: data.map((value, i) => f(value, Math.floor(i / columns))),
  rows,
  columns,
});
