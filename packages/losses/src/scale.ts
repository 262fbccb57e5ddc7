import * as tf from '@tensorflow/tfjs-core';
import { OptionError, type Schedule } from '@tsrl/core';
import type { Loss, StepContext } from '@tsrl/tensor';
import { tokenTermsOf, withTokenTerms } from './token-terms.js';

/**
 * A loss times a weight: a number, or a schedule that is asked at `context.step`.
 *
 * An objective reports the term as it enters the sum; the metric `unscaled` is the loss before any weight. For a
 * weight that adapts, rebuild the objective: it is a closure and costs nothing.
 *
 * @throws OptionError when built with a weight that is not finite; when called without `context.step` for a schedule
 */
export function scale<Inputs>(weight: number | Schedule, loss: Loss<Inputs>): Loss<Inputs> {
  if (typeof weight === 'number' && !Number.isFinite(weight)) {
    throw new OptionError('scale', 'weight', 'finite', weight);
  }
  const factorOf = ({ step }: StepContext): number => (typeof weight === 'number' ? weight : weight(stepOf(step)));
  const scaled: Loss<Inputs> = (inputs, context = {}) =>
    tf.tidy(() => {
      const { loss: unscaled, metrics } = loss(inputs, context);
      return { loss: tf.mul<tf.Scalar>(unscaled, factorOf(context)), metrics: { unscaled, ...metrics } };
    });
  const terms = tokenTermsOf(loss);
  if (!terms) return scaled;
  return withTokenTerms(scaled, (context) => {
    const factor = factorOf(context);
    return terms(context).map((term) => ({
      ...term,
      slope: (x: number, values: Float32Array, at: number) => factor * term.slope(x, values, at),
    }));
  });
}

function stepOf(step: number | undefined): number {
  if (step === undefined) throw new OptionError('scale', 'context.step', 'given for a weight on a schedule', step);
  return step;
}
