import type { WorkerOptions } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { OptionError, zeros } from '@tsrl/core';
import type { BinaryPolicy } from '@tsrl/tensor';
import { type ComputeGradients, combineMetrics, computeGradients, type Minibatch, slice } from './gradients.js';
import { type HelperThread, startHelper } from './helper-thread.js';
import type { Columns } from './method.js';
import { scoreTogether } from './parallel-scores.js';
import type { ScoreExamples } from './score-examples.js';
import {
  type ParameterShare,
  readTensors,
  type SharedParameters,
  shareParameters,
  writeTensors,
} from './shared-parameters.js';

export interface WorkerPoolOptions {
  /** This one included; an integer of at least 1. */
  readonly threads: number;
  /** A module that builds the same policy and method from `data` and calls `serveWorker`. */
  readonly script: URL;
  readonly data: unknown;
  /** What Node may want to know of each thread: limits, flags other than this process's. */
  readonly options?: Pick<WorkerOptions, 'execArgv' | 'resourceLimits'>;
}

/** Threads that score texts. */
export interface ScoringPool {
  /** The numbers of `scoreExamples`, whatever the number of threads. */
  readonly scoreExamples: ScoreExamples;
  close(): Promise<void>;
}

/** Threads that also train. */
export interface WorkerPool extends ScoringPool {
  /** Splits a minibatch over this thread and the workers. The same number of threads gives the same numbers. */
  readonly compute: ComputeGradients;
}

/**
 * Data parallelism: `threads − 1` workers beside this thread, each with a backend and a copy of the policy of its own.
 * Every step they read the weights from shared memory, take a share of the minibatch, and leave their gradients there;
 * shares are added in order, so that a run repeats bit for bit with the same number of threads.
 *
 * It does not wait for the workers to start: they answer what they are asked as soon as they can.
 *
 * @throws OptionError when `threads` is no count; a step throws a WorkerError when a worker has failed or died
 */
export function startWorkers(policy: BinaryPolicy, options: WorkerPoolOptions): WorkerPool {
  expectThreads('startWorkers', options.threads);
  const parameters = shareParameters(policy, options.threads);
  const helpers = startHelpers(options, parameters.shares.slice(1));
  const score: ScoreExamples = (own, ...rest) =>
    scoreTogether(helpers, () => writeWeights(own, parameters))(own, ...rest);
  return { compute: splitting(helpers, parameters), scoreExamples: score, close: closing(helpers) };
}

/**
 * Threads that score with a policy whose weights stay what `data` says: those of a saved model. This thread begins while
 * the others start.
 *
 * @throws OptionError when `threads` is no count; scoring throws a WorkerError when a worker has failed or died
 */
export function startScorers(options: WorkerPoolOptions): ScoringPool {
  expectThreads('startScorers', options.threads);
  const helpers = startHelpers(options, []);
  return { scoreExamples: scoreTogether(helpers, async () => {}), close: closing(helpers) };
}

function expectThreads(who: string, threads: number): void {
  if (!(Number.isInteger(threads) && threads >= 1)) {
    throw new OptionError(who, 'threads', 'an integer of at least 1', threads);
  }
}

function startHelpers(
  { threads, script, data, options = {} }: WorkerPoolOptions,
  shares: readonly ParameterShare[],
): HelperThread[] {
  return Array.from({ length: threads - 1 }, (_, i) => {
    const parameters = shares[i];
    return startHelper(script, { data, ...(parameters && { parameters }) }, options);
  });
}

const closing = (helpers: readonly HelperThread[]) => async (): Promise<void> => {
  await Promise.all(helpers.map((helper) => helper.close()));
};

const writeWeights = async ({ variables }: BinaryPolicy, { shares }: SharedParameters): Promise<void> => {
  const { layout, weights } = shares[0] as ParameterShare;
  await writeTensors(Object.fromEntries(variables.map((variable) => [variable.name, variable])), layout, weights);
};

function splitting(helpers: readonly HelperThread[], parameters: SharedParameters): ComputeGradients {
  const { layout, grads: sum } = parameters.shares[0] as ParameterShare;
  return async (own, method, batch, context) => {
    const threads = Math.min(helpers.length + 1, batch.rows.length);
    if (threads === 1) return computeGradients(own, method, batch, context);
    const bounds = Array.from({ length: threads + 1 }, (_, i) => Math.floor((i * batch.rows.length) / threads));
    const shares = bounds.slice(1).map((end, i) => slice(batch, bounds[i] as number, end));
    const [first, ...others] = shares as [typeof batch, ...(typeof batch)[]];
    await writeWeights(own, parameters);
    const answers = others.map((share, i) =>
      (helpers[i] as HelperThread).ask({ kind: 'gradients', batch: alone(share), context }),
    );
    let here: Awaited<(typeof answers)[number]>;
    try {
      const { grads, metrics } = await computeGradients(own, method, first, context);
      try {
        here = { metrics, names: await writeTensors(grads, layout, sum) };
      } finally {
        tf.dispose({ ...grads });
      }
    } finally {
      await Promise.allSettled(answers); // they write into the memory of the next step
    }
    const parts = [here, ...(await Promise.all(answers))];
    parameters.sum(threads);
    const metrics = combineMetrics(
      parts.map((part) => part.metrics),
      shares.map(({ rows }) => rows.length),
    );
    return { grads: readTensors(new Set(parts.flatMap(({ names }) => names)), layout, sum), metrics };
  };
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
