import * as tf from '@tensorflow/tfjs-core';
import { type Loss, offPolicyMask, type PolicyInputs } from '@tsrl/losses';
import { highEntropyMask, maskedMean, type PerToken } from '@tsrl/tensor';
import type { DeviceInputs } from '../device.js';
import type { GoldenCase } from '../golden.js';
import { has, numberOf, optionalNumber } from '../inputs.js';

/** What weighs the tokens of a policy loss of TRL. */
export interface Weights {
  /** The masks of it that TRL reports. */
  readonly outputs: Record<string, tf.Tensor>;
  /** The log-probs that the policy's are compared with; VESPO's hold the ratio of sampler and old policy. */
  readonly sampled: PerToken;
  readonly tokenWeights: PerToken | undefined;
}

/** The off-policy mask, the mask of the tokens of high entropy, and the ratio of the policy that sampled. */
export function weightsOf(
  golden: GoldenCase,
  x: DeviceInputs,
  inputs: PolicyInputs,
  { type, byTokens, counts }: { readonly type: string; readonly byTokens: boolean; readonly counts: Float64Array },
): Weights {
  const outputs: Record<string, tf.Tensor> = {};
  let tokenWeights: PerToken | undefined;
  let sampled = inputs.oldLogProbs;
  const weigh = (by: tf.Tensor): void => {
    tokenWeights = tf.mul<PerToken>(tokenWeights ?? tf.onesLike(inputs.mask), by);
  };
  if (optionalNumber(golden, 'off_policy_mask_threshold') !== undefined) {
    const kept = offPolicyMask(inputs, { threshold: numberOf(golden, 'off_policy_mask_threshold') });
    outputs['off_policy_mask'] = byTokens ? kept : tf.max(kept, 1, true);
    weigh(kept);
  }
  const fraction = numberOf(golden, 'top_entropy_quantile', 1);
  if (fraction < 1) {
    outputs['entropy_mask'] = highEntropyMask(x.float('entropies'), inputs.mask, { fraction });
    weigh(outputs['entropy_mask']);
  }
  if (has(golden, 'importance_sampling_ratio')) {
    const ratio = x.float('importance_sampling_ratio');
    const [rows, columns] = inputs.mask.shape;
    // One ratio for the whole response is taken once, so it stands at its first token.
    const once = ratio.shape[1] === 1 && columns > 1 ? tf.tensor2d(firstTokens(counts, columns), [rows, columns]) : 1;
    if (type === 'vespo') sampled = tf.sub<PerToken>(sampled, tf.mul(tf.log(ratio), once));
    else weigh(ratio);
  }
  return { outputs, sampled, tokenWeights };
}

/** 1 for the rows with a token that counts. */
export const rowsOf = (rows: number, columns: number, counts: Float64Array): readonly number[] =>
  Array.from({ length: rows }, (_, row) => Number(counts.subarray(row * columns, (row + 1) * columns).includes(1)));

/** 1 at the first token of each row that counts. */
const firstTokens = (counts: Float64Array, columns: number): Float32Array =>
  Float32Array.from(counts, (m, i) => Number(m === 1 && !counts.subarray(i - (i % columns), i).includes(1)));

/** A batch as one batch for each of its responses. */
const rowByRow = ({ logProbs, oldLogProbs, advantages, mask }: PolicyInputs): PolicyInputs[] =>
  Array.from({ length: mask.shape[0] }, (_, i) => {
    const row = (y: PerToken): PerToken => tf.slice(y, [i, 0], [1, -1]);
    return { logProbs: row(logProbs), oldLogProbs: row(oldLogProbs), advantages: row(advantages), mask: row(mask) };
  });

/** What the metrics need to know of the responses of a batch. */
export interface Responses {
  /** 1 for the rows with a token. */
  readonly alive: readonly number[];
  /** Whether TRL has one number for each response, those without a token among them: their ratio is 1. */
  readonly ofRows: boolean;
  readonly byTokens: boolean;
  /** Whether `delta` keeps the ratio from ever being clipped above. */
  readonly capped: boolean;
}

