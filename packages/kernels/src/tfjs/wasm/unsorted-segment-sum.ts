import * as tf from '@tensorflow/tfjs-core';
import type { Moves } from '../../moves.js';
import type { WasmKernel } from './backend.js';
import type { OnHeap } from './on-heap.js';

/**
 * out[s] = Σ of the rows of x whose segment id is s. The wasm backend of tfjs 4.22 lacks this kernel, and with it the
 * gradient of `gather`: embeddings could not be trained. Rows with an id outside [0, numSegments) are dropped, as on
 * the other backends. Integers, and all where our kernel cannot run, by a plain loop.
 */
export function unsortedSegmentSum(movesOf: OnHeap<Moves>): WasmKernel {
  return ({ inputs, backend, attrs }) => {
    const x = inputs['x'] as tf.TensorInfo;
    const segmentIds = inputs['segmentIds'] as tf.TensorInfo;
    const segments = attrs['numSegments'] as number;
    const rank = segmentIds.shape.length;
    const out = backend.makeOutput([segments, ...x.shape.slice(rank)], x.dtype);
    const width = tf.util.sizeFromShape(x.shape.slice(rank));
    const moves = x.dtype === 'float32' ? movesOf(backend) : undefined;
    if (moves !== undefined) {
      const address = ({ dataId }: tf.TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset;
      const at = { x: address(x), ids: address(segmentIds), out: address(out) };
      moves.sumSegments(at, { rows: tf.util.sizeFromShape(segmentIds.shape), width, segments });
      return out;
    }
    // Both are in the heap before any view is taken of it: bringing one from another backend may make it grow.
    for (const { dataId } of [segmentIds, x]) backend.dataIdMap.get(dataId);
    const ids = backend.typedArrayFromHeap(segmentIds);
    const from = backend.typedArrayFromHeap(x);
    const to = backend.typedArrayFromHeap(out).fill(0);
    for (let row = 0; row < ids.length; row++) {
      const segment = ids[row] as number;
      if (segment < 0 || segment >= segments) continue;
      for (let i = 0, source = row * width, target = segment * width; i < width; i++) {
        (to[target + i] as number) += from[source + i] as number;
      }
    }
    return out;
  };
}
