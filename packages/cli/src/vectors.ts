import { setImmediate } from 'node:timers/promises';
import { type LanguageModel, modelFiles, sequenceFeatures } from '@tsrl/policies';
import type { BackendName } from '@tsrl/tensor';
import { WorkerError } from '@tsrl/training';
import { onThreads } from './study/threads.js';
import { TOKENS_PER_THREAD } from './workers.js';

export interface VectorsOptions {
  /** At most; fewer for a few tokens. */
  readonly threads: number;
  readonly backend: BackendName;
  /** Called now and then with the number of texts that are done. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

/** What a thread is started with. */
export interface VectorThread {
  /** Of the language model. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly backend: BackendName;
}

/** A batch. */
export interface VectorTask {
  readonly positions: readonly number[];
  readonly sequences: readonly Int32Array[];
}

/** That of `sequenceFeatures`. */
const BATCH_SIZE = 32;

const script = new URL('../dist/vector-worker.js', import.meta.url);

/**
 * `sequenceFeatures` by as many threads as the texts are worth, each with a copy of the model: the batches are the same,
 * and so are the numbers, to the bit.
 *
 * @returns `undefined` when the signal said to stop, which is looked at between two batches; nothing is kept
 * @throws WorkerError when a batch has taken two threads with it
 */
export async function sequenceVectors(
  language: LanguageModel,
  sequences: readonly Int32Array[],
  { threads: most, backend, onProgress, signal }: VectorsOptions,
): Promise<Float32Array | undefined> {
  const columns = language.model.config.hiddenSize;
  const vectors = new Float32Array(sequences.length * columns);
  const tasks = batches(sequences);
  let done = 0;
  const take = ({ positions }: VectorTask, found: Float32Array): void => {
    for (const [i, position] of positions.entries()) {
      vectors.set(found.subarray(i * columns, (i + 1) * columns), position * columns);
    }
    done += positions.length;
    onProgress?.(done);
  };

  const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
  const threads = Math.min(most, tasks.length, Math.ceil(tokens / TOKENS_PER_THREAD));
  if (threads <= 1) {
    for (const task of tasks) {
      await setImmediate(); // lets this thread hear of an interruption
      if (signal?.aborted) return undefined;
      take(task, await sequenceFeatures(language, task.sequences, { batchSize: BATCH_SIZE }));
    }
    return vectors;
  }
  const data: VectorThread = { files: await modelFiles(language), backend };
  let next = 0;
  const ended = await onThreads<VectorTask, Float32Array>({
    threads,
    script,
    data,
    next: () => tasks[next++],
    done(task, outcome) {
      if ('problem' in outcome) throw new WorkerError(`failed: ${outcome.problem}`);
      take(task, outcome.answer);
    },
    signal,
  });
  return ended === 'done' ? vectors : undefined;
}

/** The batches of `sequenceFeatures`, the longest texts first: what is left for the end is short. */
function batches(sequences: readonly Int32Array[]): VectorTask[] {
  const length = (i: number): number => (sequences[i] as Int32Array).length;
  const order = sequences.map((_, i) => i).sort((a, b) => length(a) - length(b));
  const tasks = Array.from({ length: Math.ceil(order.length / BATCH_SIZE) }, (_, i): VectorTask => {
    const positions = order.slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE);
    return { positions, sequences: positions.map((position) => sequences[position] as Int32Array) };
  });
  return tasks.reverse();
}
