import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { adamW, chain, clipByGlobalNorm } from '@tsrl/optim';
import { type Minibatch, train, trainStep } from '@tsrl/training';
import { startWorkers } from '@tsrl/training/node';
import { startBackend } from '../backend.js';
import { build } from './model.js';
import type { Answer, Request, Start } from './protocol.js';
import { models } from './sizes.js';

// A process of its own for each way to train, so that its memory is its own: answers every request by its time.
const { model, kernels, threads, texts } = JSON.parse(process.argv[2] as string) as Start;
const use = await startBackend('wasm');
use(kernels);
const { policy, method, examples } = build(model, texts);
const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate: 1e-4, weightDecay: 0.01 }));
const script = new URL('training-worker.js', import.meta.url);
const pool = threads > 1 ? startWorkers(policy, { threads, script, data: model }) : undefined;
const compute = pool && { compute: pool.compute };

const { batch } = models[model];
const positions = Int32Array.from({ length: batch }, (_, i) => i);
const labels = examples.labels.slice(0, batch);
const columns = method.prepare({
  labels,
  ...(method.observes.includes('logits') && { logits: labels.map((label) => label - 0.5) }),
  rng: createRng(0),
});
const minibatch: Minibatch<typeof columns> = { examples, positions, columns, rows: positions };
let state = optimizer.init(policy.variables);
let step = 0;

async function oneStep(): Promise<number> {
  const result = await trainStep(policy, method, optimizer, state, minibatch, { step: step++, ...compute });
  state = result.state;
  return result.metrics['loss'] as number;
}

async function oneEpoch(): Promise<void> {
  const settings = { seed: 0, refreshes: 1, epochs: 1, batchSize: batch, ...compute };
  for await (const event of train({ policy, method, optimizer, train: examples, ...settings })) void event;
}

process.on('message', (request: Request) => void answer(request));
send('ready');

async function answer(request: Request): Promise<void> {
  const { numTensors } = tf.memory();
  const start = performance.now();
  const loss = request === 'step' ? await oneStep() : await oneEpoch();
  const ms = performance.now() - start;
  if (tf.memory().numTensors !== numTensors) throw new Error(`a ${request} of ${model} leaks tensors`);
  send({ ms, loss: loss ?? 0, megabytes: (1024 * process.resourceUsage().maxRSS) / 1e6 });
}

function send(message: Answer | 'ready'): void {
  process.send?.(message);
}
