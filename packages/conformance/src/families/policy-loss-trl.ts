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
  offPolicyMask,
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
} from '@tsrl/tensor';
import { through } from '../aggregation.js';
import { type DeviceInputs, onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { flagOf, has, numberOf, optionalNumber, tensorOf, textOf } from '../inputs.js';
import type { Family } from '../outcome.js';

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

  return onDevice(golden, { of: 'loss', counts: { per_token_loss: counts } }, (x) => {
    const inputs = {
      ...inputsOf(golden, x),
      mask: tf.tensor2d(Array.from(counts), [...shape] as [number, number], 'float32'),
    };
    const outputs: Record<string, tf.Tensor> = {};
    let weights: PerToken | undefined;
    const weigh = (by: tf.Tensor): void => {
      weights = tf.mul<PerToken>(weights ?? tf.onesLike(inputs.mask), by);
    };
    if (optionalNumber(golden, 'off_policy_mask_threshold') !== undefined) {
      const kept = offPolicyMask(inputs, { threshold: numberOf(golden, 'off_policy_mask_threshold') });
      outputs['off_policy_mask'] = tf.max(kept, 1, true);
      weigh(kept);
    }
    const fraction = numberOf(golden, 'top_entropy_quantile', 1);
    if (fraction < 1) {
      outputs['entropy_mask'] = highEntropyMask(x.float('entropies'), inputs.mask, { fraction });
      weigh(outputs['entropy_mask']);
    }
    if (has(golden, 'importance_sampling_ratio')) {
      const ratio = x.float('importance_sampling_ratio');
      if (type === 'vespo') inputs.oldLogProbs = tf.sub<PerToken>(inputs.oldLogProbs, tf.log(ratio));
      else weigh(ratio);
    }

    const perToken: PerToken[] = [];
    const look = (factor: number): Aggregate =>
      through(aggregate, (losses) => {
        perToken.push(x.keep(tf.mul<PerToken>(losses, factor)));
        return losses;
      });
    const tokenWeights = weights;
    const policy: Loss<PolicyInputs> =
      tokenWeights === undefined
        ? build(look(1))
        : (batch, at) => tokenWeighted(build, { aggregate: look(1) })({ ...batch, tokenWeights }, at);
    const parts: Loss<PolicyInputs>[] = [scale(share, policy)];
    if (beta !== 0) {
      const refLogProbs = x.float('ref_per_token_logps');
      const divergence = flagOf(golden, 'use_bias_correction_kl', false)
        ? correctedKl({ aggregate: look(beta) })
        : kl({ estimator: (a, b) => k3(a, b, { clamp: Infinity }), aggregate: look(beta) });
      parts.push((batch, at) => {
        const { loss, metrics } = divergence({ ...batch, refLogProbs }, at);
        outputs['metrics.kl'] = x.keep(metrics['kl'] as tf.Tensor);
        return { loss: tf.mul(loss, beta * share), metrics: {} };
      });
    }
    const all = objective(Object.fromEntries(parts.map((part, i) => [`part${i}`, part])));
    const { loss } = (all as Loss<PolicyInputs>)(inputs, context);
    outputs['loss'] = loss;
    if (has(golden, 'entropies')) {
      const entropy = { entropy: x.float('entropies'), mask: inputs.mask };
      const bonus = scale(
        entropyWeight * share,
        entropyBonus({ aggregate: (losses, mask) => tokenMean(losses, mask) }),
      );
      const { loss: term, metrics } = bonus(entropy);
      outputs['metrics.entropy'] = metrics['entropy'] as tf.Tensor;
      if (entropyWeight !== 0) {
        outputs['loss'] = tf.add(loss, term);
        outputs['metrics.policy_loss'] = loss;
        outputs['metrics.entropy_coef'] = tf.scalar(entropyWeight);
      }
    }

    const sum = tf.addN(perToken.slice(0, parts.length)) as PerToken;
    const perSequence = shape[1] === 1 || (level === 'sequence' && type !== 'cispo' && parts.length === 1 && !weights);
    if (perSequence) outputs['per_sequence_loss'] = tf.expandDims(maskedMean(sum, inputs.mask, { axis: 1 }), 1);
    else outputs['per_token_loss'] = sum;
    const count = tf.expandDims(tf.maximum(tf.sum(inputs.mask, 1), 1), 1);
    // Masks may be weights: with 1 / n every response counts as one, as it does for a ratio of responses.
    const mask = level === 'sequence' ? tf.div<PerToken>(inputs.mask, count) : inputs.mask;
    return { ...outputs, ...metricsOf(type, build(aggregate), { ...inputs, mask }) };
  });
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
  const options = { ...clip, logRatioRange, ...(delta === undefined ? {} : { dualClip: delta }) };
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

/** What TRL reports of a loss, by what ours reports of the batch, of one sign of its advantages, and of its rows. */
function metricsOf(type: string, loss: Loss<PolicyInputs>, inputs: PolicyInputs): Record<string, tf.Tensor> {
  const metric = (name: string, of: PolicyInputs): tf.Scalar => {
    const value = loss(of).metrics[name];
    if (value === undefined) throw new Error(`${type} has no metric ${name}`);
    return value;
  };
  const { advantages, mask } = inputs;
  const rows = (of: PolicyInputs): PolicyInputs[] =>
    Array.from({ length: mask.shape[0] }, (_, i) => {
      const row = (y: PerToken): PerToken => tf.slice(y, [i, 0], [1, -1]);
      const { logProbs, oldLogProbs } = of;
      return {
        logProbs: row(logProbs),
        oldLogProbs: row(oldLogProbs),
        advantages: row(of.advantages),
        mask: row(mask),
      };
    });
  if (type === 'sapo') return {};
  const good = { ...inputs, advantages: tf.maximum<PerToken>(advantages, 0) };
  const bad = { ...inputs, advantages: tf.minimum<PerToken>(advantages, 0) };
  if (type === 'cispo') {
    const ofGood = { ...inputs, mask: tf.mul<PerToken>(mask, tf.cast(tf.greater(advantages, 0), 'float32')) };
    const share = tf.div<tf.Scalar>(tf.sum(ofGood.mask), tf.sum(mask));
    return { 'metrics.cispo_clip_ratio': tf.mul(metric('clipFraction', ofGood), share) };
  }
  if (type === 'vespo') {
    return {
      phi_seq: tf.stack(rows(inputs).map((row) => tf.reshape(metric('weightMean', row), [1]))),
      'metrics.vespo/phi_seq_mean': metric('weightMean', inputs),
    };
  }
  const each = (of: PolicyInputs): tf.Tensor => tf.stack(rows(of).map((row) => metric('clipFraction', row)));
  return {
    'metrics.clip_ratio/low_mean': metric('clipFraction', bad),
    'metrics.clip_ratio/high_mean': metric('clipFraction', good),
    'metrics.clip_ratio/region_mean': metric('clipFraction', inputs),
    'metrics.clip_ratio/low_min': tf.min(each(bad)),
    'metrics.clip_ratio/high_max': tf.max(each(good)),
  };
}

/** TRL's GMPO: every row counts as a response; the tokens of low entropy do not count at all. */
export const policyLossTrlGmpo: Family = {
  file: 'policy-loss.trl-gmpo',
  run(golden) {
    const sequences = tensorOf(golden, 'completion_mask').shape[0] as number;
    const clip = { clipLow: numberOf(golden, 'epsilon_low'), clipHigh: numberOf(golden, 'epsilon_high') };
    const beta = numberOf(golden, 'beta', 0);
    const fraction = numberOf(golden, 'top_entropy_quantile', 1);
    return onDevice(golden, { of: 'loss' }, (x) => {
      const given = inputsOf(golden, x);
      const outputs: Record<string, tf.Tensor> = {};
      const inputs = { ...given };
      if (has(golden, 'entropies')) {
        const { metrics } = entropyBonus()({ entropy: x.float('entropies'), mask: given.mask });
        outputs['metrics.entropy'] = metrics['entropy'] as tf.Tensor;
      }
      if (fraction < 1) {
        outputs['entropy_mask'] = highEntropyMask(x.float('entropies'), given.mask, { fraction });
        inputs.mask = outputs['entropy_mask'] as PerToken;
      }
      const perSequence: tf.Tensor[] = [];
      const look = (factor: number): Aggregate =>
        through(sequenceMean, (losses) => {
          perSequence.push(x.keep(tf.mul(maskedMean(losses, inputs.mask, { axis: 1 }), factor)));
          return losses;
        });
      const { loss } = gmpo({ ...clip, aggregate: look(1) })(inputs, { sequences });
      outputs['loss'] = loss;
      if (beta !== 0) {
        const divergence = kl({ estimator: (a, b) => k3(a, b, { clamp: Infinity }), aggregate: look(beta) });
        const term = divergence({ ...inputs, refLogProbs: x.float('ref_per_token_logps') }, { sequences });
        outputs['loss'] = tf.add(loss, tf.mul(term.loss, beta));
        outputs['metrics.kl'] = term.metrics['kl'] as tf.Tensor;
      }
      outputs['loss'] = tf.mul(outputs['loss'], accumulationShare(golden));
      outputs['per_sequence_loss'] = tf.addN(perSequence);

      const metric = (name: string, row?: number): tf.Tensor => {
        const part = (y: PerToken): PerToken => (row === undefined ? y : tf.slice(y, [row, 0], [1, -1]));
        const { logProbs, oldLogProbs, advantages, mask } = given;
        const { metrics } = gmpo(clip)({
          logProbs: part(logProbs),
          oldLogProbs: part(oldLogProbs),
          advantages: part(advantages),
          mask: part(mask),
        });
        return metrics[name] as tf.Tensor;
      };
      const rows = (name: string): tf.Tensor =>
        tf.stack(Array.from({ length: sequences }, (_, row) => metric(name, row)));
      const [low, high] = [metric('clipLowFraction'), metric('clipHighFraction')];
      return {
        ...outputs,
        'metrics.clip_ratio/low_mean': low,
        'metrics.clip_ratio/high_mean': high,
        'metrics.clip_ratio/region_mean': tf.add(low, high),
        'metrics.clip_ratio/low_min': tf.min(rows('clipLowFraction')),
        'metrics.clip_ratio/high_max': tf.max(rows('clipHighFraction')),
      };
    });
  },
};
