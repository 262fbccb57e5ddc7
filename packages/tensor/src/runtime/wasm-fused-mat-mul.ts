import * as tf from '@tensorflow/tfjs-core';
import type { WasmKernel } from './wasm-backend.js';

/**
 * activation(a b + bias): for a plain product of two matrices the kernel of tfjs, otherwise the kernels of its parts,
 * the product on its fast path among them.
 *
 * The kernel of tfjs is slow wherever `matMul` is, and for more than one matrix it adds the bias by the wrong index.
 */
export function repairedFusedMatMul(original: WasmKernel): WasmKernel {
  return (args) => {
    const { backend } = args;
    const { a, b, bias, preluActivationWeights } = args.inputs as Readonly<Record<string, tf.TensorInfo>> & FusedInputs;
    const { transposeA, transposeB, activation, leakyreluAlpha } = args.attrs;
    const one = tf.util.sizeFromShape(a.shape.slice(0, -2)) === 1 && tf.util.sizeFromShape(b.shape.slice(0, -2)) === 1;
    const empty = tf.util.sizeFromShape(a.shape) === 0 || tf.util.sizeFromShape(b.shape) === 0;
    if (one && !empty && transposeA !== true && transposeB !== true) return original(args);

    const run = (name: string, inputs: Record<string, tf.TensorInfo>, attrs = {}): tf.TensorInfo =>
      (tf.getKernel(name, 'wasm').kernelFunc as unknown as WasmKernel)({ inputs, backend, attrs });
    let out = run('BatchMatMul', { a, b }, { transposeA, transposeB });
    const replaceBy = (next: tf.TensorInfo): void => {
      backend.disposeData(out.dataId);
      out = next;
    };
    if (bias) replaceBy(run('Add', { a: out, b: bias }));
    const name = activations[activation as string];
    const weights = preluActivationWeights && { alpha: preluActivationWeights };
    if (name !== undefined) replaceBy(run(name, { x: out, ...weights }, { alpha: leakyreluAlpha }));
    return out;
  };
}

type FusedInputs = Readonly<Record<'a' | 'b', tf.TensorInfo>> &
  Readonly<Partial<Record<'bias' | 'preluActivationWeights', tf.TensorInfo>>>;

/** The kernel of each activation that the op knows; `linear` has none. */
const activations: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  leakyrelu: 'LeakyRelu',
  prelu: 'Prelu',
};
