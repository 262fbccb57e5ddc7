import * as tf from '@tensorflow/tfjs-core';
import { Bench } from 'tinybench';
import { type Variant, variants } from './kernels.js';

/** Something to time under both sets of kernels. */
export interface Case {
  readonly name: string;
  /** What is computed, in words: shapes and sizes. */
  readonly detail: string;
  /** Floating-point operations of one run, where there is a count. */
  readonly flop?: number;
  /** How often it runs in each round under each set of kernels. */
  readonly iterations: number;
  prepare(): Prepared;
}

interface Prepared {
  /** Runs once to the end, leaving no tensor behind, and gives a few numbers that both variants must agree on. */
  run(): Promise<ArrayLike<number>>;
  dispose(): void;
}

interface Timing {
  readonly medianMs: number;
  /** Median absolute deviation from the median. */
  readonly madMs: number;
  readonly samplesMs: readonly number[];
}

export interface Result {
  readonly name: string;
  readonly detail: string;
  readonly flop?: number;
  readonly timings: Readonly<Record<Variant, Timing>>;
  /** unrepaired median / repaired median. */
  readonly ratio: number;
  /** The largest relative difference between what the two variants computed first. */
  readonly disagreement: number;
}

/**
 * Times both variants in turn, round after round in one process: what else the machine does then falls on both.
 * Each runs once beforehand, on equal inputs, and the results are compared.
 */
export async function measure(
  subject: Case,
  rounds: number,
  use: (variant: Variant) => void,
  progress: (round: number) => void,
): Promise<Result> {
  const prepared = { unrepaired: subject.prepare(), repaired: subject.prepare() };
  const samples: Record<Variant, number[]> = { unrepaired: [], repaired: [] };
  const first: Partial<Record<Variant, ArrayLike<number>>> = {};
  for (const variant of variants) {
    use(variant);
    first[variant] = await prepared[variant].run();
  }
  const { numTensors } = tf.memory();
  for (let round = 0; round < rounds; round++) {
    progress(round);
    const bench = new Bench({
      iterations: subject.iterations,
      time: 0,
      warmup: false,
      retainSamples: true,
      throws: true,
    });
    for (const variant of variants) {
      const run = async (): Promise<void> => {
        await prepared[variant].run();
      };
      bench.add(variant, run, { beforeAll: () => use(variant) });
    }
    for (const { name, result } of await bench.run()) {
      if (result.state !== 'completed') throw new Error(`${subject.name}: the ${name} run ended ${result.state}`);
      samples[name as Variant].push(...(result.latency.samples ?? []));
    }
  }
  if (tf.memory().numTensors !== numTensors) throw new Error(`${subject.name} leaks tensors`);
  for (const variant of variants) prepared[variant].dispose();

  const timings = { unrepaired: summarize(samples.unrepaired), repaired: summarize(samples.repaired) };
  const { name, detail, flop } = subject;
  return {
    name,
    detail,
    ...(flop === undefined ? {} : { flop }),
    timings,
    ratio: timings.unrepaired.medianMs / timings.repaired.medianMs,
    disagreement: difference(first.unrepaired ?? [], first.repaired ?? []),
  };
}

function summarize(samplesMs: readonly number[]): Timing {
  const medianMs = median(samplesMs);
  return { medianMs, madMs: median(samplesMs.map((x) => Math.abs(x - medianMs))), samplesMs };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return ((low as number) + (high as number)) / 2;
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  const largest = Math.max(...Array.from(b, Math.abs));
  return Math.max(...Array.from(a, (x, i) => Math.abs(x - (b[i] as number)))) / largest;
}
