import * as tf from '@tensorflow/tfjs-core';
import { StateError, toSchedule } from '@tsrl/core';
import { binaryCrossEntropy, objective, scale, valueLoss } from '@tsrl/losses';
import { type BinaryScores, type Loss, type PerToken, sequenceSum } from '@tsrl/tensor';
import { answerEntropyBonus } from './answer-entropy.js';
import { answerLogProbs } from './answers.js';
import type { BinaryPpoOptions, Coefficient } from './options.js';
import { referenceKl } from './reference-kl.js';
import { clippedSurrogate } from './surrogate.js';

/** What the loss needs of a minibatch of B examples. */
export interface BinaryPpoInputs extends BinaryScores {
  readonly labels: tf.Tensor1D;
  readonly oldLogProbs: tf.Tensor2D;
  readonly weights: tf.Tensor2D;
  readonly advantages: tf.Tensor2D;
  readonly returns: tf.Tensor2D;
  readonly oldValues?: tf.Tensor1D;
  readonly refLogits?: tf.Tensor1D;
  readonly refLogMass?: tf.Tensor1D;
}

/** L = L_policy + α L_value + β L_supervised − γ H + β_kl L_kl, with the terms whose coefficients are not 0. */
export function totalLoss({
  baseline,
  clipLow = 0.2,
  clipHigh = clipLow,
  dualClip,
  valueCoefficient = 0.5,
  valueClip,
  supervisedCoefficient = 0.1,
  supervisedLoss = binaryCrossEntropy(),
  entropyCoefficient = 0.01,
  klCoefficient = 0,
  klDirection = 'forward',
  warmupSteps = 0,
  invalidReward,
}: BinaryPpoOptions): Loss<BinaryPpoInputs> {
  const surrogate = clippedSurrogate({ clipLow, clipHigh, dualClip });
  const terms: Record<string, Loss<ActionInputs>> = {
    policy: warmupSteps === 0 ? surrogate : scale(afterWarmup(1, warmupSteps, 0), surrogate),
  };
  const add = (name: string, coefficient: Coefficient, term: Loss<ActionInputs>, warmup = 0): void => {
    const weight = afterWarmup(coefficient, warmupSteps, warmup);
    if (weight !== 0) terms[name] = scale(weight, term);
  };
  const value = { factor: 1, aggregate: sequenceSum };
  const fit = valueClip === undefined ? valueLoss(value) : valueLoss({ ...value, clip: valueClip });
  if (baseline === 'valueHead') add('value', valueCoefficient, fit);
  add('supervised', supervisedCoefficient, supervisedLoss, 1);
  add('entropy', entropyCoefficient, answerEntropyBonus);
  add('reference', klCoefficient, referenceKl(klDirection));
  const total: Loss<ActionInputs> = objective(terms);
  return ({ logMass, ...inputs }, context) =>
    tf.tidy(() => {
      if (invalidReward === undefined) return { ...total(toActions(inputs), context) };
      if (!logMass) throw new StateError('binaryPpo', 'invalidReward needs a policy that gives logMass');
      const { loss, metrics } = total(toActions({ ...inputs, logMass }), context);
      return { loss, metrics: { ...metrics, mass: tf.mean<tf.Scalar>(tf.exp(logMass)) } };
    });
}

/** The weight of a term in a run whose first steps are a warm-up, in which it is `warmup`. */
function afterWarmup(coefficient: Coefficient, steps: number, warmup: number): Coefficient {
  if (steps === 0 || coefficient === warmup) return coefficient;
  const then = toSchedule(coefficient);
  return (step) => (step < steps ? warmup : then(step));
}

/** A minibatch in the shapes of the losses over tokens: a row per example, a column per action. */
interface ActionInputs extends Omit<BinaryScores, 'values'> {
  readonly labels: tf.Tensor1D;
  readonly logProbs: PerToken;
  readonly oldLogProbs: PerToken;
  readonly advantages: PerToken;
  readonly mask: PerToken;
  readonly values: PerToken;
  readonly oldValues: PerToken;
  readonly returns: PerToken;
  readonly refLogits: tf.Tensor1D;
  readonly refLogMass?: tf.Tensor1D;
}

function toActions({ weights, values, oldValues, refLogits, ...inputs }: BinaryPpoInputs): ActionInputs {
  const { logits, returns } = inputs;
  const actions = weights.shape[1];
  const each = (x: tf.Tensor1D): PerToken => tf.tile(tf.expandDims(x, 1), [1, actions]) as PerToken;
  return {
    ...inputs,
    logProbs: answerLogProbs(inputs),
    mask: weights,
    // Read by the value term alone, which is there only with a value head.
    values: values ? each(values) : returns,
    oldValues: oldValues ? each(oldValues) : returns,
    // Read by the divergence from the reference alone.
    refLogits: refLogits ?? logits,
  };
}
