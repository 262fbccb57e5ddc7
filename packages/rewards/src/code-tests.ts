import { DataError, OptionError } from '@tsrl/core';
import { perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** What became of the unit tests of a program. They run elsewhere: a reward executes nothing. */
export interface TestResults {
  readonly compiled: boolean;
  readonly runtimeError: boolean;
  readonly timedOut: boolean;
  readonly passed: number;
  readonly total: number;
}

/** What rewards of code read. */
export interface TestedSample {
  /** `null` where no tests were run. */
  readonly tests: TestResults | null;
}

/** Options of {@link codeTests}. */
export interface CodeTestsOptions {
  /** Default `allPass`. */
  readonly kind?: 'allPass' | 'fraction' | 'ladder';
  /** Added to the ladder below its top, times the share of passed tests; in [0, 0.3) so that it stays a ladder. Default 0. */
  readonly partial?: number;
}

/**
 * The reward of a program from its unit tests, k of n passed:
 *
 *   allPass   1 if k = n, else 0
 *   fraction  k / n
 *   ladder    −1 did not compile, −0.6 failed or timed out while running, −0.3 failed a test, 1 passed all
 *
 * A program that did not compile has passed nothing, in all three. `null` where there are no tests.
 *
 * @throws OptionError for an unknown kind, or `partial` outside [0, 0.3); DataError for counts that are none
 * @see Le et al. 2022, arXiv:2207.01780 (CodeRL), equation 5
 */
export function codeTests({ kind = 'allPass', partial = 0 }: CodeTestsOptions = {}): SyncReward<TestedSample> {
  if (kind !== 'allPass' && kind !== 'fraction' && kind !== 'ladder') {
    throw new OptionError('codeTests', 'kind', "'allPass', 'fraction' or 'ladder'", kind);
  }
  if (!(partial >= 0 && partial < 0.3)) throw new OptionError('codeTests', 'partial', 'in [0, 0.3)', partial);
  return perSample(({ tests }) => {
    if (tests === null || tests.total === 0) return null;
    const { compiled, runtimeError, timedOut, passed, total } = tests;
    if (!(Number.isInteger(passed) && Number.isInteger(total) && passed >= 0 && passed <= total)) {
      throw new DataError('codeTests', `passed must be a count of at most total; got ${passed} of ${total}`);
    }
    const share = compiled ? passed / total : 0;
    if (kind === 'fraction') return share;
    if (kind === 'allPass') return share === 1 ? 1 : 0;
    if (!compiled) return -1;
    if (share === 1) return 1;
    return (runtimeError || timedOut ? -0.6 : -0.3) + partial * share;
  });
}

export const codeTestsEntry: RewardEntry<TestedSample> = {
  name: 'codeTests',
  formula: '1 if all tests pass, else 0; or their share; or −1, −0.6, −0.3, 1',
  citation: 'arXiv:2207.01780',
  laws: ['independent'],
  range: [0, 1],
  example: (rng) => {
    const total = 1 + Math.floor(rng.uniform() * 3);
    const passed = Math.floor(rng.uniform() * (total + 1));
    return { tests: { compiled: rng.uniform() < 0.9, runtimeError: false, timedOut: false, passed, total } };
  },
  inapplicable: { tests: { compiled: true, runtimeError: false, timedOut: false, passed: 0, total: 0 } },
  score: codeTests(),
};
