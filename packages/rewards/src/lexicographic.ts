import { OptionError } from '@tsrl/core';
import { bySample, type Combine, expectUnit } from './composed.js';

/** Options of {@link lexicographic}. */
export interface LexicographicOptions {
  /**
   * Components by priority, the most important first, each with its step q in (0, 1]: the smallest difference that
   * matters. Scores are rounded down to multiples of it.
   */
  readonly steps: Readonly<Record<string, number>>;
}

/**
 * A sum that ranks like a dictionary: a step more of an important component outweighs all of the less important ones,
 *
 *   R = Σ s_m ⌊r_m / q_m⌋ q_m,  s_1 = 1, s_{m+1} = s_m q_m / 2
 *
 * for scores in [0, 1]. `null` as soon as one component does not apply: an incomplete row has no place in the order.
 *
 * @throws OptionError for a step outside (0, 1], and, when it combines, where the steps are not those of the
 * components; DataError for a score outside [0, 1]
 */
export function lexicographic({ steps }: LexicographicOptions): Combine {
  const names = Object.keys(steps);
  for (const [name, step] of Object.entries(steps)) {
    if (!(step > 0 && step <= 1)) throw new OptionError('lexicographic', `steps.${name}`, 'in (0, 1]', step);
  }
  const scales = [1];
  for (const step of Object.values(steps)) scales.push(((scales.at(-1) as number) * step) / 2);
  return (scores) => {
    if (Object.keys(scores).sort().join() !== names.toSorted().join()) {
      throw new OptionError('lexicographic', 'steps', `for ${Object.keys(scores).join(', ')}`, names.join(', '));
    }
    const ordered = Object.fromEntries(names.map((name) => [name, scores[name] ?? []]));
    return bySample(ordered, (row) => {
      let sum = 0;
      for (const [m, score] of row.entries()) {
        if (score === null) return null;
        const step = steps[names[m] as string] as number;
        // 0.3 / 0.1 is 2.9999999999999996: a billionth of a step is no difference.
        const levels = Math.floor(expectUnit('lexicographic', names[m] as string, score) / step + 1e-9);
        sum += (scales[m] as number) * levels * step;
      }
      return sum;
    });
  };
}
