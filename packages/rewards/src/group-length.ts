import { OptionError } from '@tsrl/core';
import type { JudgedLengthSample } from './cosine-length.js';
import { lengthIn, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What rewards read that compare completions of one prompt. */
export interface GroupedLengthSample extends JudgedLengthSample {
  /** Which prompt it answers. */
  readonly group: number | string;
}

/** Options of {@link groupLength}. */
export interface GroupLengthOptions {
  /**
   * `range`: by the place between the shortest and the longest of the group. `sigmoid`: by the standard score among the
   * right ones. Default `range`.
   */
  readonly kind?: 'range' | 'sigmoid';
  /** α of `sigmoid`, in [0, 1]. Default 0.2. */
  readonly alpha?: number;
}

/**
 * Shortness within the group of one prompt. With n the length:
 *
 *   range    λ = ½ − (n − n_min) / (n_max − n_min);  r = λ if right, min(0, λ) if wrong; 0 in a group of one length
 *   sigmoid  r = 1 − α σ((n − mean) / std) if right, 0 if wrong; mean and std (population) of the right ones
 *
 * Where all right ones are equally long σ(0) = ½ counts. `null` where correctness is; such a sample still counts for
 * the lengths of its group.
 *
 * @throws OptionError for an unknown kind, or an α outside [0, 1]; DataError for a length that is not finite and at
 * least 0
 * @see Kimi Team 2025, arXiv:2501.12599, section 2.3.3; Arora and Zanette 2025, arXiv:2502.04463
 */
export function groupLength({ kind = 'range', alpha = 0.2 }: GroupLengthOptions = {}): SyncReward<GroupedLengthSample> {
  if (kind !== 'range' && kind !== 'sigmoid') {
    throw new OptionError('groupLength', 'kind', "'range' or 'sigmoid'", kind);
  }
  if (!(alpha >= 0 && alpha <= 1)) throw new OptionError('groupLength', 'alpha', 'in [0, 1]', alpha);
  return (samples) => {
    const groups = new Map<number | string, GroupedLengthSample[]>();
    for (const sample of samples) {
      lengthIn('groupLength', sample.length);
      const group = groups.get(sample.group);
      if (group) group.push(sample);
      else groups.set(sample.group, [sample]);
    }
    const scores = new Map(
      [...groups].map(([id, group]) => [id, kind === 'range' ? byRange(group) : bySigmoid(group, alpha)]),
    );
    return samples.map((sample) => (sample.correct === null ? null : (scores.get(sample.group)?.(sample) ?? null)));
  };
}

type Score = (sample: GroupedLengthSample) => number;

function byRange(group: readonly GroupedLengthSample[]): Score {
  const least = group.reduce((n, { length }) => Math.min(n, length), Number.POSITIVE_INFINITY);
  const most = group.reduce((n, { length }) => Math.max(n, length), 0);
  if (least === most) return () => 0;
  return ({ length, correct }) => {
    const lambda = 0.5 - (length - least) / (most - least);
    return correct ? lambda : Math.min(0, lambda);
  };
}

function bySigmoid(group: readonly GroupedLengthSample[], alpha: number): Score {
  const right = group.filter(({ correct }) => correct).map(({ length }) => length);
  const mean = right.reduce((sum, n) => sum + n, 0) / right.length;
  const std = Math.sqrt(right.reduce((sum, n) => sum + (n - mean) ** 2, 0) / right.length);
  return ({ length, correct }) => (correct ? 1 - alpha / (1 + Math.exp(std === 0 ? 0 : -(length - mean) / std)) : 0);
}

export const groupLengthEntry: RewardEntry<GroupedLengthSample> = {
  name: 'groupLength',
  formula: 'λ = ½ − (n − n_min) / (n_max − n_min) if right, min(0, λ) if wrong',
  citation: 'arXiv:2501.12599',
  laws: [],
  range: [-0.5, 0.5],
  example: (rng) => ({
    length: Math.floor(rng.uniform() * 50),
    correct: rng.uniform() < 0.5,
    group: rng.uniform() < 0.5 ? 'a' : 'b',
  }),
  inapplicable: { length: 3, correct: null, group: 'a' },
  score: groupLength(),
};
