import { startBackend } from '../backend.js';
import { compareTensors, type TensorCase } from '../compare-tensors.js';
import { layers } from '../kernels/layers.js';
import { logProbs } from '../kernels/log-probs.js';
import { casesOf } from '../kernels/operation.js';
import { optimizer } from '../kernels/optimizer.js';
import { matMul } from '../kernels/products.js';
import { rows } from '../kernels/rows.js';
import { chunked, heads, tokenLosses } from '../kernels/token-losses.js';
import type { Suite } from '../suite.js';

export const kernelCases: readonly TensorCase[] = [
  ...[...tokenLosses, ...logProbs, ...heads].flatMap(casesOf),
  chunked(1024, 512, 32_000),
  ...[...matMul, ...layers, ...rows].flatMap(casesOf),
  ...optimizer,
];

export const kernels: Suite = {
  name: 'kernels',
  question:
    'How much faster are the operations of tsrl than the usual formulation in plain tfjs, on the wasm backend and one ' +
    'thread, and how near do they come to what the machine can do?',
  async tasks({ rounds }) {
    return kernelCases.map((subject) => ({
      name: `${subject.subject} ${subject.variant}`,
      seconds: subject.seconds,
      async run() {
        const use = await startBackend('wasm');
        try {
          return [await compareTensors(subject, use, { rounds, seconds: subject.seconds })];
        } finally {
          use('tsrl');
        }
      },
    }));
  },
};
