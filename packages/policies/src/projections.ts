import * as tf from '@tensorflow/tfjs-core';
import { withGradient } from '@tsrl/tensor';
import type { Lora } from './lora.js';

/** Applies the modules `at.name` to x [N, in], side by side in one product: [N, sum of their widths]. */
export type Project = (x: tf.Tensor2D, at: string, ...names: readonly string[]) => tf.Tensor2D;

/**
 * How a model applies its linear layers, with weight W [out, in], and a bias where the model has one:
 *
 *   y = x Wᵀ + b
 *
 * With adapters W and b are frozen: their gradient is not computed, nor can it be asked for. Adapted modules add
 *
 *   (alpha / rank) (x Aᵀ) Bᵀ
 *
 * and where nothing adapted lies before x, its gradient is not computed either.
 */
export function projector(weights: ReadonlyMap<string, tf.Variable>, lora?: Lora): Project {
  return (x, at, ...names) => {
    const modules = names.map((name) => `${at}.${name}`);
    const all = (part: string): tf.Tensor[] => modules.flatMap((module) => weights.get(`${module}.${part}`) ?? []);
    const weight = sideBySide(all('weight')) as tf.Tensor2D;
    const bias = sideBySide(all('bias'));
    const affine = (): tf.Tensor2D =>
      bias
        ? (tf.fused.matMul({ a: x, b: weight, transposeB: true, bias }) as tf.Tensor2D)
        : tf.matMul(x, weight, false, true);
    if (!lora) return affine();

    const base = withGradient(
      [x],
      () => ({ value: affine(), saved: [weight] }),
      (dy, [frozen]) => [tf.matMul(dy, frozen as tf.Tensor2D)],
    );
    const adapters = modules.map((module) => adapterOf(lora, module));
    if (!adapters.some((adapter) => adapter)) return base;
    const updates = adapters.map((adapter, i) => {
      if (!adapter) return tf.zeros([x.shape[0], all('weight')[i]?.shape[0] as number]);
      return tf.matMul(tf.matMul(x, adapter.a, false, true), tf.mul(adapter.b, lora.alpha / lora.rank), false, true);
    });
    return tf.add(base, sideBySide(updates, 1) as tf.Tensor2D);
  };
}

function adapterOf(
  { weights }: Lora,
  module: string,
): { readonly a: tf.Tensor2D; readonly b: tf.Tensor2D } | undefined {
  const [a, b] = ['A', 'B'].map((matrix) => weights.get(`${module}.lora_${matrix}.weight`) as tf.Tensor | undefined);
  return a && b && { a: a as tf.Tensor2D, b: b as tf.Tensor2D };
}

function sideBySide(parts: readonly tf.Tensor[], axis = 0): tf.Tensor | undefined {
  return parts.length > 1 ? tf.concat([...parts], axis) : parts[0];
}
