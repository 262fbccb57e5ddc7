import { StateError, show } from '@tsrl/core';

/** Successes α and failures β that each prompt is remembered by. */
export type SuccessCounts = Readonly<Record<string, readonly [alpha: number, beta: number]>>;

/** α and β of a prompt; 1/2 each (Jeffreys) for one that was never seen. */
export function countsOf(who: string, counts: ReadonlyMap<string, unknown>, prompt: string): [number, number] {
  const known = counts.get(prompt) ?? [0.5, 0.5];
  const [alpha, beta]: readonly unknown[] = Array.isArray(known) && known.length === 2 ? known : [];
  if (!(typeof alpha === 'number' && typeof beta === 'number' && alpha + beta > 0 && Number.isFinite(alpha + beta))) {
    const expected = 'must be two numbers whose sum is positive';
    throw new StateError(who, `the counts of prompt ${show(prompt)} ${expected}; got ${show(known)}`);
  }
  return [alpha, beta];
}

/** As a map, for a prompt may be called "constructor". */
export const mapOf = (counts: SuccessCounts): Map<string, readonly [number, number]> => new Map(Object.entries(counts));
