import * as tf from '@tensorflow/tfjs-core';
import { createRng, gridOf } from '@tsrl/core';
import { adamW, chain, clipByGlobalNorm } from '@tsrl/optim';
import { type BinaryPolicy, bernoulliKl, bernoulliLogProbs, stopGradient } from '@tsrl/tensor';
import {
  type CheckpointStore,
  type Columns,
  type Examples,
  type Method,
  type Snapshot,
  type TrainEvent,
  type TrainOptions,
  type TrainResult,
  train,
} from '../src/index.ts';

export const VOCABULARY = 6;

/**
 * Log-odds and values linear in how often each token occurs: the smallest policy of texts that learns. The log-mass is
 * read from the weights of the values.
 */
export function bagPolicy({ seed = 3, values = true }: { seed?: number; values?: boolean } = {}): BinaryPolicy {
  const rng = createRng(seed);
  const make = (name: string): tf.Variable => {
    const start = tf.tensor2d(
      Float32Array.from({ length: VOCABULARY }, () => 0.3 * rng.normal()),
      [VOCABULARY, 1],
    );
    const variable = tf.variable(start, true, name);
    start.dispose();
    return variable;
  };
  const policy = make('policy');
  const value = values ? make('value') : undefined;
  const read = (bags: tf.Tensor, weights: tf.Variable): tf.Tensor1D => tf.reshape(tf.matMul(bags, weights), [-1]);
  return {
    variables: value ? [policy, value] : [policy],
    score: ({ ids, lengths }, request = {}) => {
      const [rows, columns] = ids.shape;
      const place = tf.tile(tf.reshape(tf.range(0, columns, 1, 'int32'), [1, columns]), [rows, 1]);
      const counts = tf.cast(tf.less(place, tf.reshape(lengths, [rows, 1])), 'float32');
      const bags = tf.sum(tf.mul(tf.oneHot(ids, VOCABULARY), tf.expandDims(counts, 2)), 1);
      const logits = read(bags, policy);
      return {
        logits,
        ...(request.values && value && { values: read(bags, value) }),
        ...(request.logMass && value && { logMass: tf.neg(tf.softplus(read(bags, value))) }),
      };
    },
  };
}

/** Texts whose label is a noisy function of their tokens. */
export function drawExamples(n: number, seed: number): Examples {
  const rng = createRng(seed);
  const sequences = Array.from({ length: n }, () => {
    const length = 1 + Math.floor(5 * rng.uniform());
    return Int32Array.from({ length }, () => Math.floor(VOCABULARY * rng.uniform()));
  });
  const odds = (sequence: Int32Array): number => sequence.reduce((sum, id) => sum + (id < 3 ? 1 : -1), 0);
  // The first two differ, so that both classes are there.
  const labels = Float64Array.from(sequences, (s, i) => (i < 2 ? i : odds(s) + rng.normal() > 0 ? 1 : 0));
  return { sequences, labels };
}

const crossEntropy = (logits: tf.Tensor1D, labels: tf.Tensor1D): tf.Scalar =>
  tf.sum(tf.sub(tf.softplus(logits), tf.mul(labels, logits)));

export const observesNothing: Method<{ labels: Float64Array }> = {
  name: 'cross-entropy',
  observes: [],
  prepare: ({ labels }) => ({ labels }),
  loss: ({ logits, labels }, { sequences = logits.size } = {}) => ({
    loss: tf.div(crossEntropy(logits, labels), sequences),
    metrics: {
      odds: tf.mean(logits),
      'fit/loss': tf.div(crossEntropy(logits, labels), sequences),
    },
  }),
};

/** Likelihood ratio of actions that are drawn from the observed policy: needs its logits and the random stream. */
export const observesLogits: Method<{
  oldLogits: Float64Array;
  weights: { data: Float64Array; rows: number; columns: number };
}> = {
  name: 'sampled',
  observes: ['logits'],
  prepare: ({ labels, logits, values, rng }) => {
    if (!logits || values) throw new Error('logits alone were asked for');
    const rows = Array.from(labels, (label, i) => {
      const action = rng.uniform() < 1 / (1 + Math.exp(-(logits[i] as number))) ? 1 : 0;
      const reward = action === label ? 1 : -1;
      return action === 1 ? [0, reward] : [reward, 0];
    });
    return { oldLogits: logits, weights: gridOf(rows) };
  },
  loss: ({ logits, oldLogits, weights }, { sequences = logits.size } = {}) => {
    const ratio = tf.exp(tf.sub(bernoulliLogProbs(logits), bernoulliLogProbs(oldLogits)));
    return { loss: tf.neg(tf.div(tf.sum(tf.mul(weights, ratio)), sequences)), metrics: { ratio: tf.mean(ratio) } };
  },
};

