import * as tf from '@tensorflow/tfjs-core';
import { createRng, type Rng } from '@tsrl/core';
import type { Contender, TensorCase } from '../compare-tensors.js';
import type { Work } from '../result.js';

/** A function of tensors in two formulations, which becomes a case for each pass. */
export interface Operation {
  readonly subject: string;
  /** Sizes of the inputs: `[256, 32000]`. */
  readonly shape: string;
  /** What it computes, for somebody who does not know its name. */
  readonly detail: string;
  readonly inputs: (rng: Rng) => Inputs;
  readonly ours: Formula;
  /** The usual formulation in tfjs; that of ours where there is no other. */
  readonly plain?: Formula;
  /** What `plain` writes. */
  readonly formulation: string;
  readonly passes: Readonly<Partial<Record<Pass, Work>>>;
  /** About how long a comparison takes; 1.5. */
  readonly seconds?: number;
}

export type Pass = 'forward' | 'forward + backward';

interface Inputs {
  /** What gradients are taken in. */
  readonly variables: readonly tf.Tensor[];
  readonly constants?: readonly tf.Tensor[];
}

export type Formula = (variables: readonly tf.Tensor[], constants: readonly tf.Tensor[]) => tf.Tensor;

/** The cases of an operation. Both formulations see the same tensors, and the same gradient of their result. */
export function casesOf({ subject, shape, detail, seconds = 1.5, passes, ...operation }: Operation): TensorCase[] {
  const { ours, plain = ours, formulation, inputs } = operation;
  return Object.entries(passes).map(([pass, work]) => ({
    subject,
    variant: `${shape}, ${pass}`,
    detail,
    seconds,
    work,
    prepare() {
      const { variables, constants = [] } = inputs(createRng(0));
      const run = (formula: Formula) => (): tf.Tensor[] => {
        if (pass === 'forward') return [tf.tidy(() => formula(variables, constants))];
        return tf.tidy(() => tf.grads((...xs: tf.Tensor[]) => formula(xs, constants))([...variables], dy));
      };
      const result = tf.tidy(() => ours(variables, constants));
      const dy = result.rank === 0 ? undefined : numbers(result.shape, createRng(1));
      result.dispose();
      return {
        contenders: against(run(ours), run(plain), formulation),
        dispose: () => tf.dispose([variables, constants, dy ?? []] as tf.TensorContainer),
      };
    },
  }));
}

/** Ours, and the usual formulation on the kernels that tfjs ships. */
export const against = (ours: () => tf.Tensor[], plain: () => tf.Tensor[], settings: string): readonly Contender[] => [
  { name: 'tsrl', kernels: 'tsrl', compute: ours },
  { name: 'plain tfjs', kernels: 'tfjs', compute: plain, settings },
];

/** Evenly between −1 and 1, times `scale`. */
export function numbers<R extends tf.Rank>(shape: tf.ShapeMap[R], rng: Rng, scale = 1): tf.Tensor<R> {
  const values = Float32Array.from({ length: sizeOf(shape) }, () => scale * (2 * rng.uniform() - 1));
  return tf.tensor(values, shape);
}

/** From 0 to `count` − 1. */
export function ids<R extends tf.Rank>(shape: tf.ShapeMap[R], count: number, rng: Rng): tf.Tensor<R> {
  const values = Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(count * rng.uniform()));
  return tf.tensor(values, shape, 'int32');
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** float32 arrays of these shapes, read or written once. */
export const bytesOf = (...shapes: readonly (readonly number[])[]): number =>
  4 * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
