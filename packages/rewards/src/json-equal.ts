import type { Json } from '@tsrl/core';

/** Deep equality: the order of keys does not matter, numbers are compared by `sameNumber`, exactly unless given. */
export function jsonEqual(
  a: Json,
  b: Json,
  sameNumber: (a: number, b: number) => boolean = (x, y) => x === y,
): boolean {
  if (typeof a === 'number' && typeof b === 'number') return sameNumber(a, b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (isList(a) || isList(b)) {
    return isList(a) && isList(b) && a.length === b.length && a.every((x, i) => jsonEqual(x, b[i] as Json, sameNumber));
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key] as Json, b[key] as Json, sameNumber))
  );
}

/** `Array.isArray` for lists that are readonly. */
const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