/** Cross-entropy weighted by what the value head did not expect, and the value head fitted to the labels. */
export const observesValues: Method<{ labels: Float64Array; surprise: Float64Array }> = {
  name: 'valued',
  observes: ['logits', 'values'],
  prepare: ({ labels, logits, values }) => {
    if (!logits || !values) throw new Error('values were asked for');
    return { labels, surprise: labels.map((label, i) => Math.abs(label - (values[i] as number))) };
  },
  loss: ({ logits, values, labels, surprise }, { sequences = logits.size } = {}) => {
    const weighted = tf.mul(surprise, tf.sub(tf.softplus(logits), tf.mul(labels, logits)));
    const error = tf.squaredDifference(values as tf.Tensor1D, labels);
    return { loss: tf.div(tf.add(tf.sum(weighted), tf.sum(error)), sequences), metrics: {} };
  },
};

/**
 * Nearer to the labels, and back to the policy that the run began with, which may also refuse to answer: everything but
 * values is observed. The metric is its divergence from the policy of the last refresh.
 */
export const observesReference: Method<{
  labels: Float64Array;
  oldLogits: Float64Array;
  pull: { data: Float64Array; rows: number; columns: number };
}> = {
  name: 'leashed',
  observes: ['logits', 'logMass', 'refLogits'],
  prepare: ({ labels, logits, values, logMass, refLogits, refLogMass }) => {
    if (!logits || !logMass || !refLogits || !refLogMass || values) throw new Error('all but values were asked for');
    return {
      labels,
      oldLogits: logits,
      pull: gridOf(
        Array.from(labels, (_, i) => [refLogits[i] as number, (refLogMass[i] as number) - (logMass[i] as number)]),
      ),
    };
  },
  loss: ({ logits, logMass, labels, oldLogits, pull }, { sequences = logits.size } = {}) => {
    if (!logMass) throw new Error('the mass was asked for');
    const drift = tf.squaredDifference(tf.stack([logits, logMass], 1), pull);
    const loss = tf.add(crossEntropy(logits, labels), tf.sub(tf.mul(0.01, tf.sum(drift)), tf.sum(logMass)));
    return {
      loss: tf.div(loss, sequences),
      metrics: { 'policy/kl': tf.mean(bernoulliKl(oldLogits, stopGradient(logits))) },
    };
  },
};

export type Common = Omit<TrainOptions<Columns>, 'method'>;

/** Starts a run of one of the methods. */
export const starts = {
  nothing: (options: Common) => train({ ...options, method: observesNothing }),
  logits: (options: Common) => train({ ...options, method: observesLogits }),
  values: (options: Common) => train({ ...options, method: observesValues }),
  reference: (options: Common) => train({ ...options, method: observesReference }),
} as const;

export const commonOptions = (): Omit<Common, 'policy'> => ({
  optimizer: chain(clipByGlobalNorm(1), adamW({ learningRate: 0.1 })),
  train: drawExamples(10, 1),
  validation: drawExamples(30, 2),
  seed: 7,
  refreshes: 3,
  epochs: 2,
  batchSize: 4,
});

export async function weightsOf({ variables }: BinaryPolicy): Promise<Record<string, Float32Array>> {
  const pairs = await Promise.all(variables.map(async (v) => [v.name, Float32Array.from(await v.data())] as const));
  return Object.fromEntries(pairs);
}

/** What a run leaves behind, without the time that it took. */
export interface Outcome {
  readonly result: Omit<TrainResult, 'seconds'>;
  readonly weights: Record<string, Float32Array>;
  readonly events: TrainEvent[];
}

/**
 * One session: a policy made anew, events up to and with number `stopAfter`, the policy freed. `undefined` when it was
 * cut off before the end.
 */
export async function session(
  start: (options: Common) => AsyncGenerator<TrainEvent>,
  options: Omit<Common, 'policy'>,
  stopAfter = Number.POSITIVE_INFINITY,
): Promise<Outcome | undefined> {
  const policy = bagPolicy();
  const events: TrainEvent[] = [];
  try {
    for await (const event of start({ ...options, policy })) {
      events.push(event);
      if (event.type === 'end') {
        const { seconds: _, ...result } = event.result;
        return { result, weights: await weightsOf(policy), events };
      }
      if (events.length >= stopAfter) return undefined; // leaves the loop by iterator.return()
    }
    throw new Error('the run ended without a result');
  } finally {
    tf.dispose([...policy.variables]);
  }
}

/** The same, where it must come to its end. */
export async function wholeSession(...args: Parameters<typeof session>): Promise<Outcome> {
  const outcome = await session(...args);
  if (!outcome) throw new Error('the session was cut off');
  return outcome;
}

/** What a store holds, without the seconds. */
export async function held(store: CheckpointStore): Promise<unknown> {
  const { tensors, state } = (await store.load()) as Snapshot;
  const { run, ...rest } = state as unknown as { run: { seconds: number } };
  const { seconds: _, ...counters } = run;
  return { tensors, state: { ...rest, run: counters } };
}
