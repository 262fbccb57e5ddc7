import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '@tsrl/core';
import { expectSameShape, expectShape, type PerSequence, stopGradient } from '@tsrl/tensor';
import type { ExampleShape } from './entry.js';
import { drawSequences } from './example.js';

/** Feedback on single completions, desirable or not, as BCO and KTO need it. */
export interface UnpairedInputs {
  /** log π(y | x), summed over the tokens of the completion, [B], differentiable. */
  readonly logProbs: PerSequence;
  /** log π_ref(y | x), [B], constant. */
  readonly refLogProbs: PerSequence;
  /** float32 [B], constant: 1 for a desirable completion, 0 for an undesirable one. */
  readonly labels: PerSequence;
}

export function expectUnpaired(who: string, { logProbs, refLogProbs, labels }: UnpairedInputs): void {
  expectShape(who, 'logProbs', logProbs, ['B']);
  expectSameShape(who, { logProbs, refLogProbs, labels });
}

/** Labels on the host are 0 or 1. */
export function expectLabels(who: string, labels: ArrayLike<number>): void {
  const wrong = Array.from(labels).findIndex((label) => label !== 0 && label !== 1);
  if (wrong >= 0) throw new DataError(who, `label ${wrong} must be 0 or 1; got ${labels[wrong]}`);
}

/** Mean of the values of each class, 0 for a class that is not there, without gradient; and how many classes there are. */
export function classMeans(
  values: PerSequence,
  labels: PerSequence,
): { readonly desirable: tf.Scalar; readonly undesirable: tf.Scalar; readonly classes: tf.Scalar } {
  const constant = stopGradient(values);
  const others = tf.sub<PerSequence>(1, labels);
  const mean = (of: PerSequence): tf.Scalar => {
    const count = tf.sum<tf.Scalar>(of);
    return tf.divNoNan<tf.Scalar>(tf.sum(tf.mul(of, constant)), count);
  };
  const present = (of: PerSequence): tf.Tensor => tf.cast(tf.greater(tf.sum(of), 0), 'float32');
  return {
    desirable: mean(labels),
    undesirable: mean(others),
    classes: tf.add<tf.Scalar>(present(labels), present(others)),
  };
}

/** For entries: log-probs of completions, and labels of both kinds. */
export const drawUnpaired = (shape: ExampleShape, draw: { uniform(): number }): UnpairedInputs => ({
  logProbs: drawSequences(shape, () => -3 * draw.uniform()),
  refLogProbs: drawSequences(shape, () => -3 * draw.uniform()),
  labels: drawSequences(shape, () => (draw.uniform() < 0.5 ? 0 : 1)),
});
