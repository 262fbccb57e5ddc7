import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { StateError } from '@tsrl/core';
import type { BinaryPolicy } from '@tsrl/tensor';
import { computeGradients, type Minibatch } from './gradients.js';
import type { Answer, Question, WorkerStart } from './helper-thread.js';
import type { Columns, Method } from './method.js';
import { helpToScore } from './parallel-scores.js';
import { readTensors, writeTensors } from './shared-parameters.js';

/**
 * The other side of `startWorkers` and `startScorers`: in a worker thread, answers every share of a minibatch with its
 * gradients, and helps to score, until the thread is ended.
 *
 * @param build makes the policy and method that the main thread has, from the `data` given there; no method where texts
 *   are only scored
 */
export async function serveWorker<C extends Columns>(
  build: (data: unknown) => Promise<{ readonly policy: BinaryPolicy; readonly method?: Method<C> }>,
): Promise<void> {
  const port = parentPort;
  if (!port) throw new StateError('serveWorker', 'must be called in a worker thread');
  const { data, parameters } = workerData as WorkerStart;
  const { policy, method } = await build(data);
  const readWeights = (): void => {
    if (!parameters) return;
    const { layout, weights } = parameters;
    const variables = new Map(policy.variables.map((variable) => [variable.name, variable]));
    for (const place of layout) {
      const variable = variables.get(place.name);
      if (!variable) throw new StateError('the policy', `has no variable ${place.name}`);
    }
    const tensors = readTensors(new Set(variables.keys()), layout, weights);
    for (const [name, tensor] of Object.entries(tensors)) (variables.get(name) as tf.Variable).assign(tensor);
    tf.dispose(tensors);
  };
  const answer = async (question: Question): Promise<Answer> => {
    if (question.kind === 'scores') {
      await helpToScore(policy, question, readWeights);
      return { metrics: {}, names: [] };
    }
    if (!method || !parameters) throw new StateError('the worker', 'was not made to compute gradients');
    readWeights();
    const batch = question.batch as unknown as Minibatch<C>;
    const { grads, metrics } = await computeGradients(policy, method, batch, question.context);
    try {
      return { metrics, names: await writeTensors(grads, parameters.layout, parameters.grads) };
    } finally {
      tf.dispose({ ...grads });
    }
  };
  let last = Promise.resolve();
  port.on('message', (question: Question) => {
    last = last
      .then(() => answer(question))
      .catch((error: Error): Answer => ({ problem: error.message }))
      .then((told) => port.postMessage(told));
  });
}
