import type { BinaryReward, CappedOptions } from './confidence.js';

/**
 * What a member promises beyond what every member keeps (swap symmetry, linearity in kappa and in the class
 * weights, finite rewards): `antisymmetric` is r(a, 1 − y) = −r(a, y) with equal weights; the gap is
 * r(right) − r(wrong); `capped` means that no confidence exceeds `cap`.
 */
export type ConfidenceLaw = 'antisymmetric' | 'positive-gap' | 'zero-gap-at-one-half' | 'negative-gap' | 'capped';

/** What the law suite, the benchmarks and the documentation know of a member of the family. */
export interface ConfidenceEntry {
  readonly name: string;
  /** In one line, for the table of algorithms. */
  readonly formula: string;
  readonly citation: string;
  readonly laws: readonly ConfidenceLaw[];
  /** The member with its defaults; members without a cap ignore `cap`. */
  readonly create: (options?: CappedOptions) => BinaryReward;
}
