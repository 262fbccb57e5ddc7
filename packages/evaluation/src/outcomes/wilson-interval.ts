import { expectLevel, type Interval, type LevelOptions } from '../bootstrap/interval.js';
import { normalQuantile } from '../special/normal.js';
import { expectWhole } from '../whole-number.js';

/**
 * Wilson's interval of a share p̂ = successes/n: every share that the score test does not reject,
 *
 *   (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n)
 *
 * It never leaves [0, 1] and has no zero width at 0 or n successes; without a trial it is [0, 1]. The trials must be
 * independent: for several samples per item see `clusteredStandardError`.
 *
 * @throws OptionError for a level outside (0, 1) or counts that are not whole numbers with successes ≤ trials
 * @see Wilson 1927, "Probable inference, the law of succession, and statistical inference"
 */
export function wilsonInterval(successes: number, trials: number, { level = 0.95 }: LevelOptions = {}): Interval {
  expectLevel('wilsonInterval', level);
  expectWhole('wilsonInterval', 'trials', trials, 0);
  expectWhole('wilsonInterval', 'successes', successes, 0, trials);
  if (trials === 0) return { lower: 0, upper: 1 };
  const z = normalQuantile((1 + level) / 2);
  const failures = trials - successes;
  // Times n: the lower end is 0 without a success, the upper 1 without a failure, which the subtraction would miss.
  const reach = (hits: number, misses: number): number => {
    const half = z * Math.sqrt((hits * misses) / trials + z ** 2 / 4);
    return (hits + z ** 2 / 2 + half) / (trials + z ** 2);
  };
  return {
    lower: successes === 0 ? 0 : 1 - reach(failures, successes),
    upper: failures === 0 ? 1 : reach(successes, failures),
  };
}
