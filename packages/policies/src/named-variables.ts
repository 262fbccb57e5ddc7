import * as tf from '@tensorflow/tfjs-core';
import { ShapeError, StateError, show } from '@tsrl/core';

/** Elements of the weights of a model, row-major, by Hugging Face name. */
export type WeightSource = (name: string, shape: readonly number[]) => Float32Array;

/** A variable `scope + name` for each shape, by plain name; all or none. See {@link namedVariable} for its errors. */
export function namedVariables(
  who: string,
  shapes: Iterable<readonly [string, readonly number[]]>,
  weights: WeightSource,
  scope: string,
): Map<string, tf.Variable> {
  const variables = new Map<string, tf.Variable>();
  try {
    for (const [name, shape] of shapes) {
      variables.set(name, namedVariable(who, scope + name, weights(name, shape), shape));
    }
  } catch (error) {
    tf.dispose([...variables.values()]);
    throw error;
  }
  return variables;
}

/** @throws ShapeError when the data does not fill the shape, StateError when the name is taken */
function namedVariable(who: string, name: string, data: Float32Array, shape: readonly number[]): tf.Variable {
  if (data.length !== shape.reduce((product, n) => product * n, 1)) {
    throw new ShapeError(who, name, `of shape ${show(shape)}`, `${data.length} numbers`);
  }
  if (Object.hasOwn(tf.engine().registeredVariables, name)) {
    throw new StateError(who, `a variable named ${name} exists already; dispose of it or give this model a scope`);
  }
  return tf.tidy(() => tf.variable(tf.tensor(data, [...shape], 'float32'), true, name));
}
