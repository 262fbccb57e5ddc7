import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from './with-gradient.js';

/** Which statistics, and of which softmax. */
interface StatisticsOptions {
  readonly temperature: number;
  readonly ignoreId?: number;
  readonly entropy?: boolean;
  /** The first column that is asked for, and how many; all. */
  readonly columns?: readonly [number, number];
}

/**
 * By one pass of @tsrl/kernels over logits [R, V], for ids [R, K]: [R, K + 1 (+ 1)], or some columns of that, which are
 * the log-probs, the log-normalizer and the entropy. Differentiable in the logits by a second pass that recomputes the
 * softmax. Undefined where the backend has no such kernel. Not for export.
 */
export function statisticsByKernel(
  logits: tf.Tensor,
  ids: tf.Tensor,
  { temperature, ignoreId = -100, entropy = false, columns }: StatisticsOptions,
): tf.Tensor2D | undefined {
  const backend = tf.getBackend();
  const present = ['TsrlSelectiveLogSoftmax', 'TsrlSelectiveLogSoftmaxGrad'].every((n) => tf.getKernel(n, backend));
  if (!present) return undefined;
  const attrs = { temperature, ignoreId, entropy };
  const width = (ids.shape[1] as number) + (entropy ? 2 : 1);
  const [begin, count] = columns ?? [0, width];
  return withGradient(
    [logits],
    () => {
      const [statistics, top] = tf
        .engine()
        .runKernel('TsrlSelectiveLogSoftmax', { logits, ids }, attrs) as unknown as tf.Tensor2D[];
      const all = statistics as tf.Tensor2D;
      const value = count === width ? all : tf.slice(all, [0, begin], [-1, count]);
      return { value, saved: [logits, ids, all, top as tf.Tensor2D] };
    },
    (dy, [x, chosen, statistics, top]) => {
      const wide =
        count === width
          ? dy
          : tf.pad(dy, [
              [0, 0],
              [begin, width - begin - count],
            ]);
      const inputs = { logits: x, ids: chosen, statistics, top, dy: wide } as tf.NamedTensorMap;
      return [tf.engine().runKernel('TsrlSelectiveLogSoftmaxGrad', inputs, attrs) as tf.Tensor];
    },
  );
}

/** [..., V] as [R, V], which shares the data. Not for export. */
export function asRows(logits: tf.Tensor): tf.Tensor2D {
  const size = logits.shape.at(-1) as number;
  return tf.reshape(logits, [logits.size / size, size]);
}

/** [R, 0]: where only what concerns the whole distribution is asked for. Not for export. */
export function noIds(logits: tf.Tensor): tf.Tensor2D {
  return tf.zeros([logits.size / (logits.shape.at(-1) as number), 0], 'int32');
}
