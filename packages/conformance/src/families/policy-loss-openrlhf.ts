import type * as tf from '@tensorflow/tfjs-core';
import { type RolloutWeightsOptions, rolloutRejection, rolloutWeights } from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { type PolicyInputs, ppoClip, sequenceRatio, tokenWeighted } from '@tsrl/losses';
import { type Aggregate, k1, type Loss, maskedMean, toTensor } from '@tsrl/tensor';
import { type BatchInfo, openRlhfAggregate } from '../aggregation.js';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { flagOf, gridOf, has, numberOf, optionalNumber } from '../inputs.js';
import type { Family } from '../outcome.js';

/** PPO's clip or GSPO's, with the correction for the engine that sampled. GSPO always averages the responses. */
export const policyLossOpenRlhf: Family = {
  file: 'policy-loss.openrlhf',
  run(golden) {
    const ofSequences = golden.params['policy_loss_type'] === 'gspo';
    const tokenLevel = !ofSequences && flagOf(golden, 'token_level_loss', true);
    const aggregate = openRlhfAggregate(tokenLevel, (golden.params['batch_info'] ?? {}) as BatchInfo);
    const dualClip = optionalNumber(golden, 'dual_clip');
    const options = {
      clipLow: numberOf(golden, 'clip_eps_low', 0.2),
      clipHigh: numberOf(golden, 'clip_eps_high', 0.2),
      ...(dualClip !== undefined && { dualClip }),
    };
    const build = (each: Aggregate): Loss<PolicyInputs> => {
      const clipped = ppoClip({ ...options, aggregate: each });
      return ofSequences ? sequenceRatio(clipped) : clipped;
    };
    const weights = flagOf(golden, 'enable_vllm_is_correction', false) ? correction(golden) : undefined;
    return onDevice(golden, { of: 'loss' }, (x) => {
      const inputs: PolicyInputs = {
        logProbs: x.float('log_probs'),
        oldLogProbs: x.float('old_log_probs'),
        advantages: x.float('advantages'),
        mask: x.float('action_mask'),
      };
      const { loss, metrics } = weights
        ? tokenWeighted(build, { aggregate })({ ...inputs, tokenWeights: toTensor(weights) })
        : build(aggregate)(inputs);
      return {
        loss,
        clip_ratio: metrics['clipFraction'] as tf.Scalar,
        ppo_kl: maskedMean(k1(inputs.oldLogProbs, inputs.logProbs), inputs.mask),
        ...(has(golden, 'rollout_log_probs') && {
          vllm_kl: maskedMean(k1(x.float<tf.Tensor2D>('rollout_log_probs'), inputs.oldLogProbs), inputs.mask),
        }),
      };
    });
  },
};

/** Truncated, or masked outside, by token; `seq-mask-tis` keeps the ratios of the responses whose geometric mean fits. */
function correction(golden: GoldenCase): Grid {
  const inputs = {
    logProbs: gridOf(golden, 'old_log_probs'),
    rolloutLogProbs: gridOf(golden, 'rollout_log_probs'),
    mask: gridOf(golden, 'action_mask'),
  };
  const [lower, upper] = golden.params['vllm_is_truncated_threshold'] as [number, number];
  const kind = golden.params['vllm_is_correction_type'] ?? 'tis';
  const outside: Readonly<Record<string, RolloutWeightsOptions['outside']>> = { tis: 'truncate', icepop: 'mask' };
  if (outside[String(kind)])
    return rolloutWeights(inputs, { lower, upper, outside: outside[String(kind)] as 'mask' }).weights;
  if (kind !== 'seq-mask-tis') throw new UnmappedError(`no correction is called ${kind}`);
  const { weights } = rolloutWeights(inputs, { upper: Number.POSITIVE_INFINITY });
  // The bounds are those of π / μ, k1 is the logarithm of μ / π.
  const rule = { estimate: 'k1', over: 'mean', lower: -Math.log(upper), upper: -Math.log(lower) } as const;
  const { mask } = rolloutRejection(inputs, { rules: [rule] });
  return { ...weights, data: weights.data.map((w, i) => w * (mask.data[i] as number)) };
}
