import type * as tf from '@tensorflow/tfjs-core';
import type { WasmKernel } from './backend.js';

/** Shares the data instead of copying it, as the other backends do; `clone`, `keep` and the tape go through it. */
export const identity: WasmKernel = ({ inputs, backend }) => {
  const { dataId, shape, dtype } = inputs['x'] as tf.TensorInfo;
  backend.incRef(dataId);
  return { dataId, shape, dtype };
};

/** With dtype float32 tfjs writes the bits of the integer 1, which is 1.4e-45. */
export const oneHot =
  (original: WasmKernel): WasmKernel =>
  (args) => {
    const { inputs, backend, attrs } = args;
    if (attrs['dtype'] !== 'float32') return original(args);
    const indices = inputs['indices'] as tf.TensorInfo;
    const depth = attrs['depth'] as number;
    const out = backend.makeOutput([...indices.shape, depth], 'float32');
    const at = backend.typedArrayFromHeap(indices);
    const values = backend.typedArrayFromHeap(out).fill(attrs['offValue'] as number);
    for (let i = 0; i < at.length; i++) {
      const index = at[i] as number;
      if (index >= 0 && index < depth) values[i * depth + index] = attrs['onValue'] as number;
    }
    return out;
  };

/** tfjs turns NaN into the lower bound, which hides a diverged ratio, and clips the bits of integers. */
export const clipByValue: WasmKernel = ({ inputs, backend, attrs }) => {
  const least = attrs['clipValueMin'] as number;
  const most = attrs['clipValueMax'] as number;
  // Unlike the wasm comparison, Math.min and Math.max pass NaN on.
  return elementwise(inputs['x'] as tf.TensorInfo, backend, (value) => Math.max(least, Math.min(value, most)));
};

/** tfjs computes log(1 + x), which is 0 at 1e-8. */
export const log1p =
  (original: WasmKernel): WasmKernel =>
  (args) => {
    const x = args.inputs['x'] as tf.TensorInfo;
    return x.dtype === 'float32' ? elementwise(x, args.backend, Math.log1p) : original(args);
  };

function elementwise(
  x: tf.TensorInfo,
  backend: Parameters<WasmKernel>[0]['backend'],
  f: (value: number) => number,
): tf.TensorInfo {
  const out = backend.makeOutput(x.shape, x.dtype);
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out);
  for (let i = 0; i < from.length; i++) to[i] = f(from[i] as number);
  return out;
}
