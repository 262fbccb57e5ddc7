import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../backend.js';
import { kernelCases } from './cases.js';
import { DONE, OVER, ROUND } from './crew.js';

// The other side of `startCrew`: sleeps until a round is asked for, so that it disturbs nobody whose turn it is.
const cells = workerData as Int32Array;
await startBackend('wasm');
parentPort?.on('message', (position: number) => {
  const prepared = kernelCases[position]?.prepare();
  const compute = prepared?.contenders[0]?.compute ?? (() => []);
  parentPort?.postMessage('ready');
  for (let round = 0; ; ) {
    Atomics.wait(cells, ROUND, round);
    round = Atomics.load(cells, ROUND);
    if (round === OVER) break;
    tf.dispose(compute());
    Atomics.store(cells, DONE, round);
  }
  prepared?.dispose();
  parentPort?.postMessage('released');
});
