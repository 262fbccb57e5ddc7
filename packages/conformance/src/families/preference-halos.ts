import * as tf from '@tensorflow/tfjs-core';
import {
  bradleyTerry,
  dpo,
  humanline,
  ipo,
  kto,
  type Loss,
  type PairInputs,
  sequenceLogProbs,
  simpo,
  slic,
} from '@tsrl/losses';
import { type PerSequence, type PerToken, stopGradient } from '@tsrl/tensor';
import { type DeviceInputs, onDevice } from '../device.js';
import type { GoldenCase } from '../golden.js';
import { flagOf, numberOf } from '../inputs.js';
import { oneByOne } from '../one-by-one.js';
import { byFunction, type Family } from '../outcome.js';
import { pairByPair } from '../pairs.js';

interface Side {
  readonly logProbs: PerSequence;
  readonly refLogProbs: PerSequence;
  /** Tokens whose log-ratio is not exactly 0: what the source divides by. */
  readonly lengths: PerSequence;
}

/** The responses of one side; padding holds 0, and the source adds it like any token. */
function side(golden: GoldenCase, x: DeviceInputs, name: string, reference = true): Side {
  const policy = x.float<PerToken>(`policy_${name}_logps`);
  const ref = reference ? x.float<PerToken>(`reference_${name}_logps`) : stopGradient(tf.zerosLike(policy));
  const bounds = { logLow: numberOf(golden, 'log_epsilon_P', 0), logHigh: numberOf(golden, 'log_epsilon_R', 0) };
  const logProbs = flagOf(golden, 'humanline') ? humanline(policy, ref, bounds) : policy;
  const differs = tf.cast(tf.notEqual(stopGradient(policy), stopGradient(ref)), 'float32');
  const every = stopGradient(tf.onesLike(ref));
  return {
    logProbs: sequenceLogProbs(logProbs, every),
    refLogProbs: sequenceLogProbs(ref, every),
    lengths: tf.maximum<PerSequence>(tf.sum(differs, 1), 1),
  };
}

function pairsOf(golden: GoldenCase, x: DeviceInputs, { means = false, reference = true } = {}): PairInputs {
  const [chosen, rejected] = [side(golden, x, 'chosen', reference), side(golden, x, 'rejected', reference)];
  const of = (sums: PerSequence, { lengths }: Side): PerSequence => (means ? tf.div(sums, lengths) : sums);
  return {
    chosenLogProbs: of(chosen.logProbs, chosen),
    rejectedLogProbs: of(rejected.logProbs, rejected),
    refChosenLogProbs: of(chosen.refLogProbs, chosen),
    refRejectedLogProbs: of(rejected.refLogProbs, rejected),
  };
}

/** The reward that a source logs is a factor of ours. */
function outputs(loss: Loss<PairInputs>, pairs: PairInputs, factor: number): Record<string, tf.Tensor> {
  const { losses, chosenRewards, rejectedRewards } = pairByPair(loss, pairs);
  return {
    losses,
    mean_loss: loss(pairs).loss,
    chosen_rewards: tf.mul(chosenRewards, factor),
    rejected_rewards: tf.mul(rejectedRewards, factor),
  };
}

export const preferenceHalos: Family = byFunction('preference.halos', {
  'DPOTrainer.loss': (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) =>
      outputs(dpo({ beta: numberOf(golden, 'beta') }), pairsOf(golden, x), 1),
    ),
  'CDPOTrainer.loss': (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) => {
      const loss = dpo({ beta: numberOf(golden, 'beta'), labelSmoothing: numberOf(golden, 'epsilon') });
      return outputs(loss, pairsOf(golden, x), 1);
    }),
  'IPOTrainer.loss': (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) => {
      const tau = numberOf(golden, 'tau');
      return outputs(ipo({ beta: tau }), pairsOf(golden, x, { means: true }), 1 / tau);
    }),
  'SimPOTrainer.loss': (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) => {
      const beta = numberOf(golden, 'beta');
      const loss = simpo({ beta, gamma: beta * numberOf(golden, 'gamma_beta_ratio') });
      const pairs = pairsOf(golden, x, { means: true, reference: false });
      const ofMeans: Loss<PairInputs> = (inputs) => {
        const one = tf.onesLike(inputs.chosenLogProbs);
        return loss({ ...inputs, chosenLengths: one, rejectedLengths: one });
      };
      return outputs(ofMeans, pairs, 1 / beta);
    }),
  'SLiCTrainer.loss': (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) => {
      const { chosenLogProbs, rejectedLogProbs } = pairsOf(golden, x, { reference: false });
      const loss = slic({
        targetMargin: 1 / numberOf(golden, 'beta'),
        imitationWeight: numberOf(golden, 'lambda_coef'),
      });
      return { mean_loss: loss({ chosenLogProbs, rejectedLogProbs, targetLogProbs: chosenLogProbs }).loss };
    }),
  'KTOTrainer.loss': (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) => {
      const [chosen, rejected, others] = [
        side(golden, x, 'chosen'),
        side(golden, x, 'rejected'),
        side(golden, x, 'KL'),
      ];
      const labels = tf.concat1d([tf.onesLike(chosen.refLogProbs), tf.zerosLike(rejected.refLogProbs)]);
      const loss = kto({
        beta: numberOf(golden, 'beta'),
        desirableWeight: numberOf(golden, 'desirable_weight'),
        undesirableWeight: numberOf(golden, 'undesirable_weight'),
      });
      const inputs = {
        logProbs: tf.concat1d([chosen.logProbs, rejected.logProbs]),
        refLogProbs: tf.concat1d([chosen.refLogProbs, rejected.refLogProbs]),
        labels,
        klLogProbs: others.logProbs,
        refKlLogProbs: others.refLogProbs,
      };
      const { loss: mean, metrics } = loss(inputs);
      const losses = oneByOne(loss, inputs, { ofBatch: ['klLogProbs', 'refKlLogProbs'] });
      return { losses, mean_loss: mean, KL: metrics['kl'] as tf.Scalar };
    }),
  /** A classifier of two classes; the log-odds of the second are the score. */
  'BradleyTerryTrainer.loss': (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const score = (name: string): PerSequence =>
        tf.squeeze(tf.slice(x.float(name), [0, 1], [-1, 1]), [1]) as PerSequence;
      const scores = { chosenScores: score('chosen_logits'), rejectedScores: score('rejected_logits') };
      return { loss: bradleyTerry()(scores).loss };
    }),
});
