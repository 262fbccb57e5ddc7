import { OptionError, ShapeError } from '@tsrl/core';
import { floatsAt, integersAt, withRoom } from './heap.js';

/** Copies arrays into the private memory, runs over their addresses, and copies results of these lengths back. */
export function pass(
  inputs: readonly (Float32Array | Int32Array)[],
  lengths: readonly number[],
  run: (from: readonly number[], to: readonly number[]) => void,
): Float32Array[] {
  // Each begins at a line of the cache.
  const room = (length: number): number => 64 * Math.ceil(length / 16);
  const all = [...inputs.map(({ length }) => length), ...lengths];
  const bytes = all.reduce((sum, length) => sum + room(length), 0);
  return withRoom(bytes, (start) => {
    let next = start;
    const addresses = all.map((length) => {
      const address = next;
      next += room(length);
      return address;
    });
    const [from, to] = [addresses.slice(0, inputs.length), addresses.slice(inputs.length)];
    for (const [i, numbers] of inputs.entries()) {
      const view = numbers instanceof Int32Array ? integersAt : floatsAt;
      view(from[i] as number, numbers.length).set(numbers);
    }
    run(from, to);
    return lengths.map((length, i) => floatsAt(to[i] as number, length).slice());
  });
}

/** Throws a ShapeError unless the array has that many numbers. */
export function expectNumbers(who: string, name: string, array: ArrayLike<number>, length: number): void {
  if (array.length !== length) throw new ShapeError(who, name, `${length} numbers`, `${array.length} numbers`);
}

/** Throws an OptionError unless every size is an integer, at least `least`. */
export function expectSizes(who: string, sizes: Readonly<Record<string, number>>, least: number): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < least)
      throw new OptionError(who, name, `an integer, at least ${least}`, size);
  }
}
