import { float32, float32Condition } from '@tsrl/testing';

/**
 * The largest error of numbers from the device against an oracle of the same inputs, in units of the float32 bound plus
 * what one ulp of each input moves: for sums whose terms cancel.
 */
export function errorOf(
  got: readonly number[],
  oracle: (inputs: Float64Array) => ArrayLike<number>,
  inputs: readonly number[],
): number {
  const expected = oracle(Float64Array.from(inputs));
  const condition = float32Condition(oracle, inputs);
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  const errors = got.map((x, i) => {
    const y = expected[i] as number;
    return Math.abs(x - y) / (float32.absolute + float32.relative * Math.abs(y) + (condition[i] as number));
  });
  return errors.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...errors);
}
