import { OptionError } from '@tsrl/core';

/** Options of {@link proverAdvantage}. */
export interface ProverAdvantageOptions {
  /** K, how many attempts the prover has; a whole number of at least 1. Default 4. */
  readonly attempts?: number;
}

/**
 * The progress that a segment makes for a stronger policy, the best of K attempts of this one:
 *
 *   BoK(V(child)) − BoK(V(parent)),   BoK(v) = 1 − (1 − v)^K
 *
 * For K = 1 it is the advantage itself. Added to the advantage or to the value of a segment, it is the reward of
 * process advantage verifiers (5 times it in the reference of segment SPO, on the value).
 *
 * @param edge of `treeAdvantages`, with values in [0, 1]
 * @throws OptionError unless attempts is a whole number of at least 1
 * @see Setlur et al. 2024, arXiv:2410.08146
 */
export function proverAdvantage(
  { value, parentValue }: { readonly value: number; readonly parentValue: number },
  { attempts = 4 }: ProverAdvantageOptions = {},
): number {
  if (!(Number.isInteger(attempts) && attempts >= 1)) {
    throw new OptionError('proverAdvantage', 'attempts', 'a whole number of at least 1', attempts);
  }
  return (1 - parentValue) ** attempts - (1 - value) ** attempts;
}
