import { type GoldenCase, type GoldenTensor, isTensor } from '../golden.js';
import { tensorOf } from '../inputs.js';
import type { Outcome } from '../outcome.js';

/** The largest absolute value of an input. */
export const largest = (golden: GoldenCase, name: string): number =>
  Math.max(...tensorOf(golden, name).data.map(Math.abs));

/** Whether everything that we gave is finite. */
export function finite(outcome: Outcome): boolean {
  if (outcome.kind !== 'computed') return false;
  return Object.values(outcome.outputs).every(({ data }) => Array.from(data).every(Number.isFinite));
}

const maskNames = ['mask', 'masks', 'response_mask', 'loss_mask', 'action_mask'];

function maskOf({ inputs }: GoldenCase): GoldenTensor | undefined {
  return maskNames.map((name) => inputs[name]).find(isTensor);
}

/** Rows of the mask of a case without a 1. */
export function rowsWithoutToken(golden: GoldenCase): readonly number[] {
  const mask = maskOf(golden);
  if (mask === undefined) return [];
  const [rows = 0, columns = 0] = mask.shape;
  return Array.from({ length: rows }, (_, row) => row).filter((row) =>
    mask.data.subarray(row * columns, (row + 1) * columns).every((m) => m === 0),
  );
}

/** Values that are averaged together. */
export interface Group {
  readonly length: number;
  /** Largest minus smallest value. */
  readonly spread: number;
}

/** The values that count, all together or along an axis, as the case averages them. */
export function groups(golden: GoldenCase): readonly Group[] {
  const values = [golden.inputs['values'], golden.inputs['advantages']].find(isTensor) ?? maskOf(golden);
  if (values === undefined) return [];
  const mask = maskOf(golden);
  const columns = values.shape.at(-1) ?? 1;
  const axis = golden.params['axis'] ?? golden.params['dim'];
  const groupOf = (i: number): number => (axis == null ? 0 : axis === 0 ? i % columns : Math.floor(i / columns));
  const gathered = new Map<number, number[]>();
  values.data.forEach((value, i) => {
    const key = groupOf(i);
    const group = gathered.get(key) ?? [];
    gathered.set(key, group);
    if (mask ? mask.data[i] !== 0 : !Number.isNaN(value)) group.push(value);
  });
  return [...gathered.values()].map((group) => ({
    length: group.length,
    spread: Math.max(...group) - Math.min(...group),
  }));
}
