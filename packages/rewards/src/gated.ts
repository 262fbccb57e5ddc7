import { OptionError } from '@tsrl/core';
import { type Combine, type ComponentScores, expectUnit } from './composed.js';
import { weightedSum } from './weighted-sum.js';

/** Options of {@link gated}. */
export interface GatedOptions<Name extends string> {
  /** The component that opens or closes; the others are combined. */
  readonly gate: Name;
  /** `soft`: the gate's own score g in [0, 1] is the weight, g f + (1 − g) r_fail. Default `hard`. */
  readonly kind?: 'hard' | 'soft';
  /** A hard gate is open from this score on. Default 0.5. */
  readonly threshold?: number;
  /** r_fail, the score where the gate is closed. Default 0. */
  readonly otherwise?: number;
  /** f, how the other components are combined. Default their sum. */
  readonly combine?: Combine;
}

/**
 * R = g f(r_1 … r_M) + (1 − g) r_fail, g = 1 where the gate scores at least the threshold, else 0. `null` where the
 * gate does not apply, or where it is open (not shut, if soft) and nothing behind it applies.
 *
 * The conditioned rewards of GDPO, an easy component only where a hard one is met, are
 * `gated({ gate: 'hard', threshold })`.
 *
 * @throws OptionError for an option out of range, and, when it combines, for a gate that is no component, or the only
 * one; DataError for a score of a soft gate outside [0, 1]
 * @see Liu et al. 2026, arXiv:2601.05242, section 3.2
 */
export function gated<Name extends string>({
  gate,
  kind = 'hard',
  threshold = 0.5,
  otherwise = 0,
  combine = weightedSum(),
}: GatedOptions<Name>): Combine<string> {
  if (kind !== 'hard' && kind !== 'soft') throw new OptionError('gated', 'kind', "'hard' or 'soft'", kind);
  if (!Number.isFinite(threshold)) throw new OptionError('gated', 'threshold', 'finite', threshold);
  if (!Number.isFinite(otherwise)) throw new OptionError('gated', 'otherwise', 'finite', otherwise);
  return (scores, samples) => {
    const { [gate as string]: gates, ...others } = scores as ComponentScores;
    const names = Object.keys(others);
    if (gates === undefined) throw new OptionError('gated', 'gate', `one of ${names.join(', ')}`, gate);
    if (names.length === 0) throw new OptionError('gated', 'scores', 'of a component beside the gate', [gate]);
    return combine(others, samples).map((score, i) => {
      const opening = gates[i] as number | null;
      if (opening === null) return null;
      const g = kind === 'soft' ? opening : opening >= threshold ? 1 : 0;
      expectUnit('gated', `${gate}, a soft gate,`, g);
      if (g === 0) return otherwise;
      return score === null ? null : g * score + (1 - g) * otherwise;
    });
  };
}
