import * as tf from '@tensorflow/tfjs-core';
import { ShapeError, StateError } from '@tsrl/core';
import type { Grads, OptimizerState } from './gradient-transform.js';

/** A variable that has a gradient, and what is remembered of it, in the order of the kinds asked for. */
export interface Active {
  readonly variable: tf.Variable;
  readonly grad: tf.Tensor;
  readonly keys: readonly string[];
  readonly moments: readonly tf.Tensor[];
}

/** Zeros like every variable, one set for each kind, under `kind/variable`. */
export function zeroMoments(variables: readonly tf.Variable[], kinds: readonly string[]): Record<string, tf.Tensor> {
  return Object.fromEntries(
    kinds.flatMap((kind) => variables.map((v): [string, tf.Tensor] => [`${kind}/${v.name}`, tf.zeros(v.shape)])),
  );
}

/**
 * The variables that have a gradient, with their moments.
 *
 * @throws ShapeError for a gradient, StateError for a moment, that does not fit its variable
 */
export function activeVariables(
  who: string,
  grads: Grads,
  state: OptimizerState,
  variables: readonly tf.Variable[],
  kinds: readonly string[],
): Active[] {
  return variables.flatMap((variable) => {
    const grad = grads[variable.name];
    if (!grad) return [];
    if (!tf.util.arraysEqual(grad.shape, variable.shape)) {
      throw new ShapeError(who, `the gradient of ${variable.name}`, `[${variable.shape}]`, `[${grad.shape}]`);
    }
    const keys = kinds.map((kind) => `${kind}/${variable.name}`);
    return [{ variable, grad, keys, moments: keys.map((key) => momentOf(who, state, key, variable)) }];
  });
}

function momentOf(who: string, { tensors }: OptimizerState, key: string, variable: tf.Variable): tf.Tensor {
  const moment = tensors[key];
  if (moment && tf.util.arraysEqual(moment.shape, variable.shape)) return moment;
  const got = moment ? `has ${key} of shape [${moment.shape}]` : `lacks ${key}`;
  throw new StateError(who, `the state must hold ${key} of shape [${variable.shape}]; it ${got}`);
}
