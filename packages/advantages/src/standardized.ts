import { OptionError } from '@tsrl/core';
import { momentsOfGroups } from './group-moments.js';
import { type GroupInputs, type GroupOptions, relativeToGroup } from './group-relative.js';
import { expectEpsilon, NEGLIGIBLE_VARIANCE, type VarianceKind } from './moments.js';
import type { AdvantageResult } from './result.js';

/** Options of `grpo`. */
export interface GrpoOptions extends GroupOptions {
  /**
   * What the centred reward is divided by: the deviation of its `group` (default), of all rewards of the `batch`, of
   * all centred rewards (`centered-batch`), or `none` (Dr. GRPO).
   */
  readonly scale?: 'group' | 'batch' | 'centered-batch' | 'none';
  /** Default `sample`. */
  readonly variance?: VarianceKind;
  /** Added to the deviation; at least 0. Default 1e-6. */
  readonly epsilon?: number;
  /** The variance is at least this, at least 0. Default 0. */
  readonly minVariance?: number;
}

/** `grpo`, also on behalf of the methods that are a choice of its scale; errors bear the name of `who`. */
export function standardized(
  who: string,
  inputs: GroupInputs,
  { scale = 'group', variance = 'sample', epsilon = 1e-6, minVariance = 0, singleton = 'zero' }: GrpoOptions,
): AdvantageResult<Float64Array> {
  if (scale !== 'group' && scale !== 'batch' && scale !== 'centered-batch' && scale !== 'none') {
    throw new OptionError(who, 'scale', "'group', 'batch', 'centered-batch' or 'none'", scale);
  }
  expectEpsilon(who, epsilon);
  if (!(minVariance >= 0 && minVariance < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'minVariance', 'a finite number of at least 0', minVariance);
  }
  const divided = (centered: number, by: number): number =>
    by <= NEGLIGIBLE_VARIANCE ? 0 : centered / (Math.sqrt(Math.max(by, minVariance)) + epsilon);
  if (scale === 'group') {
    return relativeToGroup(who, inputs, { singleton, variance }, (reward, group) =>
      divided(reward - group.mean, group.variance),
    );
  }
  const { advantages, metrics } = relativeToGroup(who, inputs, { singleton }, (reward, { mean }) => reward - mean);
  if (scale === 'none') return { advantages, metrics };
  const { rewards } = inputs;
  const all = scale === 'batch' ? rewards : Array.from(rewards, (r, i) => (r === null ? r : (advantages[i] as number)));
  const batch = momentsOfGroups(who, all, new Uint8Array(all.length), variance).variances[0] as number;
  return { advantages: advantages.map((centered) => divided(centered, batch)), metrics };
}
