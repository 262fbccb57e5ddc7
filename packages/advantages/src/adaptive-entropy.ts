import { DivergenceError, OptionError, type Tracker } from '@tsrl/core';

/** Options of {@link adaptiveEntropy}. */
export interface AdaptiveEntropyOptions {
  /** c before the first update; default 0. */
  readonly initial?: number;
  /** The entropy to keep, in nats; default 0.2. */
  readonly target?: number;
  /** By how much c moves at a step; default 0.005. */
  readonly delta?: number;
  /** The range of c; default [0, 1]. */
  readonly range?: readonly [least: number, most: number];
}

/** What {@link adaptiveEntropy} remembers. */
export interface EntropyState {
  readonly [key: string]: number;
  /** c, whether it is applied or not. */
  readonly coefficient: number;
  /** What the entropy bonus of the next step is multiplied by: c, or 0 while the entropy is above the target. */
  readonly applied: number;
}

/**
 * The coefficient of an entropy bonus that holds the entropy at a target and is off above it. After each step, with
 * the mean entropy H over the tokens of the whole batch:
 *
 *   c ← min(c + delta, most) where H ≤ target, else max(c − delta, least);  applied = c where H ≤ target, else 0
 *
 * `scale(state.applied, entropyBonus())` is the term of the next step. It starts unapplied: no entropy was seen yet.
 *
 * Differences: none to TRL's `use_adaptive_entropy`, whose defaults these are.
 *
 * @throws OptionError unless delta and target are positive and finite and `initial` lies in the range; when updated,
 *   DivergenceError for an entropy that is not finite
 * @see He et al. 2025, arXiv:2505.22312 (Skywork-OR1)
 */
export function adaptiveEntropy({
  initial = 0,
  target = 0.2,
  delta = 0.005,
  range: [least, most] = [0, 1],
}: AdaptiveEntropyOptions = {}): Tracker<EntropyState, number> {
  for (const [name, value] of Object.entries({ target, delta })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
      throw new OptionError('adaptiveEntropy', name, 'positive and finite', value);
    }
  }
  if (!(least <= most && Number.isFinite(least) && Number.isFinite(most))) {
    throw new OptionError('adaptiveEntropy', 'range', 'two finite numbers, the smaller first', `${least}, ${most}`);
  }
  if (!(initial >= least && initial <= most)) {
    throw new OptionError('adaptiveEntropy', 'initial', `in [${least}, ${most}]`, initial);
  }
  return {
    initial: { coefficient: initial, applied: 0 },
    update({ coefficient }, entropy) {
      if (!Number.isFinite(entropy)) {
        throw new DivergenceError('adaptiveEntropy', `the entropy must be finite; got ${entropy}`);
      }
      const low = entropy <= target;
      const next = low ? Math.min(coefficient + delta, most) : Math.max(coefficient - delta, least);
      return { coefficient: next, applied: low ? next : 0 };
    },
  };
}
