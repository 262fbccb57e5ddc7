import * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch } from '@tsrl/tensor';
import type { LlamaConfig } from '../src/index.ts';

/** Grouped-query attention 4:2 with heads wider than hiddenSize / heads, in 822 parameters. */
export function smallConfig(changes: Partial<LlamaConfig> = {}): LlamaConfig {
  return {
    vocabularySize: 7,
    hiddenSize: 6,
    intermediateSize: 5,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headSize: 4,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 100,
    maxPositions: 32,
    tieWordEmbeddings: true,
    specialTokens: {},
    ...changes,
  };
}

export function toBatch(rows: readonly (readonly number[] | Int32Array)[], padding = 0): TokenBatch {
  const longest = Math.max(...rows.map((row) => row.length));
  const ids = rows.flatMap((row) => [...row, ...Array<number>(longest - row.length).fill(padding)]);
  return {
    ids: tf.tensor2d(Int32Array.from(ids), [rows.length, longest], 'int32'),
    lengths: tf.tensor1d(
      Int32Array.from(rows, (row) => row.length),
      'int32',
    ),
  };
}
