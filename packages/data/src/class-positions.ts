import { OptionError } from '@tsrl/core';

/**
 * The positions of each class, ascending.
 *
 * @throws OptionError when a class has fewer than `least` examples, or a label is neither 0 nor 1
 */
export function positionsByClass(
  who: string,
  option: string,
  labels: ArrayLike<number>,
  least = 1,
): readonly [Int32Array, Int32Array] {
  const positions: [number[], number[]] = [[], []];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (label !== 0 && label !== 1) throw new OptionError(who, option, 'of the classes 0 and 1', label);
    positions[label].push(i);
  }
  const [zeros, ones] = positions;
  if (zeros.length < least || ones.length < least) {
    const expected = `at least ${least} example${least === 1 ? '' : 's'} of each class`;
    throw new OptionError(who, option, expected, [zeros.length, ones.length]);
  }
  return [Int32Array.from(zeros), Int32Array.from(ones)];
}
