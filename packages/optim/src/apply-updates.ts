import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '@tsrl/core';
import type { Updates } from './gradient-transform.js';

/**
 * Adds to each variable its update: θ ← θ + update. Variables without one stay as they are; the updates stay the
 * caller's.
 *
 * @throws ShapeError when an update does not have the shape of its variable; no variable has changed then
 */
export function applyUpdates(variables: readonly tf.Variable[], updates: Updates): void {
  const pairs = variables.flatMap((variable): [tf.Variable, tf.Tensor][] => {
    const update = updates[variable.name];
    return update ? [[variable, update]] : [];
  });
  for (const [{ name, shape }, update] of pairs) {
    if (!tf.util.arraysEqual(update.shape, shape)) {
      throw new ShapeError('applyUpdates', `the update of ${name}`, `[${shape}]`, `[${update.shape}]`);
    }
  }
  for (const [variable, update] of pairs) tf.tidy(() => variable.assign(tf.add(variable, update)));
}
