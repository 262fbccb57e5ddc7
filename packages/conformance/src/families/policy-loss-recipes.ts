import * as tf from '@tensorflow/tfjs-core';
import {
  bestOfNWeights,
  binaryCrossEntropy,
  flowRl,
  gvpo,
  implicitRewardContrast,
  oppositeMeans,
  pairAccuracy,
  sequenceLogProbs,
  sppo,
} from '@tsrl/losses';
import { maskedMean, type PerSequence, type PerToken } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

/** The losses of verl's recipes. */
export const policyLossRecipes: Family = byFunction('policy-loss.recipes', {
  /** Summed over the rows and divided by n − 1: our mean over rows times the number of groups. */
  compute_policy_loss_gvpo: (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const mask = x.float('response_mask');
      const { loss } = gvpo({ beta: numberOf(golden, 'beta') })(
        {
          logProbs: x.float('log_prob'),
          oldLogProbs: x.float('old_log_prob'),
          advantages: rowMeans(x.float('advantages'), mask),
          groups: x.ids<tf.Tensor1D>('uid'),
          mask,
        },
        { sequences: numberOf(golden, 'n') },
      );
      return { loss };
    }),
  compute_flowrl: (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const mask = x.float('response_mask');
      const { loss } = flowRl({ beta: numberOf(golden, 'beta') })(
        {
          logProbs: x.float('log_prob'),
          oldLogProbs: x.float('old_log_prob'),
          refLogProbs: x.float('ref_log_prob'),
          logPartition: tf.squeeze(x.float('log_z'), [1]),
          rewards: rowMeans(x.float('reward'), mask),
          mask,
        },
        { sequences: mask.shape[0] },
      );
      return { loss };
    }),
  compute_sppo_loss: (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const [logProbs, oldLogProbs, mask] = [x.float('log_prob'), x.float('old_log_prob'), x.float('response_mask')];
      const { loss } = sppo({ eta: numberOf(golden, 'eta') })({
        logProbs,
        oldLogProbs,
        advantages: x.float<PerSequence>('rewards'),
        mask,
      });
      return { loss, log_ratios: sequenceLogProbs(tf.sub(logProbs, oldLogProbs), mask) };
    }),
  compute_ce_dpo_loss_rm: (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const score = sequenceLogProbs(x.float('token_level_scores'), x.float('response_mask'));
      const logits = tf.mul<PerSequence>(score, numberOf(golden, 'beta'));
      return { loss: binaryCrossEntropy()({ logits, labels: x.float<PerSequence>('acc') }).loss };
    }),
  /** Its mean over the rows where it has no weights, its sum over them where it has. */
  compute_detach_dpo_loss_rm(golden) {
    const labels = tensorOf(golden, 'acc').data;
    const [groupScores, groupLabels] = [rowsOf(golden, 'Q_bc'), rowsOf(golden, 'acc_bc')];
    const baselines = oppositeMeans({ labels, groupScores, groupLabels });
    const mode = textOf(golden, 'bon_mode');
    const weights = weightsOf(golden, mode, groupScores, groupLabels);
    return onDevice(golden, { of: 'loss' }, (x) => {
      const { loss } = implicitRewardContrast({ beta: numberOf(golden, 'beta') })(
        {
          scores: x.float('token_level_scores'),
          mask: x.float('response_mask'),
          labels: x.float<PerSequence>('acc'),
          baselines: vector(baselines),
          weights: vector(weights),
        },
        { sequences: mode === 'none' ? labels.length : 1 },
      );
      return { loss };
    });
  },
  compute_dpo_accuracy(golden) {
    const perGroup = numberOf(golden, 'n_samples');
    const labels = tensorOf(golden, 'acc').data;
    const groups = labels.map((_, i) => Math.floor(i / perGroup));
    return onHost({ accuracy: { shape: [], data: [pairAccuracy({ scores: scoresOf(golden), labels, groups })] } });
  },
});

const rowMeans = (x: PerToken, mask: PerToken): PerSequence => maskedMean(x, mask, { axis: 1 }) as PerSequence;

const vector = (numbers: Float64Array): PerSequence => tf.tensor1d(Array.from(numbers), 'float32');

function rowsOf(golden: GoldenCase, name: string): readonly Float64Array[] {
  const { rows, columns, data } = gridOf(golden, name);
  return Array.from({ length: rows }, (_, i) => data.subarray(i * columns, (i + 1) * columns));
}

/** Sums of the scores of tokens. */
function scoresOf(golden: GoldenCase): Float64Array {
  const mask = rowsOf(golden, 'response_mask');
  return Float64Array.from(rowsOf(golden, 'token_level_scores'), (row, i) =>
    row.reduce((sum, score, t) => sum + score * (mask[i]?.[t] as number), 0),
  );
}

function weightsOf(
  golden: GoldenCase,
  mode: string,
  groupScores: readonly Float64Array[],
  groupLabels: readonly Float64Array[],
): Float64Array {
  const labels = tensorOf(golden, 'acc').data;
  if (mode === 'none') return labels.map(() => 1);
  if (mode === 'bon_rm') return bestOfNWeights(scoresOf(golden), groupScores);
  if (mode === 'bon_acc') return bestOfNWeights(labels, groupLabels);
  throw new UnmappedError(`no weights are called ${mode}`);
}
