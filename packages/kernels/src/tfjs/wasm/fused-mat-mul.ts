import * as tf from '@tensorflow/tfjs-core';
import type { Gemm } from '../../gemm.js';
import type { WasmKernel } from './backend.js';
import { multiply, productOf } from './mat-mul.js';
import type { OnHeap } from './on-heap.js';

/**
 * activation(a b + bias) by our product, which brings bias and relu with it; other activations by their kernels. Where
 * our product cannot run: for two plain matrices the kernel of tfjs, otherwise the kernels of the
 * parts.
 *
 * The kernel of tfjs is slow wherever `matMul` is, and for more than one matrix it adds the bias by the wrong index.
 */
export function fastFusedMatMul(original: WasmKernel, gemmOf: OnHeap<Gemm>): WasmKernel {
  return (args) => {
    const { backend } = args;
    const { a, b, bias, preluActivationWeights } = args.inputs as Readonly<Record<string, tf.TensorInfo>> & FusedInputs;
    const { transposeA, transposeB, activation, leakyreluAlpha } = args.attrs;
    const gemm = gemmOf(backend);
    const one = tf.util.sizeFromShape(a.shape.slice(0, -2)) === 1 && tf.util.sizeFromShape(b.shape.slice(0, -2)) === 1;
    const empty = tf.util.sizeFromShape(a.shape) === 0 || tf.util.sizeFromShape(b.shape) === 0;
    if (!gemm && one && !empty && transposeA !== true && transposeB !== true) return original(args);

    const run = (name: string, inputs: Record<string, tf.TensorInfo>, attrs = {}): tf.TensorInfo =>
      (tf.getKernel(name, 'wasm').kernelFunc as unknown as WasmKernel)({ inputs, backend, attrs });
    let out: tf.TensorInfo;
    const replaceBy = (next: tf.TensorInfo): void => {
      backend.disposeData(out.dataId);
      out = next;
    };
    const product = productOf(a, b, transposeA === true, transposeB === true);
    const plainBias = !bias || (bias.dtype === 'float32' && tf.util.arraysEqual(bias.shape, [product?.n ?? 0]));
    let name = activations[activation as string];
    if (gemm && product && plainBias) {
      out = backend.makeOutput([...product.batch, product.m, product.n], 'float32');
      multiply(gemm, backend, product, out, {
        ...(bias ? { bias: backend.dataIdMap.get(bias.dataId).memoryOffset } : {}),
        ...(name === 'Relu' ? { activation: 'relu' } : {}),
      });
      if (name === 'Relu') name = undefined;
    } else {
      out = run('BatchMatMul', { a, b }, { transposeA, transposeB });
      if (bias) replaceBy(run('Add', { a: out, b: bias }));
    }
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
