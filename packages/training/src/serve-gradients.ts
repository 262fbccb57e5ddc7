import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { StateError } from '@tsrl/core';
import type { BinaryPolicy } from '@tsrl/tensor';
import { computeGradients } from './gradients.js';
import type { Columns, Method } from './method.js';
import type { Answer, Share, WorkerStart } from './workers.js';

/**
 * The other side of `startWorkers`: in a worker thread, answers every share of a minibatch with its gradients, until
 * the thread is ended.
 *
 * @param build makes the policy and method that the main thread has, from the `data` given there
 */
export async function serveGradients<C extends Columns>(
  build: (data: unknown) => Promise<{ readonly policy: BinaryPolicy; readonly method: Method<C> }>,
): Promise<void> {
  const port = parentPort;
  if (!port) throw new StateError('serveGradients', 'must be called in a worker thread');
  const { data, layout, weights, grads: shared } = workerData as WorkerStart;
  const { policy, method } = await build(data);
  const variables = new Map(policy.variables.map((variable) => [variable.name, variable]));

  const answer = async ({ batch, context }: Share): Promise<Answer> => {
    for (const { name, shape, offset } of layout) {
      const variable = variables.get(name);
      if (!variable) return { problem: `it has no variable ${name}` };
      const tensor = tf.tensor(weights.slice(offset, offset + variable.size), [...shape]);
      variable.assign(tensor);
      tensor.dispose();
    }
    const own = batch as unknown as Parameters<typeof computeGradients<C>>[2];
    const { grads, metrics } = await computeGradients(policy, method, own, context);
    for (const { name, offset } of layout) {
      const grad = grads[name];
      if (grad) shared.set((await grad.data()) as Float32Array, offset);
    }
    tf.dispose({ ...grads });
    return { metrics, names: Object.keys(grads) };
  };
  port.on('message', (share: Share) => {
    void answer(share)
      .catch((error: Error): Answer => ({ problem: error.message }))
      .then((told) => port.postMessage(told));
  });
  port.postMessage('ready');
}
