import * as tf from '@tensorflow/tfjs-core';
import { type Loss, type PairInputs, type PairLogProbs, sequenceLogProbs } from '@tsrl/losses';
import {
  type NextTokenBatch,
  type PerSequence,
  type PerToken,
  selectiveLogSoftmax,
  shiftForNextToken,
} from '@tsrl/tensor';
import type { DeviceInputs } from './device.js';
import { metric, oneByOne } from './one-by-one.js';

/** What a loss says of each pair alone, each [B]. */
export interface PairByPair {
  readonly losses: tf.Tensor1D;
  readonly chosenRewards: tf.Tensor1D;
  readonly rejectedRewards: tf.Tensor1D;
}

/** Runs a loss on batches of one pair. */
export function pairByPair<Inputs extends PairLogProbs>(loss: Loss<Inputs>, inputs: Inputs): PairByPair {
  return {
    losses: oneByOne(loss, inputs),
    chosenRewards: oneByOne(loss, inputs, { take: metric('chosenReward') }),
    rejectedRewards: oneByOne(loss, inputs, { take: metric('rejectedReward') }),
  };
}

/** The log-probs of pairs as most sources name them. */
export const pairLogProbs = (x: DeviceInputs): PairLogProbs => ({
  chosenLogProbs: x.float<tf.Tensor1D>('policy_chosen_logps'),
  rejectedLogProbs: x.float<tf.Tensor1D>('policy_rejected_logps'),
});

export const pairInputs = (x: DeviceInputs): PairInputs => ({
  ...pairLogProbs(x),
  refChosenLogProbs: x.float<tf.Tensor1D>('reference_chosen_logps'),
  refRejectedLogProbs: x.float<tf.Tensor1D>('reference_rejected_logps'),
});

/** Rows of several responses, the first of each prompt above the second and so on, in blocks of B rows. */
export const block = <T extends tf.Tensor>(x: T, index: number, blocks: number): T => {
  const rows = (x.shape[0] as number) / blocks;
  return tf.slice(x, index * rows, rows);
};

/** Logits of rows of responses, and which of the next tokens count. */
export interface Responses extends NextTokenBatch {
  /** log π of the tokens, [B, S − 1]. */
  readonly logProbs: PerToken;
}

/** Aligned with what the logits predict. */
export function responses(batch: NextTokenBatch): Responses {
  const next = shiftForNextToken(batch);
  return { ...next, logProbs: selectiveLogSoftmax(next.logits, next.ids) };
}

/** Sums and lengths of the responses of one block. */
export function blockOf(
  { logProbs, mask }: Pick<Responses, 'logProbs' | 'mask'>,
  index: number,
  blocks: number,
): { readonly logProbs: PerSequence; readonly lengths: PerSequence } {
  const counts = block(mask, index, blocks);
  return { logProbs: sequenceLogProbs(block(logProbs, index, blocks), counts), lengths: tf.sum(counts, 1) };
}
