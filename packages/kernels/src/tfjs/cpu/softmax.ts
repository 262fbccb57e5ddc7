import type * as tf from '@tensorflow/tfjs-core';
import { selectiveLogSoftmax, selectiveLogSoftmaxGradient, tokenGradients } from '../../arrays/softmax.js';
import type { TokenSlopes } from '../../softmax.js';
import type { FastKernel } from '../fast-kernel.js';
import { softmaxProbes } from '../softmax-probes.js';

/** The statistics of softmax distributions and their gradients: rows pass through the memory of the kernels. */
export const softmaxKernels: readonly FastKernel[] = [
  kernel('TsrlSelectiveLogSoftmax', (options, chosen, output) => {
    const { statistics, top } = selectiveLogSoftmax(options);
    return [output(statistics, chosen + (options.entropy ? 2 : 1)), output(top, 2)];
  }),
  kernel('TsrlSelectiveLogSoftmaxGrad', (options, _chosen, output) =>
    output(selectiveLogSoftmaxGradient(options), options.size),
  ),
  kernel('TsrlTokenGradients', (options, _chosen, output) => {
    const { statistics, gradient } = tokenGradients(options);
    return [output(statistics, options.entropy ? 2 : 1), output(gradient, options.size)];
  }),
];

/** What the kernels are given: the numbers of their inputs by name, and their attributes. */
interface Options {
  readonly logits: Float32Array;
  readonly size: number;
  readonly ids: Int32Array;
  readonly statistics: Float32Array;
  readonly top: Float32Array;
  readonly dy: Float32Array;
  readonly columns: Float32Array;
  readonly temperature: number;
  readonly ignoreId: number;
  readonly entropy: boolean;
  readonly slopes: TokenSlopes;
}

/** The part of the cpu backend of tfjs 4.22 that kernels are written with. */
interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values: Float32Array | Int32Array } };
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: Float32Array): tf.TensorInfo;
}

/** A tensor of as many rows as the logits have. */
type Output = (values: Float32Array, width: number) => tf.TensorInfo;

function kernel(
  kernelName: keyof typeof softmaxProbes,
  run: (options: Options, chosen: number, output: Output) => tf.TensorInfo | tf.TensorInfo[],
): FastKernel {
  const kernelFunc = (args: Parameters<tf.KernelFunc>[0]): tf.TensorInfo | tf.TensorInfo[] => {
    const backend = args.backend as CpuBackend;
    const inputs = args.inputs as Record<'logits' | 'ids', tf.TensorInfo>;
    const [rows, size] = inputs.logits.shape as [number, number];
    const numbers = Object.entries(inputs).map(([name, { dataId }]) => [name, backend.data.get(dataId).values]);
    const options = { ...(args.attrs as object), ...Object.fromEntries(numbers), size } as Options;
    return run(options, inputs.ids.shape[1] ?? 1, (values, width) =>
      backend.makeTensorInfo([rows, width], 'float32', values),
    );
  };
  return { kernelName, make: () => kernelFunc, probes: softmaxProbes[kernelName] };
}
