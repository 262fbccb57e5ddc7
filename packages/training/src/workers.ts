import { Worker, type WorkerOptions } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { BackendError, OptionError, zeros } from '@tsrl/core';
import type { BinaryPolicy, StepContext } from '@tsrl/tensor';
import {
  type ComputeGradients,
  combine,
  computeGradients,
  type Gradients,
  type Minibatch,
  slice,
} from './gradients.js';
import type { Columns } from './method.js';

/** Where each variable stands in the shared arrays. */
export type Layout = readonly { readonly name: string; readonly shape: readonly number[]; readonly offset: number }[];

/** What a worker is started with. */
export interface WorkerStart {
  /** What the application wants its worker to know. */
  readonly data: unknown;
  readonly layout: Layout;
  /** The weights of the step, written by the main thread. */
  readonly weights: Float32Array;
  /** The gradients of this worker's share. */
  readonly grads: Float32Array;
}

/** A share of a minibatch, complete in itself. */
export interface Share {
  readonly batch: Minibatch<Columns>;
  readonly context: StepContext;
}

/** A share's metrics, and which variables have a gradient; or what went wrong. */
export type Answer =
  | { readonly metrics: Readonly<Record<string, number>>; readonly names: readonly string[] }
  | { readonly problem: string };

export interface WorkerPoolOptions {
  /** This one included; an integer of at least 1. */
  readonly threads: number;
  /** A module that builds the same policy and method from `data` and calls `serveGradients`. */
  readonly script: URL;
  readonly data: unknown;
  /** What Node may want to know of each thread: limits, flags other than this process's. */
  readonly options?: Pick<WorkerOptions, 'execArgv' | 'resourceLimits'>;
}

export interface WorkerPool {
  /** Splits a minibatch over this thread and the workers. The same number of threads gives the same numbers. */
  readonly compute: ComputeGradients;
  close(): Promise<void>;
}

/**
 * Data parallelism: `threads − 1` workers beside this thread, each with a backend and a copy of the policy of its own.
 * Every step they read the weights from shared memory, take a share of the minibatch, and leave their gradients there;
 * shares are added in order, so that a run repeats bit for bit with the same number of threads.
 *
 * @throws OptionError when `threads` is no count; BackendError, also from a step, when a worker has failed or died
 */
export async function startWorkers(
  policy: BinaryPolicy,
  { threads, script, data, options = {} }: WorkerPoolOptions,
): Promise<WorkerPool> {
  if (!(Number.isInteger(threads) && threads >= 1)) {
    throw new OptionError('startWorkers', 'threads', 'an integer of at least 1', threads);
  }
  let length = 0;
  const layout = policy.variables.map(({ name, shape, size }) => {
    const offset = length;
    length += size;
    return { name, shape, offset };
  });
  const shared = (): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length));
  const weights = shared();
  const helpers = Array.from({ length: threads - 1 }, () => {
    const grads = shared();
    const start: WorkerStart = { data, layout, weights, grads };
    return startHelper(new Worker(script, { ...options, workerData: start }), grads);
  });
  const close = async (): Promise<void> => {
    await Promise.all(helpers.map(({ worker }) => worker.terminate()));
  };
  try {
    await Promise.all(helpers.map(({ ready }) => ready));
  } catch (error) {
    await close();
    throw error;
  }

  const compute: ComputeGradients = async (own, method, batch, context) => {
    await writeWeights(own, layout, weights);
    const bounds = Array.from({ length: threads + 1 }, (_, i) => Math.floor((i * batch.rows.length) / threads));
    const shares = bounds.slice(1).map((end, i) => slice(batch, bounds[i] as number, end));
    const answers = helpers.map(({ ask, grads }, i) => {
      const share = shares[i + 1] as Minibatch<Columns>;
      return share.rows.length === 0 ? undefined : ask({ batch: alone(share), context }, grads, layout);
    });
    // A worker that fails while this thread computes must not count as an unhandled rejection.
    const settled = Promise.allSettled(answers);
    const first = shares[0] as (typeof shares)[number];
    const parts: Gradients[] = [];
    const sizes: number[] = [];
    let failure: unknown;
    if (first.rows.length > 0) {
      try {
        parts.push(await computeGradients(own, method, first, context));
        sizes.push(first.rows.length);
      } catch (error) {
        failure = error;
      }
    }
    (await settled).forEach((outcome, i) => {
      if (outcome.status === 'rejected') failure ??= outcome.reason;
      else if (outcome.value) {
        parts.push(outcome.value);
        sizes.push((shares[i + 1] as Minibatch<Columns>).rows.length);
      }
    });
    const whole = combine(parts, sizes);
    if (failure === undefined) return whole;
    tf.dispose({ ...whole.grads });
    throw failure;
  };
  return { compute, close };
}

interface Helper {
  readonly worker: Worker;
  readonly grads: Float32Array;
  readonly ready: Promise<void>;
  ask(share: Share, grads: Float32Array, layout: Layout): Promise<Gradients>;
}

function startHelper(worker: Worker, grads: Float32Array): Helper {
  let settle: { resolve(answer: Answer | 'ready'): void; reject(error: Error): void } | undefined;
  let dead: Error | undefined;
  const fail = (problem: string): void => {
    dead ??= new BackendError('training', `a worker thread stopped: ${problem}; --resume goes on from the checkpoint`);
    settle?.reject(dead);
  };
  worker.on('message', (answer: Answer | 'ready') => settle?.resolve(answer));
  worker.on('error', (error) => fail(error.message));
  worker.on('exit', (code) => fail(`exit code ${code}`));
  const next = (): Promise<Answer | 'ready'> =>
    new Promise((resolve, reject) => {
      if (dead) reject(dead);
      else settle = { resolve, reject };
    });
  const ready = next().then(() => undefined);
  return {
    worker,
    grads,
    ready,
    async ask(share, shared, layout) {
      const answer = next();
      worker.postMessage(share);
      const told = (await answer) as Answer;
      if ('problem' in told) throw new BackendError('training', `a worker thread failed: ${told.problem}`);
      const names = new Set(told.names);
      const tensors = layout
        .filter(({ name }) => names.has(name))
        .map(({ name, shape, offset }) => {
          const size = tf.util.sizeFromShape([...shape]);
          return [name, tf.tensor(shared.slice(offset, offset + size), [...shape])] as const;
        });
      return { grads: Object.fromEntries(tensors), metrics: told.metrics };
    },
  };
}

async function writeWeights({ variables }: BinaryPolicy, layout: Layout, weights: Float32Array): Promise<void> {
  for (const [i, variable] of variables.entries()) {
    weights.set((await variable.data()) as Float32Array, (layout[i] as Layout[number]).offset);
  }
}

/** A share without the rest of the data set, to be sent to another thread. */
function alone({ examples, positions, columns, rows }: Minibatch<Columns>): Minibatch<Columns> {
  const picked = Object.entries(columns).map(([name, column]) => {
    if (column instanceof Float64Array) return [name, Float64Array.from(rows, (row) => column[row] as number)];
    const width = column.columns;
    const chosen = zeros(rows.length, width);
    rows.forEach((row, i) => {
      chosen.data.set(column.data.subarray(row * width, (row + 1) * width), i * width);
    });
    return [name, chosen];
  });
  const order = Int32Array.from(rows, (_, i) => i);
  const sequences = Array.from(positions, (position) => examples.sequences[position] as Int32Array);
  return {
    examples: { sequences, labels: new Float64Array(0) },
    positions: order,
    columns: Object.fromEntries(picked) as Columns,
    rows: order,
  };
}
