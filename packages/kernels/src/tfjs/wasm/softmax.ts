import * as tf from '@tensorflow/tfjs-core';
import { BackendError } from '@tsrl/core';
import { instantiateSoftmax, type Softmax, type TokenSlopes } from '../../softmax.js';
import type { FastKernel } from '../fast-kernel.js';
import { softmaxProbes } from '../softmax-probes.js';
import type { KernelArguments, WasmBackend } from './backend.js';
import { onHeap } from './on-heap.js';

const softmaxOf = onHeap(instantiateSoftmax);

/** The statistics of softmax distributions and their gradients, where the logits lie. */
export const softmaxKernels: readonly FastKernel[] = [
  kernel('TsrlSelectiveLogSoftmax', (softmax, { inputs, backend, attrs }) => {
    const sizes = sizesOf(inputs, attrs);
    const { rows, chosen, entropy } = sizes;
    const statistics = backend.makeOutput([rows, chosen + (entropy ? 2 : 1)], 'float32');
    const top = backend.makeOutput([rows, 2], 'float32');
    const at = addresses(backend, { ...inputs, statistics, top });
    softmax.selectiveLogSoftmax({ ...sizes, ...(at as Addresses<'logits' | 'ids' | 'statistics' | 'top'>) });
    return [statistics, top];
  }),
  kernel('TsrlSelectiveLogSoftmaxGrad', (softmax, { inputs, backend, attrs }) => {
    const gradient = backend.makeOutput((inputs['logits'] as tf.TensorInfo).shape, 'float32');
    const at = addresses(backend, { ...inputs, gradient });
    softmax.selectiveLogSoftmaxGradient({
      ...sizesOf(inputs, attrs),
      ...(at as Addresses<'logits' | 'ids' | 'statistics' | 'top' | 'dy' | 'gradient'>),
    });
    return gradient;
  }),
  kernel('TsrlTokenGradients', (softmax, { inputs, backend, attrs }) => {
    const sizes = sizesOf(inputs, attrs);
    const statistics = backend.makeOutput([sizes.rows, sizes.entropy ? 2 : 1], 'float32');
    const gradient = backend.makeOutput([sizes.rows, sizes.size], 'float32');
    const at = addresses(backend, { ...inputs, statistics, gradient });
    try {
      softmax.tokenGradients({
        ...sizes,
        ...(at as Addresses<'logits' | 'ids' | 'columns' | 'statistics' | 'gradient'>),
        width: (inputs['columns'] as tf.TensorInfo).shape[1] as number,
        slopes: attrs['slopes'] as TokenSlopes,
      });
    } catch (error) {
      for (const { dataId } of [statistics, gradient]) backend.disposeData(dataId);
      throw error; // it is that of the callback
    }
    return [statistics, gradient];
  }),
];

function kernel(
  kernelName: keyof typeof softmaxProbes,
  run: (softmax: Softmax, args: KernelArguments) => tf.TensorInfo | tf.TensorInfo[],
): FastKernel {
  const kernelFunc = (args: KernelArguments): tf.TensorInfo | tf.TensorInfo[] => {
    const softmax = softmaxOf(args.backend);
    if (softmax === undefined) throw new BackendError(kernelName, 'cannot run in the memory of this wasm backend');
    return run(softmax, args);
  };
  return {
    kernelName,
    make: () =>
      softmaxOf(tf.backend() as unknown as WasmBackend) ? (kernelFunc as unknown as tf.KernelFunc) : undefined,
    probes: softmaxProbes[kernelName],
  };
}

function sizesOf(inputs: KernelArguments['inputs'], attrs: KernelArguments['attrs']) {
  const [rows, size] = (inputs['logits'] as tf.TensorInfo).shape as [number, number];
  const chosen = (inputs['ids'] as tf.TensorInfo).shape[1] ?? 1;
  const { temperature, ignoreId, entropy } = attrs as { temperature: number; ignoreId: number; entropy: boolean };
  return { rows, size, chosen, temperature, ignoreId, entropy };
}

type Addresses<Name extends string> = Readonly<Record<Name, number>>;

/** Where tensors lie, until the heap gives one of their places to another. */
function addresses(backend: WasmBackend, tensors: Readonly<Record<string, tf.TensorInfo>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { dataId }]) => [name, backend.dataIdMap.get(dataId).memoryOffset]),
  );
}
