import {
  DivergenceError,
  expectLength,
  exponentialAverage,
  type Json,
  type Moments,
  runningMoments,
  type Tracker,
} from '@tsrl/core';
import { expectLabels } from './unpaired.js';

/** What a tracker of the shift sees of a batch, before the loss of that batch is computed; not in evaluation. */
export interface RewardObservation {
  /** r = β (log π − log π_ref) of each completion. */
  readonly rewards: ArrayLike<number>;
  /** 1 for desirable, 0 for undesirable. */
  readonly labels: ArrayLike<number>;
}

/** A running estimate of δ for `bco`. */
export interface ShiftTracker<State extends Json> extends Tracker<State, RewardObservation> {
  /** δ as of this state. */
  shift(state: State): number;
}

/** Averages of the batch means of each class; null before the class was seen. */
export interface ClassMeans {
  readonly [key: string]: number | null;
  readonly desirable: number | null;
  readonly undesirable: number | null;
}

/** Options of `classMeanShift`. */
export interface ClassMeanShiftOptions {
  /** In [0, 1), default 0.9. */
  readonly decay?: number;
}

/**
 * The shift of the paper, δ = ½ (μ₊ + μ₋): an exponential average of the batch means of each class, which a batch
 * without the class leaves as it is. As long as one class was never seen, δ is the mean of the other; 0 at first.
 *
 * The paper does not print its decay.
 *
 * @throws OptionError unless the decay is in [0, 1); when updated, ShapeError for labels of another length, DataError
 *   for a label that is not 0 or 1, and DivergenceError for a reward that is not finite
 * @see Jung et al. 2024, arXiv:2404.04656
 */
export function classMeanShift({ decay = 0.9 }: ClassMeanShiftOptions = {}): ShiftTracker<ClassMeans> {
  const average = exponentialAverage(decay);
  return {
    initial: { desirable: null, undesirable: null },
    update({ desirable, undesirable }, { rewards, labels }) {
      expectRewards('classMeanShift', rewards, labels);
      const next = (before: number | null, label: number): number | null => {
        const of = Array.from(rewards).filter((_, i) => labels[i] === label);
        return of.length === 0 ? before : average.update(before, of.reduce((sum, r) => sum + r, 0) / of.length);
      };
      return { desirable: next(desirable, 1), undesirable: next(undesirable, 0) };
    },
    shift: ({ desirable, undesirable }) => ((desirable ?? undesirable ?? 0) + (undesirable ?? desirable ?? 0)) / 2,
  };
}

/**
 * The shift of TRL's `BCOTrainer`: δ is the mean of all rewards seen so far, of both classes together. With as many
 * desirable as undesirable completions it is ½ (E₊[r] + E₋[r]). The state is that of `runningMoments`, whose variance
 * TRL tracks as well and does not use.
 *
 * @throws when updated, as `classMeanShift`
 */
export const pooledShift: ShiftTracker<Moments> = {
  initial: runningMoments.initial,
  update(state, { rewards, labels }) {
    expectRewards('pooledShift', rewards, labels);
    return runningMoments.update(state, rewards);
  },
  shift: ({ mean }) => mean,
};

function expectRewards(who: string, rewards: ArrayLike<number>, labels: ArrayLike<number>): void {
  expectLength(who, 'labels', labels, rewards.length);
  expectLabels(who, labels);
  const wild = Array.from(rewards).find((reward) => !Number.isFinite(reward));
  if (wild !== undefined) throw new DivergenceError(who, `rewards must be finite; got ${wild}`);
}
