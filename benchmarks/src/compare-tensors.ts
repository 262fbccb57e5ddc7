import * as tf from '@tensorflow/tfjs-core';
import type { KernelSet } from './backend.js';
import { heapUsed } from './heap-meter.js';
import { interleave, type Limit } from './interleave.js';
import type { Comparison, Contestant, Memory, Timing } from './result.js';
import { difference, summarize } from './statistics.js';

/** The same work, done in several ways. */
export interface TensorCase extends Pick<Comparison, 'subject' | 'variant' | 'detail' | 'work'> {
  /** About how long the whole comparison takes. */
  readonly seconds: number;
  prepare(): Prepared;
}

export interface Prepared {
  /** Ours first. */
  readonly contenders: readonly Contender[];
  dispose(): void;
}

/** One way, over the same inputs as the others. */
export interface Contender extends Pick<Contestant, 'name' | 'settings'> {
  readonly kernels: KernelSet;
  /** Tensors that the caller owns; the same in the same order as those of the others. */
  compute(): tf.Tensor[];
}

/** The same work in several threads at once; `run` returns when all have done it. */
export interface Together {
  readonly threads: number;
  run(own: () => void): void;
}

/**
 * Each contender in turn, under its kernels; their results are compared first. With `together`, ours takes part once
 * more, in every thread at the same time: its time is that of a round divided by the threads, as if a batch were split.
 */
export async function compareTensors(
  { prepare, subject, variant, detail, work }: TensorCase,
  use: (set: KernelSet) => void,
  limit: Limit,
  together?: Together,
): Promise<Comparison> {
  const { contenders, dispose } = prepare();
  const { numTensors } = tf.memory();
  const memories: Memory[] = [];
  const results: Float32Array[][] = [];
  for (const { kernels, compute } of contenders) {
    use(kernels);
    let outputs: tf.Tensor[] = [];
    const bytes = heapUsed(() => {
      outputs = compute();
    });
    memories.push({ megabytes: bytes / 1e6, of: 'heap' });
    results.push(await Promise.all(outputs.map(async (tensor) => (await tensor.data()) as Float32Array)));
    tf.dispose(outputs);
  }
  const apart = results.map((all) => Math.max(...all.map((values, k) => difference(values, results[0]?.[k] ?? []))));
  results.length = 0;
  const runners = contenders.map(({ kernels, compute }) => ({
    before: () => use(kernels),
    run: () => tf.dispose(compute()),
  }));
  const [own] = runners as [(typeof runners)[number]];
  const crew = together && together.threads > 1 ? [{ ...own, run: () => together.run(own.run) }] : [];
  const samples = await interleave([...runners, ...crew], limit);
  if (tf.memory().numTensors !== numTensors) throw new Error(`${subject}, ${variant} leaks tensors`);
  dispose();

  const timings = samples.map(summarize);
  const [first] = timings as [Timing];
  const contestants = contenders.map(({ kernels, compute, ...contender }, i): Contestant => {
    const time = timings[i] as Timing;
    return {
      ...contender,
      threads: 1,
      time,
      memory: memories[i] as Memory,
      ...(i > 0 && { ratio: time.medianMs / first.medianMs, difference: apart[i] as number }),
    };
  });
  const [atOnce] = samples.slice(contenders.length);
  if (!together || !atOnce) return { kind: 'comparison', subject, variant, detail, work, contestants };
  const { threads } = together;
  const time = summarize(atOnce.map((ms) => ms / threads));
  const [{ name }] = contenders as [Contender];
  const settings = `the same work in ${threads} threads at once; the time of all divided by ${threads}`;
  const last: Contestant = { name, threads, settings, time, ratio: time.medianMs / first.medianMs };
  return { kind: 'comparison', subject, variant, detail, work, contestants: [...contestants, last] };
}
