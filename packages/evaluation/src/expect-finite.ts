import { DivergenceError } from '@tsrl/core';

/**
 * Throws a DivergenceError that names every metric that is not finite. For the numbers of a training step, once they
 * are on the host: the library itself never looks at values on the way.
 *
 * @param who whose metrics they are, for the message
 */
export function expectFinite(metrics: Readonly<Record<string, number>>, who: string = 'expectFinite'): void {
  const bad = Object.entries(metrics).filter(([, value]) => !Number.isFinite(value));
  if (bad.length === 0) return;
  const list = bad.map(([name, value]) => `${name} = ${value}`).join(', ');
  throw new DivergenceError(who, `every metric must be finite; got ${list}`);
}
