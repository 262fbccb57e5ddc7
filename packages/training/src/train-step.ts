import * as tf from '@tensorflow/tfjs-core';
import { DivergenceError } from '@tsrl/core';
import { applyUpdates, type GradientTransform, globalNorm, type OptimizerState } from '@tsrl/optim';
import { type BinaryPolicy, type BinaryScores, type StepContext, valueAndGrads } from '@tsrl/tensor';
import { type Examples, tokenBatch } from './examples.js';
import type { Columns, Method, TensorsOf } from './method.js';

/** A minibatch: which entries of a refresh, and what they are. */
export interface Minibatch<C extends Columns> {
  readonly examples: Examples;
  /** [B] positions in `examples`. */
  readonly positions: Int32Array;
  readonly columns: C;
  /** [B] rows of `columns`. */
  readonly rows: Int32Array;
}

export interface StepResult {
  readonly state: OptimizerState;
  /** Downloaded: `loss`, what the method reports, and `gradientNorm` before clipping. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * One step: gradients of the loss over the minibatch, in parts of `microBatchSize` that add up to the whole; a look at
 * the numbers; the update. Nothing has changed when it throws.
 *
 * @throws DivergenceError that names the step and the first term that is not a number
 */
export async function trainStep<C extends Columns>(
  policy: BinaryPolicy,
  method: Method<C>,
  optimizer: GradientTransform,
  state: OptimizerState,
  batch: Minibatch<C>,
  { step, microBatchSize = batch.rows.length }: { readonly step: number; readonly microBatchSize?: number },
): Promise<StepResult> {
  const { grads, metrics } = await gradients(
    policy,
    method,
    batch,
    { step, sequences: batch.rows.length },
    microBatchSize,
  );
  try {
    expectNumbers(method.name, step, metrics);
    const { updates, state: next, metrics: told } = optimizer.update(grads, state, policy.variables);
    applyUpdates(policy.variables, updates);
    tf.dispose([updates, told]);
    return { state: next, metrics };
  } finally {
    tf.dispose(grads);
  }
}

async function gradients<C extends Columns>(
  policy: BinaryPolicy,
  method: Method<C>,
  { examples, positions, columns, rows }: Minibatch<C>,
  context: StepContext,
  microBatchSize: number,
): Promise<{ grads: Record<string, tf.Tensor>; metrics: Record<string, number> }> {
  const total = rows.length;
  let grads: Record<string, tf.Tensor> = {};
  const metrics: Record<string, number> = {};
  for (let start = 0; start < total; start += microBatchSize) {
    const part = rows.subarray(start, start + microBatchSize);
    const tokens = tokenBatch(examples.sequences, positions.subarray(start, start + microBatchSize));
    const tensors = columnTensors(columns, part);
    const result = valueAndGrads(() => {
      const scores: BinaryScores = policy.score(tokens, { values: method.observes === 'values' });
      return method.loss({ ...scores, ...tensors }, context);
    }, policy.variables);
    tf.dispose([tokens.ids, tokens.lengths, Object.values(tensors)]);

    const added = Object.entries(result.grads).map(([name, grad]) => {
      const before = grads[name];
      if (!before) return [name, grad] as const;
      const sum = tf.add(before, grad);
      tf.dispose([before, grad]);
      return [name, sum] as const;
    });
    grads = { ...grads, ...Object.fromEntries(added) };

    const values = await download({ loss: result.loss, ...result.metrics });
    for (const [name, value] of Object.entries(values)) {
      const share = addsUp(name) ? 1 : part.length / total;
      metrics[name] = (metrics[name] ?? 0) + share * value;
    }
  }
  Object.assign(metrics, await download({ gradientNorm: globalNorm(grads) }));
  return { grads, metrics };
}

/** Losses of parts are sums over the whole; everything else is a mean, and each part counts with its size. */
const addsUp = (name: string): boolean => /(^|\/)(loss|unscaled)$/.test(name);

function columnTensors<C extends Columns>(columns: C, rows: Int32Array): TensorsOf<C> {
  const tensors = Object.entries(columns).map(([name, column]) => {
    if (column instanceof Float64Array) {
      return [name, tf.tensor1d(Float32Array.from(rows, (row) => column[row] as number))];
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

/** All scalars in one download; disposes of them. */
async function download(scalars: Readonly<Record<string, tf.Scalar>>): Promise<Record<string, number>> {
  const stacked = tf.stack(Object.values(scalars));
  tf.dispose(scalars);
  const values = await stacked.data();
  stacked.dispose();
  return Object.fromEntries(Object.keys(scalars).map((name, i) => [name, values[i] as number]));
}

function expectNumbers(method: string, step: number, metrics: Readonly<Record<string, number>>): void {
  const broken = Object.entries(metrics).filter(([, value]) => !Number.isFinite(value));
  if (broken.length === 0) return;
  const [term, value] = broken.find(([name]) => name.endsWith('/loss')) ?? (broken[0] as [string, number]);
  throw new DivergenceError(
    method,
    `${term} must be a number; got ${value} at step ${step}. A smaller learning rate or tighter gradient clipping helps`,
  );
}
