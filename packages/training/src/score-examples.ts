import * as tf from '@tensorflow/tfjs-core';
import { OptionError, StateError } from '@tsrl/core';
import type { BinaryPolicy, BinaryScores } from '@tsrl/tensor';
import { tokenBatch } from './examples.js';

/** What a policy says of each example, downloaded. */
export interface Scored {
  /** [N], z. */
  readonly logits: Float64Array;
  /** [N], V(x), when asked for. */
  readonly values?: Float64Array;
}

/**
 * Scores texts without a gradient, in batches of similar length; the order of the result is that of the sequences.
 * The same sequences give the same numbers on one backend, in any process.
 *
 * @throws OptionError for a batch size that is no count, StateError when values are asked of a policy without them
 */
export async function scoreExamples(
  policy: BinaryPolicy,
  sequences: readonly Int32Array[],
  { batchSize = 64, values = false }: { readonly batchSize?: number; readonly values?: boolean } = {},
): Promise<Scored> {
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    throw new OptionError('scoreExamples', 'batchSize', 'an integer of at least 1', batchSize);
  }
  const length = (i: number): number => (sequences[i] as Int32Array).length;
  const order = Int32Array.from(sequences, (_, i) => i).sort((i, j) => length(i) - length(j) || i - j);
  const logits = new Float64Array(sequences.length);
  const valued = new Float64Array(values ? sequences.length : 0);
  for (let start = 0; start < order.length; start += batchSize) {
    const positions = order.subarray(start, start + batchSize);
    const tokens = tokenBatch(sequences, positions);
    let scores: BinaryScores | undefined;
    try {
      scores = tf.tidy(() => ({ ...policy.score(tokens, { values }) }));
      if (values && !scores.values) throw new StateError('scoreExamples', 'the policy gives no values V(x)');
      const z = await scores.logits.data();
      positions.forEach((at, i) => {
        logits[at] = z[i] as number;
      });
      if (scores.values) {
        const v = await scores.values.data();
        positions.forEach((at, i) => {
          valued[at] = v[i] as number;
        });
      }
    } finally {
      tf.dispose([{ ...tokens }, { ...scores }]);
    }
  }
  return values ? { logits, values: valued } : { logits };
}
