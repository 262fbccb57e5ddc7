import { OptionError, type Tracker } from '@tsrl/core';
import type { JudgedLengthSample } from './cosine-length.js';
import { lengthIn, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What {@link historyLength} reads. */
export interface ProblemSample extends JudgedLengthSample {
  /** Which problem it answers, the same in every epoch. */
  readonly problem: string;
}

/** The length of the shortest right completion of each problem so far. */
export type ShortestLengths = Readonly<Record<string, number>>;

/**
 * Remembers the shortest right completion of each problem. Update it after the whole batch was scored with the old
 * state; states of several machines merge by the minimum.
 */
export const shortestLengths: Tracker<ShortestLengths, readonly ProblemSample[]> = {
  initial: {},
  update(state, samples) {
    // A map, for a problem may be called 'constructor'.
    const next = new Map(Object.entries(state));
    for (const { problem, length, correct } of samples) {
      if (!correct) continue;
      const known = next.get(problem) ?? Number.POSITIVE_INFINITY;
      next.set(problem, Math.min(known, lengthIn('shortestLengths', length)));
    }
    return Object.fromEntries(next);
  },
};

/** Options of {@link historyLength}. */
export interface HistoryLengthOptions {
  /** From {@link shortestLengths}. */
  readonly shortest: ShortestLengths;
  /** w, in [0, 1]. Default 1. */
  readonly weight?: number;
  /** Default `cosine`. */
  readonly kind?: 'cosine' | 'linear';
}

/**
 * Shorter than ever: with h the shortest right completion of the problem so far and n the length,
 *
 *   r = 1[right] + w r_len,  x = cos(π/2 · min(n / h, 2)),  r_len = max(−0.7, x) if right, min(0, x) if wrong
 *
 * r_len = 0 where h is not known. `linear`: right, 1 − n/h below h, 0 up to 1.1 h, then max(−0.7, −(n − 1.1 h)/h);
 * wrong, 0 up to 1.1 h, then max(−1, −(n − 1.1 h)/h). Every right completion beats every wrong one. `null` where
 * correctness is.
 *
 * @throws OptionError for an unknown kind, or a weight outside [0, 1]; DataError for a length that is not finite
 * and at least 0
 * @see Huang, Zhang and Cardie 2025, arXiv:2505.11225 (HAPO)
 */
export function historyLength({
  shortest,
  weight = 1,
  kind = 'cosine',
}: HistoryLengthOptions): SyncReward<ProblemSample> {
  if (!(weight >= 0 && weight <= 1)) throw new OptionError('historyLength', 'weight', 'in [0, 1]', weight);
  if (kind !== 'cosine' && kind !== 'linear') {
    throw new OptionError('historyLength', 'kind', "'cosine' or 'linear'", kind);
  }
  const score = kind === 'cosine' ? byCosine : byLine;
  return perSample(({ problem, length, correct }) => {
    if (correct === null) return null;
    const best = Object.hasOwn(shortest, problem) ? (shortest[problem] as number) : 0;
    return (correct ? 1 : 0) + (best > 0 ? weight * score(lengthIn('historyLength', length) / best, correct) : 0);
  });
}

function byCosine(ratio: number, correct: boolean): number {
  // cos(π/2) is 6e-17 in float64; at h itself the reward is 0.
  const x = ratio === 1 ? 0 : Math.cos((Math.PI / 2) * Math.min(ratio, 2));
  return correct ? Math.max(-0.7, x) : Math.min(0, x);
}

function byLine(ratio: number, correct: boolean): number {
  if (correct && ratio < 1) return 1 - ratio;
  return ratio <= 1.1 ? 0 : Math.max(correct ? -0.7 : -1, 1.1 - ratio);
}

export const historyLengthEntry: RewardEntry<ProblemSample> = {
  name: 'historyLength',
  formula: '1[right] + w · max(−0.7, cos(π/2 · min(n/h, 2)))',
  citation: 'arXiv:2505.11225',
  laws: ['independent'],
  range: [-1, 2],
  example: (rng) => ({
    length: Math.floor(rng.uniform() * 300),
    correct: rng.uniform() < 0.5,
    problem: rng.uniform() < 0.5 ? 'a' : 'new',
  }),
  inapplicable: { length: 3, correct: null, problem: 'a' },
  score: historyLength({ shortest: { a: 100 } }),
};
