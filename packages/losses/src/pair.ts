import * as tf from '@tensorflow/tfjs-core';
import type { Rng } from '@tsrl/core';
import {
  expectSameShape,
  expectShape,
  type Loss,
  type PerSequence,
  type StepContext,
  stopGradient,
} from '@tsrl/tensor';
import { type Divergence, reverseKl } from './divergence.js';
import type { ExampleShape } from './entry.js';
import { drawLogProb, drawSequences } from './example.js';
import { expectPositive } from './option-checks.js';

/** Two responses to each prompt, the first preferred; `sequenceLogProbs` makes the log-probs from those of tokens. */
export interface PairLogProbs {
  /** log π(y_w | x), summed over the tokens of the response, [B], differentiable. */
  readonly chosenLogProbs: PerSequence;
  /** log π(y_l | x), [B], differentiable. */
  readonly rejectedLogProbs: PerSequence;
  /** Weight of each pair, [B], constant; 1 if left out. The sum of the losses is divided by B, not by their sum. */
  readonly weights?: PerSequence;
}

/** Pairs with what a reference says of them. */
export interface PairInputs extends PairLogProbs {
  /** log π_ref(y_w | x), [B], constant. */
  readonly refChosenLogProbs: PerSequence;
  /** log π_ref(y_l | x), [B], constant. */
  readonly refRejectedLogProbs: PerSequence;
}

/** Tokens of each response, float32 [B], constant; less than 1 counts as 1. */
export interface PairLengths {
  readonly chosenLengths: PerSequence;
  readonly rejectedLengths: PerSequence;
}

/** What losses of pairs with a reference have in common. Not for export, and neither is the rest below. */
export interface PairScoring {
  /** β > 0. */
  readonly beta: number;
  /** What becomes of the log-ratios before they are compared; default `reverseKl`, which leaves them as they are. */
  readonly divergence?: Divergence | undefined;
}

/** The loss of each pair from s_w = s(log π/π_ref of the chosen), s_l and the chosen log-ratio itself, all without β. */
export type PairTerm = (chosen: PerSequence, rejected: PerSequence, chosenRatio: PerSequence) => PerSequence;

/** Mean over the pairs of a term of their scores. */
export function pairLoss(who: string, { beta, divergence = reverseKl }: PairScoring, term: PairTerm): Loss<PairInputs> {
  expectPositive(who, 'beta', beta);
  return (inputs, context = {}) => {
    expectPairs(who, inputs);
    return tf.tidy(() => {
      const [chosen, rejected] = logRatios(inputs);
      const losses = term(divergence(chosen), divergence(rejected), chosen);
      return pairResult(losses, inputs, context, { beta, chosen, rejected });
    });
  };
}

/** The same with the score of a response divided by its length. */
export function normalizedPairLoss(
  who: string,
  { beta, divergence = reverseKl }: PairScoring,
  term: PairTerm,
): Loss<PairInputs & PairLengths> {
  expectPositive(who, 'beta', beta);
  return (inputs, context = {}) => {
    expectPairs(who, inputs);
    expectLengths(who, inputs);
    return tf.tidy(() => {
      const [chosen, rejected] = logRatios(inputs);
      const losses = term(
        perLength(divergence(chosen), inputs.chosenLengths),
        perLength(divergence(rejected), inputs.rejectedLengths),
        chosen,
      );
      return pairResult(losses, inputs, context, { beta, chosen, rejected });
    });
  };
}

function logRatios(inputs: PairInputs): [PerSequence, PerSequence] {
  return [
    tf.sub<PerSequence>(inputs.chosenLogProbs, inputs.refChosenLogProbs),
    tf.sub<PerSequence>(inputs.rejectedLogProbs, inputs.refRejectedLogProbs),
  ];
}

export const perLength = (x: PerSequence, lengths: PerSequence): PerSequence =>
  tf.div<PerSequence>(x, tf.maximum(lengths, 1));

/** β times a number per response is its implicit reward. */
interface Implicit {
  readonly beta: number;
  readonly chosen: PerSequence;
  readonly rejected: PerSequence;
}

/** The weighted mean of the losses, and the metrics of all pair losses. */
export function pairResult(
  losses: PerSequence,
  { weights, chosenLogProbs }: PairLogProbs,
  { sequences }: StepContext,
  { beta, chosen, rejected }: Implicit,
): { loss: tf.Scalar; metrics: Record<string, tf.Scalar> } {
  const total = tf.sum<tf.Scalar>(weights === undefined ? losses : tf.mul(losses, weights));
  const [better, worse] = [tf.mul(stopGradient(chosen), beta), tf.mul(stopGradient(rejected), beta)];
  return {
    loss: tf.div<tf.Scalar>(total, sequences ?? chosenLogProbs.size),
    metrics: {
      chosenReward: tf.mean<tf.Scalar>(better),
      rejectedReward: tf.mean<tf.Scalar>(worse),
      margin: tf.mean<tf.Scalar>(tf.sub(better, worse)),
      accuracy: tf.mean<tf.Scalar>(tf.cast(tf.greater(better, worse), 'float32')),
    },
  };
}

/** Everything that is given must be [B], B at least 1. */
export function expectPairs(who: string, inputs: PairLogProbs | PairInputs): void {
  const { chosenLogProbs, rejectedLogProbs, weights } = inputs;
  expectShape(who, 'chosenLogProbs', chosenLogProbs, ['B']);
  expectSameShape(who, { chosenLogProbs, rejectedLogProbs });
  if ('refChosenLogProbs' in inputs) {
    const { refChosenLogProbs, refRejectedLogProbs } = inputs;
    expectSameShape(who, { chosenLogProbs, refChosenLogProbs, refRejectedLogProbs });
  }
  if (weights !== undefined) expectSameShape(who, { chosenLogProbs, weights });
}

export function expectLengths(who: string, inputs: PairLogProbs & PairLengths): void {
  const { chosenLogProbs, chosenLengths, rejectedLengths } = inputs;
  expectSameShape(who, { chosenLogProbs, chosenLengths, rejectedLengths });
}

/** (1 − ε) softplus(−x) + ε softplus(x), without the cancellation of the two. */
export function smoothedLogistic(x: PerSequence, smoothing: number): PerSequence {
  const loss = tf.softplus<PerSequence>(tf.neg(x));
  return smoothing === 0 ? loss : tf.add<PerSequence>(loss, tf.mul(x, smoothing));
}

/** For entries. */
export const drawPairLogProbs = (shape: ExampleShape, rng: Rng): Omit<PairLogProbs, 'weights'> => ({
  chosenLogProbs: drawSequences(shape, drawLogProb(rng)),
  rejectedLogProbs: drawSequences(shape, drawLogProb(rng)),
});

export const drawPairs = (shape: ExampleShape, rng: Rng): PairInputs => ({
  ...drawPairLogProbs(shape, rng),
  refChosenLogProbs: drawSequences(shape, drawLogProb(rng)),
  refRejectedLogProbs: drawSequences(shape, drawLogProb(rng)),
  weights: drawSequences(shape, () => 2 * rng.uniform()),
});

const drawLength =
  ({ tokens }: ExampleShape, rng: Rng) =>
  (): number =>
    1 + Math.floor(tokens * rng.uniform());

export const drawLengths = (shape: ExampleShape, rng: Rng): PairLengths => ({
  chosenLengths: drawSequences(shape, drawLength(shape, rng)),
  rejectedLengths: drawSequences(shape, drawLength(shape, rng)),
});