/** What TRL reports of a loss, by what ours reports of the batch, of one sign of its advantages, and of its rows. */
export function metricsOf(
  type: string,
  loss: Loss<PolicyInputs>,
  inputs: PolicyInputs,
  { alive, ofRows, byTokens, capped }: Responses,
): Record<string, tf.Tensor> {
  const metric = (name: string, of: PolicyInputs): tf.Scalar => {
    const value = loss(of).metrics[name];
    if (value === undefined) throw new Error(`${type} has no metric ${name}`);
    return value;
  };
  const { advantages, mask } = inputs;
  if (type === 'sapo') return {};
  const good = { ...inputs, advantages: capped ? tf.zerosLike(advantages) : tf.maximum<PerToken>(advantages, 0) };
  const bad = { ...inputs, advantages: tf.minimum<PerToken>(advantages, 0) };
  if (type === 'cispo') {
    const ofGood = { ...inputs, mask: tf.mul<PerToken>(mask, tf.cast(tf.greater(advantages, 0), 'float32')) };
    const share = tf.div<tf.Scalar>(tf.sum(ofGood.mask), tf.sum(mask));
    return { 'metrics.cispo_clip_ratio': tf.mul(metric('clipFraction', ofGood), share) };
  }
  if (type === 'vespo') {
    const ofSign = (advantage: number): tf.Tensor2D =>
      tf.stack(
        rowByRow({ ...inputs, advantages: tf.fill<tf.Rank.R2>(advantages.shape, advantage) }).map((row) =>
          tf.reshape(metric('weightMean', row), [1]),
        ),
      ) as tf.Tensor2D;
    const perToken = tf.where<PerToken>(tf.greaterEqual(advantages, 0), ofSign(1), ofSign(-1));
    const zero = tf.zerosLike(perToken);
    if (byTokens) {
      const phi = tf.where<PerToken>(tf.greater(mask, 0), perToken, zero);
      return { phi_seq: phi, 'metrics.vespo/phi_seq_mean': maskedMean(phi, mask) };
    }
    const phi = tf.slice(perToken, [0, 0], [-1, 1]);
    const there = tf.tensor2d([...alive], [alive.length, 1]);
    return {
      phi_seq: tf.mul(phi, there),
      'metrics.vespo/phi_seq_mean': tf.mean(tf.add(tf.mul(phi, there), tf.sub(1, there))),
    };
  }
  const living = (of: PolicyInputs): PolicyInputs[] => rowByRow(of).filter((_, i) => ofRows || alive[i] === 1);
  const each = (of: PolicyInputs): tf.Tensor => {
    const fractions = living(of).map((row) => metric('clipFraction', row));
    return fractions.length === 0 ? tf.zeros([1]) : tf.stack(fractions);
  };
  const share = ofRows ? alive.reduce((sum, one) => sum + one, 0) / alive.length : 1;
  const mean = (of: PolicyInputs): tf.Tensor => tf.mul(metric('clipFraction', of), share);
  return {
    'metrics.clip_ratio/low_mean': mean(bad),
    'metrics.clip_ratio/high_mean': mean(good),
    'metrics.clip_ratio/region_mean': mean(capped ? bad : inputs),
    'metrics.clip_ratio/low_min': tf.min(each(bad)),
    'metrics.clip_ratio/high_max': tf.max(each(good)),
  };
}

/** What TRL reports of the clipping of both sides, extremes over the rows that it reports. */
export function clipMetricsOf(
  loss: Loss<PolicyInputs>,
  inputs: PolicyInputs,
  reported: readonly number[],
): Record<string, tf.Tensor> {
  const rows = rowByRow(inputs);
  const each = (name: string): tf.Tensor => {
    const fractions = reported.map((row) => loss(rows[row] as PolicyInputs).metrics[name] as tf.Scalar);
    return fractions.length === 0 ? tf.zeros([1]) : tf.stack(fractions);
  };
  const { clipLowFraction: low, clipHighFraction: high } = loss(inputs).metrics as Record<string, tf.Scalar>;
  return {
    'metrics.clip_ratio/low_mean': low as tf.Scalar,
    'metrics.clip_ratio/high_mean': high as tf.Scalar,
    'metrics.clip_ratio/region_mean': tf.add(low as tf.Scalar, high as tf.Scalar),
    'metrics.clip_ratio/low_min': tf.min(each('clipLowFraction')),
    'metrics.clip_ratio/high_max': tf.max(each('clipHighFraction')),
  };
}
