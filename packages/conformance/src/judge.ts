import { CaseError, type GoldenCase, type GoldenTensor } from './golden.js';
import type { Computed, Values } from './outcome.js';
import { plainParts } from './plain.js';

/** How far two numbers may be apart: `absolute + relative · |expected|`. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** decisions.md, 5. */
export const tolerances: Readonly<Record<Computed['precision'], Tolerance>> = {
  float32: { absolute: 1e-6, relative: 2e-5 },
  float64: { absolute: 1e-9, relative: 1e-7 },
};

/** An entry that is farther from the golden than allowed. */
export interface Mismatch {
  /** `loss`, or `d loss / d logits` as `gradients.logits`. */
  readonly part: string;
  readonly index: readonly number[];
  readonly expected: number;
  readonly got: number;
  /** In units of the tolerance: more than 1. */
  readonly error: number;
}

/** Room beyond the tolerance for each entry of each part. */
export type Allowances = Readonly<Record<string, ArrayLike<number>>>;

/**
 * Every entry of ours that is not what the golden file says. NaN agrees with NaN, an infinity with itself.
 *
 * @throws CaseError when an output is of another shape, or when we give none
 */
export function compare(golden: GoldenCase, computed: Computed, allowances: Allowances = {}): readonly Mismatch[] {
  const tolerance = tolerances[golden.precision === 'float64' ? computed.precision : 'float32'];
  const mismatches: Mismatch[] = [];
  let compared = 0;
  const check = (part: string, expected: GoldenTensor, ours: Values | undefined): void => {
    compared += 1;
    if (ours === undefined) throw new CaseError(`nothing of ours gives ${part}`);
    if (ours.shape.join() !== expected.shape.join()) {
      throw new CaseError(`${part} must be of shape [${expected.shape}]; ours is [${ours.shape}]`);
    }
    expected.data.forEach((number, i) => {
      const got = ours.data[i] as number;
      const index = indexOf(i, expected.shape);
      const counts = ours.counts === undefined || ours.counts[i] !== 0;
      const room = tolerance.absolute + tolerance.relative * Math.abs(number) + (allowances[part]?.[i] ?? 0);
      const error = counts ? distance(got, number, room) : distance(got, 0, 0);
      if (error > 1) mismatches.push({ part, index, expected: counts ? number : 0, got, error });
    });
  };
  for (const [name, value] of Object.entries(golden.outputs)) {
    // The source gave nothing, and so do we.
    if (value === null && computed.outputs[name] === undefined) continue;
    for (const [part, tensor] of Object.entries(plainParts(name, value))) check(part, tensor, computed.outputs[part]);
  }
  for (const [name, value] of Object.entries(golden.gradients)) {
    check(`gradients.${name}`, value, computed.gradients[name]);
  }
  if (compared === 0) throw new CaseError('the case records nothing that could be compared');
  return mismatches;
}

/** In units of `room`; infinite where one of the two is not finite, unless they agree. */
function distance(got: number, expected: number, room: number): number {
  if (Object.is(got, expected) || got === expected) return 0;
  const error = Math.abs(got - expected) / room;
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

function indexOf(flat: number, shape: readonly number[]): readonly number[] {
  const index: number[] = [];
  let left = flat;
  for (const size of shape.toReversed()) {
    index.unshift(left % size);
    left = Math.floor(left / size);
  }
  return index;
}
