import * as tf from '@tensorflow/tfjs-core';
import {
  cispo,
  correctedKl,
  entropyBonus,
  gmpo,
  gspo,
  gspoToken,
  kl,
  luspo,
  objective,
  type PolicyInputs,
  ppoClip,
  sapo,
  scale,
  sequenceRatio,
  sequenceTokenRatio,
  tokenWeighted,
  vespo,
} from '@tsrl/losses';
import {
  type Aggregate,
  highEntropyMask,
  type KlEstimator,
  k3,
  type Loss,
  maskedMean,
  type PerToken,
  type StepContext,
  sequenceMean,
  sequenceSum,
  sequenceSumNorm,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import { through } from '../aggregation.js';
import { type DeviceInputs, onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { flagOf, has, numberOf, optionalNumber, tensorOf, textOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { clipMetricsOf, metricsOf, rowsOf, weightsOf } from './policy-loss-trl-metrics.js';

/** TRL's GRPO trainer: a policy loss, weights of its tokens, a divergence and an entropy, each a part of ours. */
export const policyLossTrlGrpo: Family = { file: 'policy-loss.trl-grpo', run: runGrpo };

/** The same with the ratio of GSPO-token. */
export const policyLossTrlGspoToken: Family = { file: 'policy-loss.trl-gspo-token', run: runGrpo };

function runGrpo(golden: GoldenCase): ReturnType<typeof onDevice> {
  const { data: completion, shape } = tensorOf(golden, 'completion_mask');
  const tools = has(golden, 'tool_mask') ? tensorOf(golden, 'tool_mask').data : undefined;
  const counts = completion.map((m, i) => m * (tools?.[i] ?? 1));
  const type = textOf(golden, 'loss_type');
  const level = textOf(golden, 'importance_sampling_level');
  const beta = numberOf(golden, 'beta', 0);
  const entropyWeight = numberOf(golden, 'entropy_coef', 0);
  const aggregate = aggregateOf(golden, type);
  const context = contextOf(golden, type);
  const share = wholeBatch.includes(type) ? 1 : accumulationShare(golden);
  const build = policyOf(golden, type, level);
  const capped = numberOf(golden, 'delta', Number.POSITIVE_INFINITY) <= 1 + numberOf(golden, 'epsilon_high');
  const [rows = 0, columns = 0] = shape;
  const alive = rowsOf(rows, columns, counts);
  // Advantages of tokens make tokens of what is one number for each response else.
  const byTokens = tensorOf(golden, 'advantages').shape.length === 2 && columns > 1;
  const perRow = byTokens ? counts : alive;
  const perSequence = columns === 1 || (level === 'sequence' && isOfResponses(golden, type));

  const counted = { per_token_loss: counts, per_sequence_loss: alive, off_policy_mask: perRow, phi_seq: perRow };
  return onDevice(golden, { of: 'loss', counts: counted }, (x) => {
    const inputs = {
      ...inputsOf(golden, x),
      mask: tf.tensor2d(Array.from(counts), shape2d(shape), 'float32'),
    };
    // TRL takes [B, 1] for numbers of responses, and masks none of them in what it reports.
    const seen = columns === 1 ? tf.onesLike(inputs.mask) : inputs.mask;
    const { outputs, sampled, tokenWeights } = weightsOf(golden, x, inputs, { type, byTokens, counts });

    const perToken: PerToken[] = [];
    const look = (factor: number): Aggregate =>
      through(aggregate, (losses) => {
        perToken.push(x.keep(tf.mul<PerToken>(losses, factor)));
        return losses;
      });
    const weighted: Loss<PolicyInputs> =
      tokenWeights === undefined
        ? build(look(1))
        : (batch, at) => tokenWeighted(build, { aggregate: look(1) })({ ...batch, tokenWeights }, at);
    const policy: Loss<PolicyInputs> = (batch, at) => weighted({ ...batch, oldLogProbs: sampled }, at);
    const parts: Loss<PolicyInputs>[] = [scale(share, policy)];
    if (beta !== 0) {
      const refLogProbs = x.float('ref_per_token_logps');
      const divergence = divergenceOf(golden, level);
      parts.push((batch, at) => {
        const { loss } = divergence(look(beta))({ ...batch, refLogProbs }, at);
        outputs['metrics.kl'] = x.keep(divergence(tokenMean)({ ...batch, refLogProbs, mask: seen }).loss);
        return { loss: tf.mul(loss, beta * share), metrics: {} };
      });
    }
    const all = objective(Object.fromEntries(parts.map((part, i) => [`part${i}`, part])));
    const { loss } = (all as Loss<PolicyInputs>)(inputs, context);
    outputs['loss'] = loss;
    if (has(golden, 'entropies')) {
      const entropy = x.float('entropies');
      const bonus = scale(entropyWeight * share, entropyBonus());
      outputs['metrics.entropy'] = entropyBonus()({ entropy, mask: seen }).metrics['entropy'] as tf.Tensor;
      if (entropyWeight !== 0) {
        const mask = (outputs['entropy_mask'] ?? inputs.mask) as PerToken;
        const term = bonus({ entropy, mask }, wholeBatch.includes(type) ? context : {}).loss;
        outputs['loss'] = tf.add(loss, term);
        outputs['metrics.policy_loss'] = tf.div(loss, share);
        outputs['metrics.entropy_coef'] = tf.scalar(entropyWeight);
      }
    }

    const sum = tf.addN(perToken.slice(0, parts.length)) as PerToken;
    if (perSequence) outputs['per_sequence_loss'] = tf.expandDims(maskedMean(sum, inputs.mask, { axis: 1 }), 1);
    else outputs['per_token_loss'] = sum;
    const ofRows = level === 'token' && type !== 'vespo' ? false : columns === 1 || (level === 'sequence' && !byTokens);
    // Masks may be weights: with 1 / n every response counts as one, as it does for a ratio of responses.
    const count = tf.expandDims(tf.maximum(tf.sum(inputs.mask, 1), 1), 1);
    const mask = ofRows ? tf.div<PerToken>(inputs.mask, count) : seen;
    const reported = metricsOf(
      type,
      build(aggregate),
      { ...inputs, oldLogProbs: sampled, mask },
      { alive, ofRows, byTokens, capped },
    );
    return { ...outputs, ...reported };
  });
}

const shape2d = (shape: readonly number[]): [number, number] => [...shape] as [number, number];

/** Whether all that a loss of ratios of responses is multiplied with and added to is one number for each response. */
function isOfResponses(golden: GoldenCase, type: string): boolean {
  return (
    type !== 'cispo' &&
    type !== 'vespo' &&
    tensorOf(golden, 'advantages').shape.length === 1 &&
    numberOf(golden, 'beta', 0) === 0 &&
    numberOf(golden, 'top_entropy_quantile', 1) >= 1 &&
    !(has(golden, 'importance_sampling_ratio') && tensorOf(golden, 'importance_sampling_ratio').shape[1] !== 1)
  );
}

type Reference = PolicyInputs & { readonly refLogProbs: PerToken };

/** TRL's divergence, by the ratio of its level where it corrects it. */
function divergenceOf(golden: GoldenCase, level: string): (aggregate: Aggregate) => Loss<Reference> {
  const estimator: KlEstimator = (a, b) => k3(a, b, { clamp: Infinity });
  if (!flagOf(golden, 'use_bias_correction_kl', false)) return (aggregate) => kl({ estimator, aggregate });
  if (level === 'token') return (aggregate) => correctedKl({ aggregate });
  if (level === 'sequence_token') return (aggregate) => sequenceTokenRatio(correctedKl({ aggregate }));
  return (aggregate) => (inputs, context) =>
    sequenceRatio<PolicyInputs>(({ logProbs, mask }, at = {}) => {
      const estimate = zeroMasked(estimator(inputs.logProbs, inputs.refLogProbs), mask);
      return { loss: aggregate(tf.mul<PerToken>(tf.exp(logProbs), estimate), mask, at), metrics: {} };
    })(inputs, context);
}

/** The losses that TRL divides by the tokens of the whole batch, and by nothing else. */
const wholeBatch = ['dapo', 'cispo', 'vespo'];

function aggregateOf(golden: GoldenCase, type: string): Aggregate {
  switch (type) {
    case 'grpo':
    case 'sapo':
      return sequenceMean;
    case 'bnpo':
    case 'dapo':
    case 'cispo':
    case 'vespo':
      return tokenMean;
    case 'dr_grpo':
      return sequenceSumNorm({ length: numberOf(golden, 'max_completion_length') });
    case 'luspo':
      return sequenceSum;
    default:
      throw new UnmappedError(`no loss type is called ${type}`);
  }
}

function contextOf(golden: GoldenCase, type: string): StepContext {
  const sequences = tensorOf(golden, 'completion_mask').shape[0] as number;
  return wholeBatch.includes(type) ? { sequences, tokens: numberOf(golden, 'num_items_in_batch') } : { sequences };
}

const accumulationShare = (golden: GoldenCase): number =>
  golden.params['mode'] === 'eval' ? 1 : 1 / numberOf(golden, 'gradient_accumulation_steps', 1);

/** The policy loss of a type, for any aggregation. */
function policyOf(golden: GoldenCase, type: string, level: string): (aggregate: Aggregate) => Loss<PolicyInputs> {
  const clip = { clipLow: numberOf(golden, 'epsilon_low'), clipHigh: numberOf(golden, 'epsilon_high') };
  const delta = optionalNumber(golden, 'delta');
  if (type === 'vespo') {
    const weight = (sign: string): { k: number; lambda: number } => ({
      k: numberOf(golden, `vespo_k_${sign}`),
      lambda: numberOf(golden, `vespo_lambda_${sign}`),
    });
    return (aggregate) => vespo({ positive: weight('pos'), negative: weight('neg'), aggregate });
  }
  if (type === 'luspo' && level === 'sequence' && delta === undefined)
    return (aggregate) => luspo({ ...clip, aggregate });
  const atLevel = levelOf(level);
  if (type === 'cispo') {
    const byToken = level === 'token' ? atLevel : sequenceTokenRatio<PolicyInputs>;
    return (aggregate) => byToken(cispo({ maxRatio: clip.clipHigh, aggregate }));
  }
  if (type === 'sapo') {
    const temperatures = {
      positiveTemperature: numberOf(golden, 'sapo_temperature_pos'),
      negativeTemperature: numberOf(golden, 'sapo_temperature_neg'),
    };
    return (aggregate) => atLevel(sapo({ ...temperatures, aggregate }));
  }
  if (delta === undefined && level === 'sequence') return (aggregate) => gspo({ ...clip, aggregate });
  if (delta === undefined && level === 'sequence_token') return (aggregate) => gspoToken({ ...clip, aggregate });
  const logRatioRange = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  // TRL takes the smaller of ratio and delta first: what is good counts no more than delta either.
  const bounds = delta === undefined ? clip : { ...clip, clipHigh: Math.min(clip.clipHigh, delta - 1) };
  const dualClip = delta === undefined ? {} : { dualClip: Math.max(delta, 1 + clip.clipHigh) };
  const options = { ...bounds, logRatioRange, ...dualClip };
  return (aggregate) => atLevel(ppoClip({ ...options, aggregate }));
}

function levelOf(level: string): (loss: Loss<PolicyInputs>) => Loss<PolicyInputs> {
  if (level === 'token') return (loss) => loss;
  if (level === 'sequence') return sequenceRatio;
  if (level === 'sequence_token') return sequenceTokenRatio;
  throw new UnmappedError(`no level of ratios is called ${level}`);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function inputsOf(golden: GoldenCase, x: DeviceInputs): Mutable<PolicyInputs> {
  const logProbs = x.float<PerToken>('per_token_logps');
  const advantages = x.float<tf.Tensor>('advantages');
  return {
    logProbs,
    oldLogProbs: has(golden, 'old_per_token_logps') ? x.float('old_per_token_logps') : stopGradient(logProbs),
    advantages:
      advantages.rank === 2
        ? (advantages as PerToken)
        : tf.broadcastTo<tf.Rank.R2>(tf.expandDims(advantages, 1), logProbs.shape),
    mask: x.float('completion_mask'),
  };
}

/** TRL's GMPO: every row counts as a response; the tokens of low entropy do not count at all. */
export const policyLossTrlGmpo: Family = {
  file: 'policy-loss.trl-gmpo',
  run(golden) {
    const { shape, data: counts } = tensorOf(golden, 'completion_mask');
    const [sequences = 0, columns = 0] = shape;
    const alive = rowsOf(sequences, columns, counts);
    const clip = { clipLow: numberOf(golden, 'epsilon_low'), clipHigh: numberOf(golden, 'epsilon_high') };
    const beta = numberOf(golden, 'beta', 0);
    const fraction = numberOf(golden, 'top_entropy_quantile', 1);
    return onDevice(golden, { of: 'loss' }, (x) => {
      const given = inputsOf(golden, x);
      // TRL takes [B, 1] for numbers of responses, and masks none of them in what it reports.
      const seen = columns === 1 ? tf.onesLike(given.mask) : given.mask;
      const outputs: Record<string, tf.Tensor> = {};
      const inputs = { ...given };
      if (has(golden, 'entropies')) {
        const { metrics } = entropyBonus()({ entropy: x.float('entropies'), mask: seen });
        outputs['metrics.entropy'] = metrics['entropy'] as tf.Tensor;
      }
      if (fraction < 1) {
        outputs['entropy_mask'] = highEntropyMask(x.float('entropies'), given.mask, { fraction });
        inputs.mask = outputs['entropy_mask'] as PerToken;
      }
      const perSequence: tf.Tensor[] = [];
      const look =
        (factor: number): Aggregate =>
        (losses, mask, context) => {
          perSequence.push(x.keep(tf.mul(maskedMean(losses, mask, { axis: 1 }), factor)));
          return sequenceMean(losses, mask, context);
        };
      const { loss } = gmpo({ ...clip, aggregate: look(1) })(inputs, { sequences });
      outputs['loss'] = loss;
      if (beta !== 0) {
        const divergence = (aggregate: Aggregate): Loss<Reference> =>
          kl({ estimator: (a, b) => k3(a, b, { clamp: Infinity }), aggregate });
        const reference = { ...given, refLogProbs: x.float<PerToken>('ref_per_token_logps') };
        outputs['loss'] = tf.add(loss, tf.mul(divergence(look(beta))(reference, { sequences }).loss, beta));
        outputs['metrics.kl'] = divergence(tokenMean)({ ...reference, mask: seen }).loss;
      }
      outputs['loss'] = tf.mul(outputs['loss'], accumulationShare(golden));
      outputs['per_sequence_loss'] = tf.addN(perSequence);

      const reported = alive.flatMap((one, row) => (one === 1 || columns === 1 ? [row] : []));
      return { ...outputs, ...clipMetricsOf(gmpo(clip), { ...given, mask: seen }, reported) };
    });
  },
};
