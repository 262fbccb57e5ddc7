import { OptionError } from '@tsrl/core';
import { type BnpoOptions, type BnpoResult, betaNormalized } from './beta-normalized.js';
import { bnpoEntry } from './bnpo.js';
import type { EstimatorEntry } from './entry.js';
import type { GroupIds } from './group-moments.js';
import type { AdvantageResult } from './result.js';
import type { Rewards } from './rewards-input.js';

/** Inputs of {@link decomposedBnpo}. */
export interface DecomposedBnpoInputs {
  /** The rewards of each component (accuracy, format, ...), [B] each; `null` where one does not apply. */
  readonly components: readonly Rewards[];
  /** Which prompt each response answers, [B]; any ids, in any order. */
  readonly groups: GroupIds;
}

/** Options of {@link decomposedBnpo}. */
export interface DecomposedBnpoOptions {
  /** What each component counts, at least 0 and not all 0; default 1 each. */
  readonly weights?: readonly number[];
  /** Options of `bnpo` for each component; default none. */
  readonly options?: readonly BnpoOptions[];
}

/** The mean of the advantages, and its parts. */
export interface DecomposedBnpoResult extends AdvantageResult<Float64Array> {
  /** What `bnpo` gives for each component. */
  readonly parts: readonly BnpoResult[];
}

/**
 * BNPO with several rewards: each component has its own success rates, its own Beta density and its own advantages,
 * and these are averaged:
 *
 *   A = Σₖ wₖ Aₖ / Σₖ wₖ,   Aₖ = bnpo(rewards of k)
 *
 * To add the rewards first would fit one density to a sum that is not binary. A component that is the same for all
 * responses contributes 0.
 *
 * Metrics: `unnormalizedComponents`, those with α = β = 1; those of `bnpo` are in `parts`.
 *
 * Differences: the reference takes every tensor of the batch whose name contains "reward_tensor" for a component (with
 * a KL penalty in the reward, that one too), fails for a component that is 0 everywhere, and has no weights.
 *
 * @throws OptionError for no component, or weights or options that do not fit, and what `bnpo` throws, with the number
 * of the component
 * @see Xiao, Zhang and Cao 2025, arXiv:2506.02864
 */
export function decomposedBnpo(
  { components, groups }: DecomposedBnpoInputs,
  { weights = components.map(() => 1), options = components.map(() => ({})) }: DecomposedBnpoOptions = {},
): DecomposedBnpoResult {
  if (components.length === 0) throw new OptionError('decomposedBnpo', 'components', 'at least one', components);
  const total = weights.reduce((sum, weight) => (weight >= 0 ? sum + weight : Number.NaN), 0);
  if (weights.length !== components.length || !(total > 0 && total < Number.POSITIVE_INFINITY)) {
    const expected = `${components.length} finite numbers of at least 0, not all 0`;
    throw new OptionError('decomposedBnpo', 'weights', expected, weights);
  }
  if (options.length !== components.length) {
    throw new OptionError('decomposedBnpo', 'options', `one per component, ${components.length}`, options.length);
  }
  const advantages = new Float64Array(groups.length);
  const parts = components.map((rewards, k) => {
    const part = betaNormalized('decomposedBnpo', `components[${k}]`, { rewards, groups }, options[k] as BnpoOptions);
    part.advantages.forEach((advantage, i) => {
      advantages[i] = (advantages[i] as number) + ((weights[k] as number) / total) * advantage;
    });
    return part;
  });
  const unnormalizedComponents = parts.reduce((sum, part) => sum + (part.metrics['unnormalized'] as number), 0);
  return { advantages, parts, metrics: { unnormalizedComponents } };
}

export const decomposedBnpoEntry: EstimatorEntry<DecomposedBnpoInputs> = {
  name: 'decomposedBnpo',
  formula: 'A = mean over the components of bnpo(rewards of the component)',
  citation: 'arXiv:2506.02864',
  laws: ['zero-mean', 'zero-mean-per-group'],
  example: (shape, rng) => {
    const [accuracy, format] = [bnpoEntry.example(shape, rng), bnpoEntry.example(shape, rng)];
    return { components: [accuracy.rewards, format.rewards], groups: accuracy.groups };
  },
  estimate: (inputs) => decomposedBnpo(inputs),
};
