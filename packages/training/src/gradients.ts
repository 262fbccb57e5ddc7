import * as tf from '@tensorflow/tfjs-core';
import { type BinaryPolicy, type StepContext, valueAndGrads, withGradient } from '@tsrl/tensor';
import { type Examples, tokenBatch } from './examples.js';
import { type Columns, type Method, requestOf, type TensorsOf } from './method.js';

/** A minibatch: which entries of a refresh, and what they are. */
export interface Minibatch<C extends Columns> {
  readonly examples: Examples;
  /** [B] positions in `examples`. */
  readonly positions: Int32Array;
  readonly columns: C;
  /** [B] rows of `columns`. */
  readonly rows: Int32Array;
}

/** Gradients by variable name, owned by the caller, and metrics, downloaded. */
export interface Gradients {
  readonly grads: Readonly<Record<string, tf.Tensor>>;
  readonly metrics: Readonly<Record<string, number>>;
}

/** How gradients of a minibatch are computed: here, or somewhere else. `context.sequences` is the whole batch. */
export type ComputeGradients = <C extends Columns>(
  policy: BinaryPolicy,
  method: Method<C>,
  batch: Minibatch<C>,
  context: StepContext,
) => Promise<Gradients>;

/** In this thread, all at once. */
export const computeGradients: ComputeGradients = async (policy, method, batch, context) => {
  const { examples, positions, columns, rows } = batch;
  const tokens = tokenBatch(examples.sequences, positions);
  const tensors = columnTensors(columns, rows);
  try {
    let names: readonly string[] = [];
    const { loss, metrics, grads } = valueAndGrads(() => {
      const scores = policy.score(tokens, requestOf(method));
      const result = method.loss({ ...scores, ...tensors }, context);
      names = ['loss', ...Object.keys(result.metrics)];
      return { loss: result.loss, metrics: { all: together([result.loss, ...Object.values(result.metrics)]) } };
    }, policy.variables);
    loss.dispose();
    return { grads, metrics: await download(names, metrics['all'] as tf.Scalar) };
  } finally {
    tf.dispose([tokens.ids, tokens.lengths, Object.values(tensors)]);
  }
};

/** Scalars as one tensor, aside from the gradient: fewer copies are kept for a way back that none of them takes. */
const together = (scalars: readonly tf.Scalar[]): tf.Scalar =>
  withGradient<tf.Tensor>(
    [],
    () => ({ value: tf.stack([...scalars]), saved: [] }),
    () => [],
  ) as tf.Scalar;

/** Rows `start` to `end` of a minibatch. */
export const slice = <C extends Columns>(batch: Minibatch<C>, start: number, end?: number): Minibatch<C> => ({
  ...batch,
  positions: batch.positions.subarray(start, end),
  rows: batch.rows.subarray(start, end),
});

/**
 * The gradients of a batch from those of its parts, of the given sizes, which are used up.
 *
 * Losses of parts are sums over the whole batch and add up; every other metric is a mean, and each part counts with
 * its size.
 */
export function combine(parts: readonly Gradients[], sizes: readonly number[]): Gradients {
  const grads: Record<string, tf.Tensor> = {};
  for (const part of parts) {
    for (const [name, grad] of Object.entries(part.grads)) {
      const before = grads[name];
      grads[name] = before ? tf.add(before, grad) : grad;
      if (before) tf.dispose([before, grad]);
    }
  }
  const metrics = parts.map((part) => part.metrics);
  return { grads, metrics: combineMetrics(metrics, sizes) };
}

/** The metrics of a batch from those of its parts: losses add up, means are weighted by size. */
export function combineMetrics(parts: readonly Gradients['metrics'][], sizes: readonly number[]): Gradients['metrics'] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const metrics: Record<string, number> = {};
  parts.forEach((part, i) => {
    for (const [name, value] of Object.entries(part)) {
      const share = /(^|\/)(loss|unscaled)$/.test(name) ? 1 : (sizes[i] as number) / total;
      metrics[name] = (metrics[name] ?? 0) + share * value;
    }
  });
  return metrics;
}

/** The numbers of a tensor by name; disposes of it. */
export async function download(names: readonly string[], numbers: tf.Tensor): Promise<Record<string, number>> {
  const values = await numbers.data();
  numbers.dispose();
  return Object.fromEntries(names.map((name, i) => [name, values[i] as number]));
}

function columnTensors<C extends Columns>(columns: C, rows: Int32Array): TensorsOf<C> {
  const tensors = Object.entries(columns).map(([name, column]) => {
    if (column instanceof Float64Array) {
      const values = new Float32Array(rows.length);
      rows.forEach((row, i) => {
        values[i] = column[row] as number;
      });
      return [name, tf.tensor1d(values)];
    }
    const { data, columns: width } = column;
    const values = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      values.set(data.subarray(row * width, (row + 1) * width), i * width);
    });
    return [name, tf.tensor2d(values, [rows.length, width])];
  });
  return Object.fromEntries(tensors) as TensorsOf<C>;
}
