import { OptionError } from '@tsrl/core';
import { composed } from './composed.js';
import { expectFinite, type Reward } from './reward.js';

/** Whether a completion was cut off. */
export interface TruncatedSample {
  /** It reached the largest length without an end-of-sequence token. */
  readonly truncated: boolean;
}

/** What becomes of the score of a truncated completion; exactly one. */
export interface WhenTruncatedOptions {
  /** It is multiplied with this. */
  readonly scale?: number;
  /** It is this, whatever it was. */
  readonly replace?: number;
  /** This is added. */
  readonly add?: number;
}

/**
 * Changes the scores of truncated completions, which have not said all. `null` stays `null`.
 *
 * Differences: OpenRLHF's `stop_properly_penalty_coef` c is `{ scale: c }` for c ≥ 0 and `{ replace: c }` for c < 0;
 * TRL's `missing_eos_penalty` p is `{ add: -p }`.
 *
 * @throws OptionError unless exactly one option is given, finite
 */
export function whenTruncated<Sample>(
  reward: Reward<Sample>,
  options: WhenTruncatedOptions,
): Reward<Sample & TruncatedSample> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    throw new OptionError('whenTruncated', 'options', 'exactly one of scale, replace and add', options);
  }
  expectFinite('whenTruncated', Object.fromEntries(given));
  const { scale = 1, replace, add = 0 } = options;
  const changed = (score: number): number => replace ?? score * scale + add;
  return composed({ reward }, ({ reward: scores }, samples: readonly TruncatedSample[]) =>
    scores.map((score, i) => (score !== null && samples[i]?.truncated ? changed(score) : score)),
  );
}
