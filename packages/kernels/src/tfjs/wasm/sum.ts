import * as tf from '@tensorflow/tfjs-core';
import type { Gemm } from '../../gemm.js';
import type { Moves } from '../../moves.js';
import type { WasmKernel } from './backend.js';
import type { OnHeap } from './on-heap.js';

/**
 * `Sum`: over nothing it is 0, where tfjs returns what stood in memory. Over the first axes it is a row of ones times
 * x, where tfjs transposes x; so are the gradients of everything that is broadcast over a batch. Over the last axes, and
 * over all, it is that of rows, where tfjs adds one number after the other, whose error grows with their count.
 */
export function fastSum(original: WasmKernel, gemmOf: OnHeap<Gemm>, movesOf: OnHeap<Moves>): WasmKernel {
  return (args) => {
    const { backend, attrs } = args;
    const x = args.inputs['x'] as tf.TensorInfo;
    if (tf.util.sizeFromShape(x.shape) === 0) {
      const out = original(args);
      backend.typedArrayFromHeap(out).fill(0);
      return out;
    }
    const axes = tf.util.parseAxisParam(attrs['axis'] as number[], x.shape);
    const rank = x.shape.length;
    const leading = axes.length < rank && axes.every((_, d) => axes.includes(d));
    const trailing = axes.length > 0 && axes.every((_, d) => axes.includes(rank - 1 - d));
    const moves = trailing && x.dtype === 'float32' ? movesOf(backend) : undefined;
    const address = ({ dataId }: tf.TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset;
    if (moves !== undefined) {
      const kept = x.shape.slice(0, rank - axes.length);
      const sums = backend.makeOutput(attrs['keepDims'] === true ? [...kept, ...axes.map(() => 1)] : kept, 'float32');
      const rows = tf.util.sizeFromShape(kept);
      moves.sumRows({ x: address(x), out: address(sums) }, { rows, width: tf.util.sizeFromShape(x.shape) / rows });
      return sums;
    }
    const gemm = leading && x.dtype === 'float32' ? gemmOf(backend) : undefined;
    if (gemm === undefined) return original(args);

    const kept = x.shape.slice(axes.length);
    const shape = attrs['keepDims'] === true ? [...axes.map(() => 1), ...kept] : kept;
    const [one, out] = [backend.makeOutput([1], 'float32'), backend.makeOutput(shape, 'float32')];
    backend.typedArrayFromHeap(one).fill(1);
    const n = tf.util.sizeFromShape(kept);
    gemm({
      a: { address: address(one), rowStride: 0, columnStride: 0, batchStride: 0 },
      b: { address: address(x), rowStride: n, columnStride: 1, batchStride: 0 },
      out: address(out),
      batch: 1,
      m: 1,
      k: tf.util.sizeFromShape(x.shape) / n,
      n,
    });
    backend.disposeData(one.dataId);
    return out;
  };
}
