import { type OptimalTokenBaselineOptions, optimalTokenBaseline } from '@tsrl/advantages';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, numberOf, tensorOf } from '../inputs.js';
import type { Family } from '../outcome.js';

const baseline = (file: string, align: Required<OptimalTokenBaselineOptions>['align'], zeroTail: boolean): Family => ({
  file,
  run(golden) {
    const mask = gridOf(golden, 'response_mask');
    const { data, strings } = tensorOf(golden, 'index');
    const { advantages, returns } = optimalTokenBaseline(
      {
        rewards: gridOf(golden, 'token_level_rewards'),
        logProbs: gridOf(golden, 'old_log_probs'),
        sumSquaredProbs: gridOf(golden, 'sum_pi_squared'),
        mask,
        groups: strings ?? data,
        ...(flagOf(golden, 'use_rollout_is_weights', false) && { weights: gridOf(golden, 'rollout_is_weights') }),
      },
      {
        align,
        zeroTail: flagOf(golden, 'handle_zero_tail', zeroTail),
        epsilon: numberOf(golden, 'epsilon', 1e-8),
        singleton: 'raw',
      },
    );
    return onHost({ advantages: values(advantages, mask), returns: values(returns, mask) });
  },
});

export const optimalTokenBaselineVerl: Family = baseline('advantages.optimal-token-baseline', 'column', false);

export const optimalTokenBaselineTir: Family = baseline('advantages.tir-optimal-token-baseline', 'token', true);
