import type * as tf from '@tensorflow/tfjs-core';
import { instantiateGemm } from '../../gemm.js';
import { instantiateLinearTokenGradients } from '../../linear-token-gradients.js';
import { instantiateMoves } from '../../moves.js';
import { onWasm } from '../addressed-kernel.js';
import type { FastKernel, Probe } from '../fast-kernel.js';
import { linearTokenGradients } from '../linear-token-gradients.js';
import { scaleBy } from '../scale-by.js';
import type { WasmKernel } from './backend.js';
import { identity, log1p, oneHot } from './corrections.js';
import { elementKernels } from './elements.js';
import { fastFusedMatMul } from './fused-mat-mul.js';
import { transformerKernels } from './layers.js';
import { fastMatMul } from './mat-mul.js';
import { fastGather, fastSlice, fastSplit } from './moves.js';
import { onHeap } from './on-heap.js';
import { softmaxKernels } from './softmax.js';
import { fastSum } from './sum.js';
import { fastTranspose } from './transpose.js';
import { unsortedSegmentSum } from './unsorted-segment-sum.js';
import { wasmUpdateKernels } from './updates.js';

const gemmOf = onHeap(instantiateGemm);
const movesOf = onHeap(instantiateMoves);

/** What is faster or more right than in tfjs 4.22, and what tfjs lacks; the order is that of installation. */
export const wasmKernels: readonly FastKernel[] = [
  over('Identity', () => identity, [{ inputs: { x: row(1, 2) }, outputs: [[1, 2]] }]),
  over('BatchMatMul', (original) => fastMatMul(original, gemmOf), [
    {
      inputs: { a: grid(2, 1, 2, 3, 4), b: grid(2, 5, 6, 7, 8) },
      attrs: flags(false, true),
      outputs: [[17, 23, 39, 53]],
    },
  ]),
  over('_FusedMatMul', (original) => fastFusedMatMul(original, gemmOf), [
    {
      inputs: { a: matrix(1, 2, 3, 4), b: matrix(5, -6, 7, -8), bias: row(1, 2) },
      attrs: { ...flags(false, false), activation: 'relu' },
      outputs: [[20, 0, 44, 0]],
    },
  ]),
  over('Sum', (original) => fastSum(original, gemmOf, movesOf), [
    { inputs: { x: grid(2, 1, 2, 3, 4) }, attrs: { axis: [1], keepDims: false }, outputs: [[3, 7]] },
    { inputs: { x: grid(2, 1, 2, 3, 4) }, attrs: { axis: [0], keepDims: false }, outputs: [[4, 6]] },
  ]),
  over('Transpose', (original) => fastTranspose(original, movesOf), [
    { inputs: { x: grid(3, 1, 2, 3, 4, 5, 6) }, attrs: { perm: [1, 0] }, outputs: [[1, 4, 2, 5, 3, 6]] },
  ]),
  over('Slice', fastSlice, [
    { inputs: { x: grid(2, 1, 2, 3, 4) }, attrs: { begin: [0, 1], size: [2, 1] }, outputs: [[2, 4]] },
  ]),
  over('SplitV', (original: WasmKernel<tf.TensorInfo[]>) => fastSplit(original), [
    {
      inputs: { x: grid(2, 1, 2, 3, 4) },
      attrs: { numOrSizeSplits: 2, axis: 1 },
      outputs: [
        [1, 3],
        [2, 4],
      ],
    },
  ]),
  over('GatherV2', fastGather, [
    {
      inputs: { x: grid(2, 1, 2, 3, 4), indices: { values: [1, 0], shape: [2], dtype: 'int32' } },
      attrs: { axis: 0, batchDims: 0 },
      outputs: [[3, 4, 1, 2]],
    },
  ]),
  over('UnsortedSegmentSum', () => unsortedSegmentSum(movesOf), [
    {
      inputs: { x: grid(2, 1, 2, 3, 4), segmentIds: { values: [1, 1], shape: [2], dtype: 'int32' } },
      attrs: { numSegments: 2 },
      outputs: [[0, 0, 4, 6]],
    },
  ]),
  over('OneHot', oneHot, [
    {
      inputs: { indices: { values: [1], shape: [1], dtype: 'int32' } },
      attrs: { depth: 2, onValue: 1, offValue: 0, dtype: 'float32' },
      outputs: [[0, 1]],
    },
  ]),
  over('Log1p', log1p, [{ inputs: { x: row(0, 1) }, outputs: [[0, Math.LN2]] }]),
  scaleBy,
  ...elementKernels,
  ...softmaxKernels,
  ...onWasm([linearTokenGradients], onHeap(instantiateLinearTokenGradients)),
  ...transformerKernels,
  ...wasmUpdateKernels,
];

/** An entry whose types say what those of tfjs do not. */
function over<Result = tf.TensorInfo>(
  kernelName: string,
  make: (original: WasmKernel<Result>) => WasmKernel<Result> | undefined,
  probes: readonly Probe[],
): FastKernel {
  return { kernelName, make: make as unknown as FastKernel['make'], probes };
}

function row(...values: number[]): Probe['inputs'][string] {
  return { values, shape: [values.length] };
}

function grid(columns: number, ...values: number[]): Probe['inputs'][string] {
  return { values, shape: [values.length / columns, columns] };
}

/** [1, 2, 2]: what the operation hands to this kernel is always of rank 3. */
function matrix(...values: number[]): Probe['inputs'][string] {
  return { values, shape: [1, 2, 2] };
}

function flags(transposeA: boolean, transposeB: boolean): Record<string, boolean> {
  return { transposeA, transposeB };
}
