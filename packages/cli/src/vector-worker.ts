import { parentPort, workerData } from 'node:worker_threads';
import { enableProdMode } from '@tensorflow/tfjs-core';
import { type LanguageModel, loadModel, sequenceFeatures } from '@tsrl/policies';
import { useBackend } from '@tsrl/tensor';
import type { Outcome } from './study/threads.js';
import type { VectorTask, VectorThread } from './vectors.js';

// A thread of `sequenceVectors`: takes one batch after the other, and tells its vectors or what went wrong.

async function load(): Promise<LanguageModel> {
  const { files, backend } = workerData as VectorThread;
  enableProdMode();
  await useBackend(backend);
  const text = (file: string) => ({ file, text: files.get(file) as string });
  const weights = { file: 'model.safetensors', bytes: files.get('model.safetensors') as Uint8Array };
  return loadModel({ config: text('config.json'), tokenizer: text('tokenizer.json'), weights: [weights] });
}

let language: Promise<LanguageModel> | undefined;

async function outcomeOf({ sequences }: VectorTask): Promise<Outcome<Float32Array>> {
  try {
    language ??= load();
    return { answer: await sequenceFeatures(await language, sequences, { batchSize: sequences.length }) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (task: VectorTask) => {
  last = last.then(async () => {
    parentPort?.postMessage(await outcomeOf(task));
  });
});
