import * as tf from '@tensorflow/tfjs-core';
import { OptionError, StateError } from '@tsrl/core';
import type { BinaryPolicy, BinaryScores, ScoreRequest } from '@tsrl/tensor';
import { tokenBatch } from './examples.js';

/** What a policy says of each example, downloaded. */
export interface Scored {
  /** [N], z. */
  readonly logits: Float64Array;
  /** [N], V(x), when asked for. */
  readonly values?: Float64Array;
  /** [N], log-probability of a valid answer, when asked for. */
  readonly logMass?: Float64Array;
}

export interface ScoreOptions extends ScoreRequest {
  /** Texts that are scored together; by default 64, and as many more as make 256 tokens of short ones. */
  readonly batchSize?: number;
}

/** How texts are scored: here, or by several threads. */
export type ScoreExamples = (
  policy: BinaryPolicy,
  sequences: readonly Int32Array[],
  options?: ScoreOptions,
) => Promise<Scored>;

/**
 * Scores texts without a gradient, in batches of similar length; the order of the result is that of the sequences.
 * The same sequences give the same numbers on one backend, in any process.
 *
 * @throws OptionError for a batch size that is no count, StateError when the policy does not give what it is asked for
 */
export const scoreExamples: ScoreExamples = async (policy, sequences, options) => {
  const scoring = planScoring(sequences, options);
  let next = 0;
  await scoreBatches(policy, scoring, async () => (next < scoring.batches.length ? next++ : undefined));
  return scoring.scores;
};

/** Texts to be scored in batches, and where the scores go. */
export interface Scoring {
  readonly sequences: readonly Int32Array[];
  /** Positions of the sequences that are scored together, from short to long. */
  readonly batches: readonly Int32Array[];
  /** Filled batch by batch; holds what is asked for. */
  readonly scores: Scored;
}

/** `allocate` makes the arrays of the scores: of zeros, possibly in memory that threads share. */
export function planScoring(
  sequences: readonly Int32Array[],
  { batchSize = defaultBatchSize(sequences), values = false, logMass = false }: ScoreOptions = {},
  allocate: (length: number) => Float64Array = (length) => new Float64Array(length),
): Scoring {
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    throw new OptionError('scoreExamples', 'batchSize', 'an integer of at least 1', batchSize);
  }
  const length = (i: number): number => (sequences[i] as Int32Array).length;
  const order = Int32Array.from(sequences, (_, i) => i).sort((i, j) => length(i) - length(j) || i - j);
  const batches = Array.from({ length: Math.ceil(order.length / batchSize) }, (_, b) =>
    order.slice(b * batchSize, (b + 1) * batchSize),
  );
  const column = (): Float64Array => allocate(order.length);
  const scores = { logits: column(), ...(values && { values: column() }), ...(logMass && { logMass: column() }) };
  return { sequences, batches, scores };
}

function defaultBatchSize(sequences: readonly Int32Array[]): number {
  const longest = sequences.reduce((most, { length }) => Math.max(most, length), 1);
  return Math.max(64, Math.floor(256 / longest));
}

/** Scores the batches whose indices `take` gives, until it gives none. */
export async function scoreBatches(
  policy: BinaryPolicy,
  { sequences, batches, scores: into }: Scoring,
  take: () => Promise<number | undefined>,
): Promise<void> {
  const request = { values: into.values !== undefined, logMass: into.logMass !== undefined };
  for (let index = await take(); index !== undefined; index = await take()) {
    const positions = batches[index] as Int32Array;
    const tokens = tokenBatch(sequences, positions);
    let scores: BinaryScores | undefined;
    try {
      scores = tf.tidy(() => ({ ...policy.score(tokens, request) }));
      const { values, logMass } = scores;
      if (request.values && !values) throw new StateError('scoreExamples', 'the policy gives no values V(x)');
      if (request.logMass && !logMass) throw new StateError('scoreExamples', 'the policy gives no logMass');
      await scatter(scores.logits, positions, into.logits);
      if (values && into.values) await scatter(values, positions, into.values);
      if (logMass && into.logMass) await scatter(logMass, positions, into.logMass);
    } finally {
      tf.dispose([{ ...tokens }, { ...scores }]);
    }
  }
}

async function scatter(numbers: tf.Tensor, positions: Int32Array, into: Float64Array): Promise<void> {
  const values = await numbers.data();
  positions.forEach((at, i) => {
    into[at] = values[i] as number;
  });
}
