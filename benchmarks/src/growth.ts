import { interleave, type Limit, type Runner } from './interleave.js';
import type { Growth } from './result.js';
import { exponent, summarize } from './statistics.js';

/** B rows of T tokens, with V logits for each where there are logits. */
export interface Shape {
  readonly B: number;
  readonly T: number;
  readonly V: number;
}

/** One size that grows while the others stay. */
export interface Sweep {
  readonly size: keyof Shape;
  readonly fixed: string;
  readonly shapes: readonly Shape[];
}

const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first * 2 ** i);

export const tokenSweeps: readonly Sweep[] = [
  { size: 'B', fixed: 'T = 256', shapes: from(32, 5).map((B) => ({ B, T: 256, V: 1 })) },
  { size: 'T', fixed: 'B = 64', shapes: from(64, 5).map((T) => ({ B: 64, T, V: 1 })) },
];
/** One number for each row. */
export const exampleSweeps: readonly Sweep[] = [
  { size: 'B', fixed: 'a number for each row', shapes: from(4096, 6).map((B) => ({ B, T: 1, V: 1 })) },
];
/** Samples of text. */
export const sampleSweeps: readonly Sweep[] = [
  { size: 'B', fixed: 'a text for each row', shapes: from(256, 5).map((B) => ({ B, T: 1, V: 1 })) },
];
export const vocabularySweeps: readonly Sweep[] = [
  { size: 'V', fixed: '32 tokens', shapes: from(4096, 6).map((V) => ({ B: 1, T: 32, V })) },
];

/** Something whose time is measured while sizes grow. */
export interface Grower {
  readonly subject: string;
  readonly pass: string;
  readonly detail: string;
  readonly sweeps: readonly Sweep[];
  prepare(shape: Shape): Runner & { dispose(): void };
}

export async function measureGrowth(grower: Grower, { size, fixed, shapes }: Sweep, limit: Limit): Promise<Growth> {
  const { subject, pass, detail } = grower;
  const runners = shapes.map((shape) => grower.prepare(shape));
  const samples = await interleave(runners, { ...limit, turnMs: 10 }); // nothing happens before a turn
  for (const { dispose } of runners) dispose();
  const points = shapes.map((shape, i) => ({
    size: shape[size],
    elements: shape.B * shape.T * shape.V,
    time: summarize(samples[i] ?? []),
  }));
  return {
    kind: 'growth',
    subject,
    variant: `${size}, ${pass}`,
    detail: `${detail}; ${size} grows, ${fixed}`,
    size,
    points,
    // Of the larger sizes, where what a call costs in itself is small; of the shortest runs, because interruptions come
    // in proportion to the time.
    exponent: exponent(points.slice(-4).map(({ size, time }) => ({ x: size, y: Math.min(...time.samplesMs) }))),
  };
}
