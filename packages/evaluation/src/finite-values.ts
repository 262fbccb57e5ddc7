import { DataError } from '@tsrl/core';

/** Throws unless there are at least `least` numbers and every one is finite. */
export function expectFiniteValues(who: string, name: string, values: ArrayLike<number>, least: number = 1): void {
  if (values.length < least) {
    throw new DataError(
      who,
      `${name} must have at least ${least} ${least === 1 ? 'number' : 'numbers'}; got ${values.length}`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw new DataError(who, `${name}[${i}] must be finite; got ${values[i]}`);
  }
}

/** Σ x / n. */
export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

/** Σ (x − x̄)² / (n − 1), in two passes. */
export function sampleVariance(values: ArrayLike<number>): number {
  const mean = meanOf(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += ((values[i] as number) - mean) ** 2;
  return squares / (values.length - 1);
}
