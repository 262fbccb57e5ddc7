import * as tf from '@tensorflow/tfjs-core';
import type { Moves } from '../../moves.js';
import type { WasmKernel } from './backend.js';
import { identity } from './corrections.js';
import type { OnHeap } from './on-heap.js';

/**
 * `Transpose` by tiles, where tfjs computes the place of every single number. Numbers of another size than four bytes,
 * and permutations of more than four axes that do not stay together, are left to tfjs.
 */
export function fastTranspose(original: WasmKernel, movesOf: OnHeap<Moves>): WasmKernel {
  return (args) => {
    const { backend, inputs } = args;
    const x = inputs['x'] as tf.TensorInfo;
    const perm = args.attrs['perm'] as number[];
    if (perm.every((axis, d) => axis === d)) return identity(args);
    const moves = x.dtype === 'float32' || x.dtype === 'int32' ? movesOf(backend) : undefined;
    if (moves === undefined) return original(args);
    const out = backend.makeOutput(
      perm.map((axis) => x.shape[axis] as number),
      x.dtype,
    );
    if (tf.util.sizeFromShape(x.shape) === 0) return out;
    const address = ({ dataId }: tf.TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset;
    if (moves.transpose({ x: address(x), y: address(out) }, x.shape, perm)) return out;
    backend.disposeData(out.dataId);
    return original(args);
  };
}
