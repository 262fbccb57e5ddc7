import { DivergenceError, OptionError, type Tracker } from '@tsrl/core';

/** Options of {@link adaptiveKl}. */
export interface AdaptiveKlOptions {
  /** β before the first update; default 0.001. */
  readonly initial?: number;
  /** The KL to hold, in nats, measured as the observations are; default 0.1. */
  readonly target?: number;
  /** In sequences: β moves by at most 20 % in as many; default 10 000. */
  readonly horizon?: number;
}

/** What {@link adaptiveKl} sees after a step. */
export interface KlObservation {
  /** Mean over the sequences of the KL from policy to reference. */
  readonly kl: number;
  /** n: how many sequences since the last update. */
  readonly sequences: number;
}

/**
 * The coefficient β of a KL penalty, moved so that the KL stays near a target. Its state is β:
 *
 *   e = clip(KL / target − 1, −0.2, 0.2),   β ← β · max(0.1, 1 + e n / horizon)
 *
 * The floor of 0.1 keeps β positive when n > 4.5 horizon; the paper and verl's `AdaptiveKLController` have none.
 *
 * What KL is of one sequence decides what the target means. The defaults are verl's and belong to the mean over its
 * tokens; the paper (and TRL's PPO) sum over them, with initial 0.2, target 6 and horizon 10 000.
 *
 * @throws OptionError unless initial, target and horizon are positive and finite; when updated, OptionError unless
 *   `sequences` is a whole number, at least 0, and DivergenceError for a KL that is not finite
 * @see Ziegler et al. 2019, arXiv:1909.08593
 */
export function adaptiveKl({
  initial = 0.001,
  target = 0.1,
  horizon = 10_000,
}: AdaptiveKlOptions = {}): Tracker<number, KlObservation> {
  for (const [name, value] of Object.entries({ initial, target, horizon })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) {
      throw new OptionError('adaptiveKl', name, 'positive and finite', value);
    }
  }
  return {
    initial,
    update(beta, { kl, sequences }) {
      if (!Number.isFinite(kl)) throw new DivergenceError('adaptiveKl', `kl must be finite; got ${kl}`);
      if (!(Number.isInteger(sequences) && sequences >= 0)) {
        throw new OptionError('adaptiveKl', 'sequences', 'a whole number, at least 0', sequences);
      }
      const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
      return beta * Math.max(0.1, 1 + (error * sequences) / horizon);
    },
  };
}
