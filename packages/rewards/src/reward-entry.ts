import type { Rng } from '@tsrl/core';
import type { Reward } from './reward.js';

/**
 * What a reward promises beyond what all keep (the same scores for the same samples, permuted samples give permuted
 * scores, `null` or a finite number in its range): `independent`, the score of a sample depends on it alone, so that
 * a batch is scored like its samples one by one; `text`, it reads `completion`, and any text at all gets a score, in
 * time that is linear in its length.
 */
export type RewardLaw = 'independent' | 'text';

/** What the law suite, the benchmarks and the documentation know of a reward. */
export interface RewardEntry<Sample extends object = object> {
  readonly name: string;
  /** In one line, for the table of algorithms. */
  readonly formula: string;
  readonly citation: string;
  readonly laws: readonly RewardLaw[];
  /** The smallest and the largest score of `score`. */
  readonly range: readonly [number, number];
  /** A random sample. */
  example(rng: Rng): Sample;
  /** A sample that the reward does not apply to, where there can be one: its score is `null`, whatever stands beside. */
  readonly inapplicable?: Sample;
  /** The reward with its defaults, on samples of `example`. */
  readonly score: Reward<Sample>;
}
