import type { Timing } from './result.js';

export function summarize(samplesMs: readonly number[]): Timing {
  const medianMs = median(samplesMs);
  const rounded = samplesMs.map((ms) => Number(ms.toPrecision(5)));
  return { medianMs, madMs: median(samplesMs.map((ms) => Math.abs(ms - medianMs))), samplesMs: rounded };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}

/** max |a − b| / max |b|, 0 for two zeros; infinite where the lengths differ or one is NaN and the other not. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let [apart, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    if (Object.is(x, y)) continue;
    const gap = Math.abs(x - y);
    apart = Math.max(apart, Number.isNaN(gap) ? Infinity : gap);
  }
  for (let i = 0; i < b.length; i++) largest = Math.max(largest, Math.abs(b[i] as number));
  return apart === 0 ? 0 : apart / largest;
}

/** Slope of log y over log x by least squares. */
export function exponent(points: readonly { readonly x: number; readonly y: number }[]): number {
  const logs = points.map(({ x, y }) => [Math.log(x), Math.log(y)] as const);
  const mean = (i: 0 | 1): number => logs.reduce((sum, at) => sum + at[i], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const spread = logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  return logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / spread;
}
