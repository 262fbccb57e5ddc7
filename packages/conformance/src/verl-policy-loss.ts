import type * as tf from '@tensorflow/tfjs-core';
import { type PolicyInputs, tokenWeighted } from '@tsrl/losses';
import { type Aggregate, k1, type Loss, type LossResult, maskedMean, tokenMean } from '@tsrl/tensor';
import { type BatchInfo, through, verlAggregate } from './aggregation.js';
import { onDevice } from './device.js';
import type { GoldenCase } from './golden.js';
import { has, tensorOf, textOf } from './inputs.js';
import type { Computed } from './outcome.js';

/** What tells the policy losses of verl apart. */
export interface VerlPolicyLoss {
  /** The loss for an aggregation. Built before any input is read, as the source refuses bad options first. */
  build(aggregate: Aggregate): Loss<PolicyInputs>;
  /** The aggregation, where the loss has a fixed one; otherwise the parameter `loss_agg_mode` names it. */
  readonly mode?: string;
  /** Whether the log-ratio is taken as it is in the metric `ppo_kl`, and not within [-20, 20]. */
  readonly openKl?: boolean;
  /** verl's metrics from ours; `ppo_kl` is there without it. */
  metrics?(ours: LossResult['metrics']): Readonly<Record<string, tf.Scalar>>;
}

/**
 * A policy loss of verl: the same inputs, aggregation, weights, intermediate losses and metrics for all. Ours multiplies
 * rollout weights into the losses of tokens by `tokenWeighted`.
 */
export function verlPolicyLoss(
  golden: GoldenCase,
  { build, mode, openKl = false, metrics = () => ({}) }: VerlPolicyLoss,
): Promise<Computed> {
  build(tokenMean);
  const info = (golden.params['global_batch_info'] ?? {}) as BatchInfo;
  const aggregate = verlAggregate(mode ?? textOf(golden, 'loss_agg_mode'), info);
  const weighted = has(golden, 'rollout_is_weights');
  const old = has(golden, 'rollout_log_prob') ? 'rollout_log_prob' : 'old_log_prob';
  const counts = tensorOf(golden, 'response_mask').data;
  return onDevice(golden, { of: 'loss', counts: { per_token_loss: counts } }, (x) => {
    let perToken: tf.Tensor | undefined;
    const seen = through(aggregate, (losses) => {
      perToken = x.keep(losses);
      return losses;
    });
    const inputs: PolicyInputs = {
      logProbs: x.float('log_prob'),
      oldLogProbs: x.float(old),
      advantages: x.float('advantages'),
      mask: x.float('response_mask'),
    };
    const result = weighted
      ? tokenWeighted(build, { aggregate: seen })({ ...inputs, tokenWeights: x.float('rollout_is_weights') })
      : build(seen)(inputs);
    return {
      loss: result.loss,
      per_token_loss: perToken as tf.Tensor,
      'metrics.ppo_kl': maskedMean(
        k1(inputs.oldLogProbs, inputs.logProbs, openKl ? { clamp: Infinity } : {}),
        inputs.mask,
      ),
      ...Object.fromEntries(Object.entries(metrics(result.metrics)).map(([name, x]) => [`metrics.${name}`, x])),
    };
  });
}
