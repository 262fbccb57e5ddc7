import * as tf from '@tensorflow/tfjs-core';
import { DivergenceError } from '@tsrl/core';
import { applyUpdates, type GradientTransform, globalNorm, type OptimizerState } from '@tsrl/optim';
import type { BinaryPolicy } from '@tsrl/tensor';
import {
  type ComputeGradients,
  combine,
  computeGradients,
  download,
  type Gradients,
  type Minibatch,
  slice,
} from './gradients.js';
import type { Columns, Method } from './method.js';

export interface StepOptions {
  /** Counted from 0. */
  readonly step: number;
  /** Examples whose activations are held at once; the whole minibatch by default. */
  readonly microBatchSize?: number;
  /** In this thread by default. */
  readonly compute?: ComputeGradients;
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
 * @throws DivergenceError that names the step (from 1, as the events count) and the first term that is not a number
 */
export async function trainStep<C extends Columns>(
  policy: BinaryPolicy,
  method: Method<C>,
  optimizer: GradientTransform,
  state: OptimizerState,
  batch: Minibatch<C>,
  { step, microBatchSize = batch.rows.length, compute = computeGradients }: StepOptions,
): Promise<StepResult> {
  const tokens = method.countTokens?.(batch.columns, batch.rows);
  const context = { step, sequences: batch.rows.length, ...(tokens !== undefined && { tokens }) };
  const parts: Gradients[] = [];
  const sizes: number[] = [];
  try {
    for (let start = 0; start < batch.rows.length; start += microBatchSize) {
      const part = slice(batch, start, start + microBatchSize);
      parts.push(await compute(policy, method, part, context));
      sizes.push(part.rows.length);
    }
  } catch (error) {
    for (const { grads } of parts) tf.dispose({ ...grads });
    throw error;
  }
  const { grads, metrics: reported } = combine(parts, sizes);
  try {
    const metrics = { ...reported, ...(await download(['gradientNorm'], globalNorm(grads))) };
    expectNumbers(method.name, step, metrics);
    const { updates, state: next, metrics: told } = optimizer.update(grads, state, policy.variables);
    applyUpdates(policy.variables, updates);
    tf.dispose([updates, told]);
    return { state: next, metrics };
  } finally {
    tf.dispose({ ...grads });
  }
}

function expectNumbers(method: string, step: number, metrics: Readonly<Record<string, number>>): void {
  const broken = Object.entries(metrics).filter(([, value]) => !Number.isFinite(value));
  if (broken.length === 0) return;
  const [term, value] = broken.find(([name]) => name.endsWith('/loss')) ?? (broken[0] as [string, number]);
  throw new DivergenceError(
    method,
    `${term} must be a number; got ${value} at step ${step + 1}; a smaller learning rate or tighter gradient clipping may help`,
  );
}
