import * as tf from '@tensorflow/tfjs-core';
import { entropy } from './entropy.js';
import { expectChoice, expectIgnoreId, type SelectiveLogSoftmaxOptions, selectiveLogSoftmax } from './log-probs.js';
import { expectLogits, type WithoutLast } from './log-probs-normalizer.js';
import { asRows, statisticsByKernel } from './softmax-statistics.js';

/** What a policy loss asks of the distribution of each token; both of the shape of the ids. */
export interface TokenStatistics<I extends tf.Tensor> {
  readonly logProbs: I;
  /** In nats. */
  readonly entropy: I;
}

/**
 * `selectiveLogSoftmax` of one token for each distribution and `entropy`, together: where @tsrl/kernels has its kernel for
 * the backend, in one pass over the logits and one for both gradients, otherwise as these two functions compute them.
 *
 * @param logits float32 [..., V]
 * @param ids    int32 [...]
 * @throws ShapeError, OptionError unless the temperature is positive
 */
export function tokenStatistics<L extends tf.Tensor>(
  logits: L,
  ids: WithoutLast<L>,
  { temperature = 1, ignoreId = -100 }: SelectiveLogSoftmaxOptions = {},
): TokenStatistics<WithoutLast<L>> {
  expectLogits('tokenStatistics', logits, temperature);
  expectChoice('tokenStatistics', logits, ids, [0]);
  expectIgnoreId('tokenStatistics', ignoreId);
  return tf.tidy(() => {
    const rows = asRows(logits);
    const options = { temperature, ignoreId, entropy: true };
    const all = statisticsByKernel(rows, tf.reshape(ids, [-1, 1]), options);
    if (all === undefined) {
      return {
        logProbs: selectiveLogSoftmax(logits, ids, { temperature, ignoreId }),
        entropy: entropy(logits, { temperature }),
      };
    }
    const column = (at: number) => tf.reshape(tf.slice(all, [0, at], [-1, 1]), ids.shape) as WithoutLast<L>;
    return { logProbs: column(0), entropy: column(2) };
  });
}
