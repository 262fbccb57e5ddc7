import * as tf from '@tensorflow/tfjs-core';
import type { FastKernel } from './fast-kernel.js';

/** x · factor; where the factor is 1, x itself. For backends that can be read without waiting. */
export const scaleBy: FastKernel = {
  kernelName: 'TsrlScaleBy',
  make:
    () =>
    ({ inputs, backend, ...rest }) => {
      const { x, factor } = inputs as Record<'x' | 'factor', tf.TensorInfo>;
      const own = backend as ReadableBackend;
      if (own.readSync(factor.dataId)[0] === 1) {
        own.incRef(x.dataId);
        return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
      }
      const { kernelFunc } = tf.getKernel('Multiply', tf.getBackend());
      return kernelFunc({ ...rest, inputs: { a: x, b: factor }, backend });
    },
  probes: [
    { inputs: { x: { values: [1, 2], shape: [2] }, factor: { values: [1], shape: [] } }, outputs: [[1, 2]] },
    { inputs: { x: { values: [1, 2], shape: [2] }, factor: { values: [3], shape: [] } }, outputs: [[3, 6]] },
  ],
};

interface ReadableBackend {
  readSync(dataId: object): ArrayLike<number>;
  incRef(dataId: object): void;
}
