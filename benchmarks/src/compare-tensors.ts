import * as tf from '@tensorflow/tfjs-core';
import type { KernelSet } from './backend.js';
import { interleave, type Limit } from './interleave.js';
import type { Comparison, Contestant, Memory } from './result.js';
import { difference, summarize } from './statistics.js';

/** The same work, by tsrl and by plain tfjs. */
export interface TensorCase extends Pick<Comparison, 'subject' | 'variant' | 'detail' | 'work'> {
  /** About how long the whole comparison takes. */
  readonly seconds: number;
  prepare(): Prepared;
}

/** Two formulations over equal inputs, each giving tensors that the caller owns, in the same order. */
export interface Prepared {
  ours(): tf.Tensor[];
  /** The usual formulation in tfjs. */
  plain(): tf.Tensor[];
  /** What `plain` writes, in tfjs operations. */
  readonly formulation: string;
  dispose(): void;
}

/** Both formulations in turn, each under its kernels; their results are compared first. */
export async function compareTensors(
  { prepare, subject, variant, detail, work }: TensorCase,
  use: (set: KernelSet) => void,
  limit: Limit,
): Promise<Comparison> {
  const { ours, plain, formulation, dispose } = prepare();
  const { numTensors } = tf.memory();
  const contenders = [
    { name: 'tsrl', set: 'tsrl', compute: ours },
    { name: 'plain tfjs', set: 'tfjs', compute: plain, settings: formulation },
  ] as const;

  const memories: Memory[] = [];
  const results: Float32Array[][] = [];
  for (const { set, compute } of contenders) {
    use(set);
    let outputs: tf.Tensor[] = [];
    memories.push(await peak(() => (outputs = compute())));
    results.push(await Promise.all(outputs.map(async (tensor) => (await tensor.data()).slice() as Float32Array)));
    tf.dispose(outputs);
  }
  const samples = await interleave(
    contenders.map(({ set, compute }) => ({ before: () => use(set), run: () => tf.dispose(compute()) })),
    limit,
  );
  if (tf.memory().numTensors !== numTensors) throw new Error(`${subject}, ${variant} leaks tensors`);
  dispose();

  const timings = samples.map(summarize);
  const contestants = contenders.map(({ name, ...rest }, i): Contestant => {
    const [time, memory] = [timings[i] as (typeof timings)[number], memories[i] as Memory];
    const apart = (results[0] ?? []).map((want, k) => difference(results[i]?.[k] ?? [], want));
    const relative = { ratio: time.medianMs / (timings[0]?.medianMs ?? 0), difference: Math.max(...apart) };
    return {
      name,
      threads: 1,
      ...('settings' in rest && { settings: rest.settings }),
      time,
      memory,
      ...(i > 0 && relative),
    };
  });
  return { kind: 'comparison', subject, variant, detail, work, contestants };
}

/** Most bytes in tensors at once while it computes, above those before; what a kernel takes for itself is not seen. */
async function peak(compute: () => tf.Tensor[]): Promise<Memory> {
  tf.env().set('CHECK_COMPUTATION_FOR_ERRORS', false); // it would read every result
  const before = tf.memory().numBytes;
  const { peakBytes } = await tf.profile(compute);
  return { megabytes: (peakBytes - before) / 1e6, of: 'tensors' };
}
