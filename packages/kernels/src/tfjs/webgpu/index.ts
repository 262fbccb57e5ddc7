import * as tf from '@tensorflow/tfjs-core';
import type { FastKernel } from '../fast-kernel.js';
import type { WebgpuBackend } from './backend.js';
import { exp, expm1, log, log1p, sigmoid, softplus, sum, type WebgpuKernel } from './corrections.js';
import { selectiveLogSoftmax } from './selective-log-softmax.js';
import { selectiveLogSoftmaxGrad } from './selective-log-softmax-grad.js';

/**
 * The fused operations in WGSL, and what tfjs 4.22 gets wrong. They have no probes: what a program wrote can only be
 * awaited, and installation does not wait.
 */
export const webgpuKernels: readonly FastKernel[] = [
  program('TsrlSelectiveLogSoftmax', () => selectiveLogSoftmax),
  program('TsrlSelectiveLogSoftmaxGrad', () => selectiveLogSoftmaxGrad),
  program('Sum', sum),
  program('Expm1', expm1),
  program('Log1p', log1p),
  program('Exp', exp),
  program('Log', log),
  program('Sigmoid', sigmoid),
  program('Softplus', softplus),
];

/** An entry whose types say what those of tfjs do not. */
function program<Result>(
  kernelName: string,
  make: (original: WebgpuKernel) => (args: Parameters<WebgpuKernel>[0]) => Result,
): FastKernel {
  const runsPrograms = (): boolean =>
    (tf.backend() as unknown as Partial<WebgpuBackend>).runWebGPUProgram !== undefined;
  const ifPossible = (original: WebgpuKernel) => (runsPrograms() ? make(original) : undefined);
  return { kernelName, make: ifPossible as unknown as FastKernel['make'], probes: [] };
}
