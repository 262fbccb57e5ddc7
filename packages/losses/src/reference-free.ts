import * as tf from '@tensorflow/tfjs-core';
import type { Loss } from '@tsrl/tensor';
import { expectPairs, type PairInputs } from './pair.js';

/**
 * A pair loss without its reference, as if log π_ref were 0 everywhere: `referenceFree(dpo())` is CPO without its
 * imitation term, `referenceFree(hinge({ beta: 1 }))` the calibration term of SLiC. Its metrics are those of the loss:
 * the rewards are β log π.
 *
 * @throws ShapeError when called
 */
export function referenceFree<Inputs extends PairInputs>(
  loss: Loss<Inputs>,
): Loss<Omit<Inputs, 'refChosenLogProbs' | 'refRejectedLogProbs'>> {
  return (inputs, context) => {
    const pairs = inputs as unknown as PairInputs;
    expectPairs('referenceFree', { chosenLogProbs: pairs.chosenLogProbs, rejectedLogProbs: pairs.rejectedLogProbs });
    return tf.tidy(() => {
      const zero = tf.zeros(pairs.chosenLogProbs.shape);
      return { ...loss({ ...pairs, refChosenLogProbs: zero, refRejectedLogProbs: zero } as Inputs, context) };
    });
  };
}
