import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from './backend.js';

/**
 * out[s] = Σ of the rows of x whose segment id is s. The wasm backend of tfjs 4.22 lacks this kernel, and with it the
 * gradient of `gather`: embeddings could not be trained. Rows with an id outside [0, numSegments) are dropped, as on
 * the other backends.
 */
export function unsortedSegmentSum({ inputs, backend, attrs }: KernelArguments): tf.TensorInfo {
  const x = inputs['x'] as tf.TensorInfo;
  const segmentIds = inputs['segmentIds'] as tf.TensorInfo;
  const numSegments = attrs['numSegments'] as number;
  const rank = segmentIds.shape.length;
  const out = backend.makeOutput([numSegments, ...x.shape.slice(rank)], x.dtype);

  const ids = backend.typedArrayFromHeap(segmentIds);
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out).fill(0);
  const width = tf.util.sizeFromShape(x.shape.slice(rank));
  for (let row = 0; row < ids.length; row++) {
    const segment = ids[row] as number;
    if (segment < 0 || segment >= numSegments) continue;
    for (let i = 0, source = row * width, target = segment * width; i < width; i++) {
      (to[target + i] as number) += from[source + i] as number;
    }
  }
  return out;
}
