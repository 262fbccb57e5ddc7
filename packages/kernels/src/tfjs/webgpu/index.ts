import * as tf from '@tensorflow/tfjs-core';
import type { FastKernel } from '../fast-kernel.js';
import type { WebgpuBackend } from './backend.js';
import { selectiveLogSoftmax } from './selective-log-softmax.js';
import { selectiveLogSoftmaxGrad } from './selective-log-softmax-grad.js';

/**
 * The fused operations in WGSL. They have no probes: what a program wrote can only be awaited, and installation does
 * not wait.
 */
export const webgpuKernels: readonly FastKernel[] = [
  program('TsrlSelectiveLogSoftmax', selectiveLogSoftmax),
  program('TsrlSelectiveLogSoftmaxGrad', selectiveLogSoftmaxGrad),
];

function program(kernelName: string, kernelFunc: (args: unknown) => tf.TensorInfo | tf.TensorInfo[]): FastKernel {
  const runsPrograms = (): boolean =>
    (tf.backend() as unknown as Partial<WebgpuBackend>).runWebGPUProgram !== undefined;
  return { kernelName, make: () => (runsPrograms() ? (args) => kernelFunc(args) : undefined), probes: [] };
}
