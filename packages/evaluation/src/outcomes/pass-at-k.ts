import { expectWhole } from '../whole-number.js';

/** n samples of one item, of which c are correct; a k from 1 to n. */
export interface SampleCounts {
  /** How many samples were drawn, n. */
  readonly samples: number;
  /** How many of them are correct, c. */
  readonly correct: number;
  readonly k: number;
}

/**
 * pass@k of one item, without bias: the chance that one of k of the n samples is correct,
 *
 *   1 − C(n − c, k)/C(n, k) = 1 − Π_{i=n−c+1}^{n} (1 − k/i)
 *
 * by the product, which neither overflows nor cancels; 1 when fewer than k are wrong. k = 1 is the mean, avg@n = c/n.
 * Average it over items; the naive 1 − (1 − c/n)ᵏ is biased downwards.
 *
 * @throws OptionError for counts that are not whole numbers with 0 ≤ correct ≤ samples and 1 ≤ k ≤ samples
 * @see Chen et al. 2021, arXiv:2107.03374, equation 1 and figure 3
 */
export function passAtK({ samples, correct, k }: SampleCounts): number {
  expectCounts('passAtK', { samples, correct, k });
  return 1 - noneOf(samples, correct, k);
}

/**
 * pass^k of one item, without bias: the chance that all k of k of the n samples are correct, C(c, k)/C(n, k). What a
 * user meets who needs it to work every time.
 *
 * @throws as `passAtK`
 * @see Yao et al. 2024, arXiv:2406.12045
 */
export function passPowerK({ samples, correct, k }: SampleCounts): number {
  expectCounts('passPowerK', { samples, correct, k });
  return noneOf(samples, samples - correct, k);
}

/** C(n − c, k)/C(n, k): the chance that none of c marked ones is among k of n. Inputs that were checked. */
export function noneOf(n: number, c: number, k: number): number {
  if (n - c < k) return 0;
  let chance = 1;
  for (let i = n - c + 1; i <= n; i++) chance *= 1 - k / i;
  return chance;
}

function expectCounts(who: string, { samples, correct, k }: SampleCounts): void {
  expectWhole(who, 'samples', samples, 1);
  expectWhole(who, 'correct', correct, 0, samples);
  expectWhole(who, 'k', k, 1, samples);
}
