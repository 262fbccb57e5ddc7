import { expectComponents, weightedSum } from './combine-rewards.js';
import type { EstimatorEntry } from './entry.js';
import { drawGroups } from './example.js';
import type { GroupIds } from './group-moments.js';
import type { AdvantageResult } from './result.js';
import type { Rewards } from './rewards-input.js';
import { standardized } from './standardized.js';

/** Inputs of {@link gdpo}. */
export interface GdpoInputs {
  /** Rewards of K functions, each [B]; `null` where a function does not apply to a response. */
  readonly components: readonly Rewards[];
  /** Which prompt each response answers, [B]. */
  readonly groups: GroupIds;
}

/** Options of {@link gdpo}. */
export interface GdpoOptions {
  /** w: weight of each reward function, [K]. Default 1 each. */
  readonly weights?: ArrayLike<number>;
  /** Added to every deviation; at least 0. Default 1e-6. */
  readonly epsilon?: number;
}

/** Advantages, and the sums before the batch is standardised. */
export interface GdpoResult extends AdvantageResult<Float64Array> {
  /** s, [B]: the weighted sum of a response's normalised rewards; `null` where no function applies. */
  readonly combined: readonly (number | null)[];
}

/**
 * GRPO for several reward functions, each normalised by itself so that none drowns the others:
 *
 *   z_{k,i} = (r_{k,i} − mean) / (std + ε) over the group,   s_i = Σ_k w_k z_{k,i},   A_i = (s_i − mean) / (std + ε)
 *
 * the last over the batch. The other way, a sum that is normalised once, is `grpo` of `combineRewards`. Deviations are
 * of the sample; a variance of at most 1e-12 counts as none and gives 0.
 *
 * Metrics: `missingRewards`, responses to which no function applies, and `equalComponents`, pairs of a group and a
 * function whose rewards are all equal or just one.
 *
 * Differences: TRL (`normalize_then_sum`) has epsilon 1e-4; verl whitens s over tokens instead of responses.
 *
 * @returns advantages [B] and s [B]
 * @throws OptionError for an epsilon out of range, ShapeError when lengths differ or are 0, DataError for a weight that
 * is not finite or a reward that is neither finite nor `null`
 * @see Liu et al. 2026, arXiv:2601.05242
 */
export function gdpo({ components, groups }: GdpoInputs, { weights, epsilon = 1e-6 }: GdpoOptions = {}): GdpoResult {
  expectComponents('gdpo', components, weights);
  const normalized = components.map((rewards) => standardized('gdpo', { rewards, groups }, { epsilon }));
  const scores = components.map((rewards, k) =>
    Array.from(rewards, (r, row) => (r === null ? null : (normalized[k]?.advantages[row] as number))),
  );
  const combined = weightedSum(scores, weights);
  const batch = { rewards: combined, groups: new Uint8Array(combined.length) };
  const { advantages, metrics } = standardized('gdpo', batch, { epsilon });
  const count = (name: string): number => normalized.reduce((sum, one) => sum + (one.metrics[name] as number), 0);
  return {
    advantages,
    combined,
    metrics: {
      missingRewards: metrics['missingRewards'] as number,
      equalComponents: count('equalGroups') + count('singletonGroups'),
    },
  };
}

export const gdpoEntry: EstimatorEntry<GdpoInputs> = {
  name: 'gdpo',
  formula: 'A = whitened over the batch: Σ_k w_k (r_k − mean) / (std + ε) over the group',
  citation: 'arXiv:2601.05242',
  laws: ['group-shift-invariant', 'shift-invariant', 'scale-invariant', 'zero-mean'],
  example: (shape, rng) => {
    const { rewards, groups } = drawGroups(shape, rng);
    return { components: [rewards, drawGroups(shape, rng).rewards], groups };
  },
  // Of equal weight, groups of two cancel to the rounding noise that epsilon leaves of them.
  estimate: (inputs) => gdpo(inputs, { weights: [1, 0.5] }),
};
