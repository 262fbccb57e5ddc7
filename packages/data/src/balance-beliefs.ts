import { DataError, OptionError, permutation, type Rng } from '@tsrl/core';

/** What {@link balanceBeliefs} makes of beliefs, both [N]. */
export interface BalancedBeliefs {
  /** How often each example is to be shown, as a share of all; they sum to 1. */
  readonly shares: Float64Array;
  /** What each is to be shown as: between 0 and 1. */
  readonly targets: Float64Array;
}

/**
 * Both classes equally often, where classes are believed and not known. With q_i the belief that example i is of class 1,
 * Q₁ = Σ q_i and Q₀ = Σ (1 − q_i):
 *
 *   share_i = (q_i / Q₁ + (1 − q_i) / Q₀) / 2,  target_i = q_i / Q₁ / (q_i / Q₁ + (1 − q_i) / Q₀)
 *
 * so that Σ share_i target_i = ½, and the mean of any loss that is a line in the target is the mean over the two classes
 * of its mean in each. Labels 0 and 1 are beliefs too: their targets are the labels, and the shares those of
 * `balancedIndices`. Balancing by observed labels does not do it: where one class is rare, most of what says that it
 * belongs to it may be wrong labels of the other.
 *
 * @throws DataError for a belief outside [0, 1], or where nothing speaks for one of the classes
 */
export function balanceBeliefs(beliefs: ArrayLike<number>): BalancedBeliefs {
  const who = 'balanceBeliefs';
  let [zeros, ones] = [0, 0];
  for (let i = 0; i < beliefs.length; i++) {
    const q = beliefs[i] as number;
    if (!(q >= 0 && q <= 1)) throw new DataError(who, `beliefs[${i}] must be in [0, 1]; got ${q}`);
    zeros += 1 - q; // not N − ones, in which what is far below 1 is lost
    ones += q;
  }
  if (!(ones > 0 && zeros > 0)) {
    throw new DataError(who, `no example is believed to be of class ${ones > 0 ? 0 : 1}`);
  }
  const shares = new Float64Array(beliefs.length);
  const targets = new Float64Array(beliefs.length);
  for (let i = 0; i < beliefs.length; i++) {
    const q = beliefs[i] as number;
    const [one, zero] = [q / ones, (1 - q) / zeros];
    shares[i] = (one + zero) / 2;
    targets[i] = one / (one + zero);
  }
  return { shares, targets };
}

/**
 * `size` positions in random order, position i appearing ⌊size · share_i⌋ or ⌈size · share_i⌉ times and size · share_i
 * times in the mean: systematic sampling along the targets, so that their mean among the positions is within 1 / size of ½.
 *
 * @throws OptionError for a size that is not a whole number of at least 1
 * @see Madow 1949, "On the theory of systematic sampling, II"
 */
export function sharedIndices({ shares, targets }: BalancedBeliefs, size: number, rng: Rng): Int32Array {
  if (!(Number.isSafeInteger(size) && size >= 1)) {
    throw new OptionError('sharedIndices', 'size', 'a whole number of at least 1', size);
  }
  // Sorting keeps the random order of equal targets: no two of them are always drawn together.
  const along = permutation(shares.length, rng).sort((a, b) => (targets[a] as number) - (targets[b] as number));
  const drawn = new Int32Array(size);
  const start = rng.uniform();
  let count = 0;
  let sum = 0;
  for (const i of along) {
    sum += size * (shares[i] as number);
    for (; count < size && count + start < sum; count++) drawn[count] = i;
  }
  // The shares sum to 1 but for rounding, which may leave the last place open.
  drawn.fill(along[along.length - 1] as number, count);
  return permutation(size, rng).map((k) => drawn[k] as number);
}
