import { interleave, type Limit, type Runner } from './interleave.js';
import type { Growth } from './result.js';
import { exponent, summarize } from './statistics.js';

/** Something whose time is measured over sizes. */
export interface Grower {
  readonly subject: string;
  readonly pass: string;
  readonly detail: string;
  /** One number for each row: T is nothing to it. */
  readonly perExample?: boolean;
  prepare(rows: number, tokens: number): Runner & { dispose(): void };
}

const rows = [64, 128, 256, 512, 1024, 2048];
const tokens = [64, 128, 256, 512, 1024, 2048, 4096];
/** Enough numbers a row alone for a clock to see. */
const examples = [4096, 8192, 16_384, 32_768, 65_536, 131_072];

/** Times it while B grows over rows of 256 tokens (of one number where it knows no tokens), or T over 64 rows. */
export async function measureGrowth(grower: Grower, size: 'B' | 'T', limit: Limit): Promise<Growth> {
  const { subject, pass, detail, perExample = false } = grower;
  const shapes =
    size === 'T' ? tokens.map((T) => [64, T] as const) : (perExample ? examples : rows).map((B) => [B, 256] as const);
  const runners = shapes.map(([B, T]) => grower.prepare(B, T));
  const samples = await interleave(runners, limit);
  for (const { dispose } of runners) dispose();
  const points = shapes.map(([B, T], i) => ({
    size: size === 'T' ? T : B,
    elements: perExample ? B : B * T,
    time: summarize(samples[i] ?? []),
  }));
  const fixed = perExample ? '' : size === 'T' ? ', B = 64' : ', T = 256';
  return {
    kind: 'growth',
    subject,
    variant: `${size}, ${pass}`,
    detail: `${detail}; ${size} grows${fixed}`,
    size,
    points,
    // Of the larger sizes: what a call costs in itself is small there.
    exponent: exponent(points.slice(-4).map(({ size, time }) => ({ x: size, y: time.medianMs }))),
  };
}
