import type { TensorCase } from '../compare-tensors.js';
import { layers } from './layers.js';
import { logProbs } from './log-probs.js';
import { casesOf } from './operation.js';
import { optimizer } from './optimizer.js';
import { matMul } from './products.js';
import { rows } from './rows.js';
import { chunked, heads, tokenLosses } from './token-losses.js';

/** What the suite measures; a helper thread finds its case by the position here. */
export const kernelCases: readonly TensorCase[] = [
  ...[...tokenLosses, ...logProbs, ...heads].flatMap(casesOf),
  chunked(1024, 512, 32_000),
  ...[...matMul, ...layers, ...rows].flatMap(casesOf),
  ...optimizer,
];
