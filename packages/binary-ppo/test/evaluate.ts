import * as tf from '@tensorflow/tfjs-core';
import type { Grid } from '@tsrl/core';
import type { LossResult, StepContext } from '@tsrl/tensor';
import * as fc from 'fast-check';
import type { BinaryPpo, BinaryPpoColumns, BinaryPpoInputs } from '../src/index.ts';

export interface Evaluated {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Gradients in the logits and, where they are given, in the values and the log-masses. */
  readonly slopes: Float32Array;
  readonly valueSlopes: Float32Array | undefined;
  readonly massSlopes: Float32Array | undefined;
}

export const f32 = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true }).map((x) => Math.fround(x));

export const rowsOf = ({ data }: Grid): [number, number][] =>
  Array.from({ length: data.length / 2 }, (_, i) => [data[2 * i] as number, data[2 * i + 1] as number]);

/** The loss at these logits and values: its metrics, and its gradients in both. */
export async function evaluate(
  { loss }: Pick<BinaryPpo, 'loss'>,
  columns: BinaryPpoColumns,
  logits: ArrayLike<number>,
  values?: ArrayLike<number>,
  context?: StepContext,
  mass?: ArrayLike<number>,
): Promise<Evaluated> {
  const grid = ({ data, rows, columns: width }: Grid): tf.Tensor2D =>
    tf.tensor2d(Float32Array.from(data), [rows, width]);
  let metrics: LossResult['metrics'] = {};
  const kept: tf.Tensor[] = [];
  const { value, grads } = tf.tidy(() => {
    const fixed = {
      labels: tf.tensor1d(Float32Array.from(columns.labels)),
      oldLogProbs: grid(columns.oldLogProbs),
      weights: grid(columns.weights),
      advantages: grid(columns.advantages),
      returns: grid(columns.returns),
      ...(columns.oldValues && { oldValues: tf.tensor1d(Float32Array.from(columns.oldValues)) }),
      ...(columns.refLogits && { refLogits: tf.tensor1d(Float32Array.from(columns.refLogits)) }),
      ...(columns.refLogMass && { refLogMass: tf.tensor1d(Float32Array.from(columns.refLogMass)) }),
    };
    const run = (z: tf.Tensor, ...others: tf.Tensor[]): tf.Scalar => {
      const [v, m] = [values && others.shift(), mass && others.shift()] as (tf.Tensor1D | undefined)[];
      const inputs: BinaryPpoInputs = {
        logits: z as tf.Tensor1D,
        ...(v && { values: v }),
        ...(m && { logMass: m }),
        ...fixed,
      };
      const result = loss(inputs, context);
      metrics = Object.fromEntries(
        Object.entries(result.metrics).map(([name, metric]) => [name, tf.keep(tf.clone(metric))]),
      );
      kept.push(...Object.values(metrics));
      // tfjs refuses a gradient in what is not used, and values are not, unless there is a value head.
      return v ? tf.add(result.loss, tf.mul(0, tf.sum(v))) : result.loss;
    };
    const at = [logits, ...(values ? [values] : []), ...(mass ? [mass] : [])].map((x) =>
      tf.tensor1d(Float32Array.from(x)),
    );
    return tf.valueAndGrads(run as (...args: tf.Tensor[]) => tf.Scalar)(at);
  });
  const floats = async (of: tf.Tensor | undefined): Promise<Float32Array | undefined> => of?.data<'float32'>();
  const result = {
    loss: (await value.data())[0] as number,
    metrics: Object.fromEntries(
      await Promise.all(
        Object.entries(metrics).map(async ([name, m]) => [name, (await m.data())[0] as number] as const),
      ),
    ),
    slopes: (await floats(grads[0])) as Float32Array,
    valueSlopes: await floats(values && grads[1]),
    massSlopes: await floats(mass && grads.at(-1)),
  };
  tf.dispose([value, ...grads, ...kept]);
  return result;
}
