import { DataError, expectLength, ShapeError } from '@tsrl/core';
import { expectRewards, type Rewards } from './rewards-input.js';

/** Options of {@link combineRewards}. */
export interface CombineOptions {
  /** Weight of each reward function, [K], finite. Default 1 each. */
  readonly weights?: ArrayLike<number>;
}

/**
 * One reward per response from those of several reward functions,
 *
 *   r_i = Σ_k w_k r_{k,i},   over the functions that apply to response i; `null` where none does
 *
 * @param components rewards of K functions, each [B]; `null` where a function does not apply
 * @returns [B]
 * @throws ShapeError when the lengths differ or are 0, DataError for a weight that is not finite or a reward that is
 * neither finite nor `null`
 */
export function combineRewards(
  components: readonly Rewards[],
  { weights }: CombineOptions = {},
): readonly (number | null)[] {
  expectComponents('combineRewards', components, weights);
  return weightedSum(components, weights);
}

/** Σ_k w_k r_{k,i}, `null` where every component is. */
export function weightedSum(components: readonly Rewards[], weights?: ArrayLike<number>): readonly (number | null)[] {
  return Array.from(components[0] as Rewards, (_, row) =>
    components.reduce<number | null>((sum, component, k) => {
      const reward = component[row] as number | null;
      return reward === null ? sum : (sum ?? 0) + (weights?.[k] ?? 1) * reward;
    }, null),
  );
}

/** Throws unless the components are of one length, with one finite weight each. */
export function expectComponents(who: string, components: readonly Rewards[], weights?: ArrayLike<number>): void {
  const [first] = components;
  if (first === undefined) throw new ShapeError(who, 'components', 'at least one reward function', 'none');
  components.forEach((component, k) => {
    expectLength(who, `components[${k}]`, component, first.length);
    expectRewards(who, `components[${k}]`, component);
  });
  if (weights === undefined) return;
  expectLength(who, 'weights', weights, components.length);
  const unfit = Array.from(weights).findIndex((weight) => !Number.isFinite(weight));
  if (unfit >= 0) throw new DataError(who, `weights[${unfit}] must be finite; got ${weights[unfit]}`);
}
