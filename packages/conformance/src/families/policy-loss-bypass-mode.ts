import * as tf from '@tensorflow/tfjs-core';
import { type PolicyInputs, ppoClip, reinforce, tokenWeighted } from '@tsrl/losses';
import { k1, maskedMean } from '@tsrl/tensor';
import { type BatchInfo, verlAggregate } from '../aggregation.js';
import { onDevice } from '../device.js';
import type { GoldenCase, GoldenTensor } from '../golden.js';
import { numberOf, tensorOf, textOf } from '../inputs.js';
import type { Family, Values } from '../outcome.js';
import { rolloutCorrectionVerl } from './rollout-correction.js';

/**
 * verl's training without a forward pass of the old policy: that of the rollout stands for it, and the correction comes
 * from the policy as it is now. The weights and the rejection are those of its rollout correction.
 */
export const policyLossBypassMode: Family = {
  file: 'policy-loss.bypass-mode',
  async run(golden) {
    const params = golden.params['rollout_correction'] as GoldenCase['params'];
    const weights = params['rollout_is'] == null ? undefined : await corrected(golden, params, 'weights');
    const kept = params['rollout_rs'] == null ? undefined : await corrected(golden, params, 'mask');
    const aggregate = verlAggregate(
      textOf(golden, 'loss_agg_mode'),
      (golden.params['global_batch_info'] ?? {}) as BatchInfo,
    );
    const reinforced = params['loss_type'] === 'reinforce';
    const clip = numberOf(golden, 'clip_ratio');
    const clipped = ppoClip({
      clipLow: numberOf(golden, 'clip_ratio_low', clip),
      clipHigh: numberOf(golden, 'clip_ratio_high', clip),
      dualClip: numberOf(golden, 'clip_ratio_c', 3),
      aggregate,
    });
    const weighted = tokenWeighted((each) => reinforce({ aggregate: each }), { aggregate });
    const computed = await onDevice(golden, { of: 'loss' }, (x) => {
      const inputs: PolicyInputs = {
        logProbs: x.float('log_prob'),
        oldLogProbs: x.float('old_log_prob'),
        advantages: x.float('advantages'),
        mask: kept ? asTensor(kept) : x.float('response_mask'),
      };
      const { loss, metrics } = reinforced
        ? weights
          ? weighted({ ...inputs, tokenWeights: asTensor(weights) })
          : reinforce({ aggregate })(inputs)
        : clipped(inputs);
      const { clipFraction, dualClipFraction } = metrics;
      return {
        loss,
        'metrics.ppo_kl': maskedMean(
          k1(inputs.oldLogProbs, inputs.logProbs, reinforced ? { clamp: Infinity } : {}),
          inputs.mask,
        ),
        ...(clipFraction && { 'metrics.pg_clipfrac': clipFraction }),
        ...(dualClipFraction && { 'metrics.pg_clipfrac_lower': dualClipFraction }),
      };
    });
    const effective = kept ?? tensorOf(golden, 'response_mask');
    const given = { effective_mask: effective, ...(weights && { rollout_is_weights: weights }) };
    return { ...computed, outputs: { ...computed.outputs, ...given } };
  },
};

const functions = { weights: 'compute_rollout_correction_weights', mask: 'compute_rollout_rejection_mask' } as const;

/** What the mapping of rollout correction gives for the log-ratio of this case. */
async function corrected(
  golden: GoldenCase,
  params: GoldenCase['params'],
  output: keyof typeof functions,
): Promise<Values> {
  const [now, rollout] = [tensorOf(golden, 'log_prob'), tensorOf(golden, 'old_log_prob')];
  const logRatio: GoldenTensor = { ...now, data: now.data.map((x, i) => x - (rollout.data[i] as number)) };
  const outcome = await rolloutCorrectionVerl.run({
    ...golden,
    function: functions[output],
    inputs: { log_ratio: logRatio, response_mask: tensorOf(golden, 'response_mask') },
    params,
  });
  if (outcome.kind !== 'computed') throw new Error(outcome.reason);
  return outcome.outputs[output] as Values;
}

const asTensor = ({ shape, data }: Values): tf.Tensor2D =>
  tf.tensor2d(Float32Array.from(data), [...shape] as [number, number]);
