import {
  type AdvantageResult,
  consecutiveGroups,
  type GroupIds,
  gpg,
  grpo,
  opo,
  passKTop1,
  primeRloo,
  reinforcePlusPlus,
  reinforcePlusPlusBaseline,
  remax,
  rloo,
  spread,
} from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import type { GoldenCase } from '../golden.js';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, numberOf, tensorOf } from '../inputs.js';
import type { Computed, Family } from '../outcome.js';

/** What verl's estimators of responses take. The score of a response is the sum over all tokens, masked ones too. */
interface Responses {
  readonly rewards: Float64Array;
  readonly groups: GroupIds;
  readonly mask: Grid;
}

function responsesOf(golden: GoldenCase): Responses {
  return {
    rewards: rowSums(gridOf(golden, 'token_level_rewards')),
    groups: idsOf(golden, 'index'),
    mask: gridOf(golden, 'response_mask'),
  };
}

const rowSums = ({ rows, columns, data }: Grid): Float64Array =>
  Float64Array.from({ length: rows }, (_, row) =>
    data.subarray(row * columns, (row + 1) * columns).reduce((sum, x) => sum + x, 0),
  );

/** Ids of groups: text or numbers. */
export function idsOf(golden: GoldenCase, name: string): GroupIds {
  const { strings, data } = tensorOf(golden, name);
  return strings ?? data;
}

/** A family whose cases are advantages of responses, on their tokens, and returns that are the same. */
const spreadFamily = (
  file: string,
  estimate: (responses: Responses, golden: GoldenCase) => AdvantageResult<Float64Array>,
): Family => ({
  file,
  run(golden) {
    const responses = responsesOf(golden);
    const advantages = values(spread(estimate(responses, golden).advantages, responses.mask));
    return onHost({ advantages, returns: advantages });
  },
});

const scaleOf = (golden: GoldenCase): { scale: 'group' | 'none'; epsilon: number } => ({
  scale: flagOf(golden, 'norm_adv_by_std_in_grpo', true) ? 'group' : 'none',
  epsilon: numberOf(golden, 'epsilon', 1e-6),
});

export const grpoVerl: Family = spreadFamily('advantages.grpo', (responses, golden) =>
  grpo(responses, { ...scaleOf(golden), singleton: 'raw' }),
);

/** Epsilon is also the least variance. */
export const grpoVectorized: Family = spreadFamily('advantages.grpo-vectorized', (responses, golden) => {
  const { scale, epsilon } = scaleOf(golden);
  return grpo(responses, { scale, epsilon, minVariance: epsilon, singleton: 'raw' });
});

export const grpoPassK: Family = spreadFamily('advantages.grpo-passk', (responses, golden) =>
  passKTop1(responses, { ...scaleOf(golden), singleton: 'throw' }),
);

export const rlooVerl: Family = spreadFamily('advantages.rloo', (responses) => rloo(responses, { singleton: 'raw' }));

export const rlooVectorized: Family = spreadFamily('advantages.rloo-vectorized', (responses) => rloo(responses));

export const opoVerl: Family = spreadFamily('advantages.opo', (responses) => opo(responses, { singleton: 'raw' }));

export const gpgVerl: Family = spreadFamily('advantages.gpg', (responses, golden) =>
  gpg(responses, { alpha: 'nonzero-rewards', normalizer: numberOf(golden, 'f_norm', 1), singleton: 'raw' }),
);

export const reinforcePlusPlusBaselineVerl: Family = spreadFamily(
  'advantages.reinforce-plus-plus-baseline',
  (responses) => reinforcePlusPlusBaseline(responses, { singleton: 'raw' }),
);

/** The sources do not mask the returns, and ReMax not the advantages. */
const onTokens = (
  { advantages, returns }: { readonly advantages: Grid; readonly returns: Grid },
  mask: Grid,
): Computed => onHost({ advantages: values(advantages, mask), returns: values(returns, mask) });

export const reinforcePlusPlusVerl: Family = {
  file: 'advantages.reinforce-plus-plus',
  run(golden) {
    const mask = gridOf(golden, 'response_mask');
    const inputs = { rewards: gridOf(golden, 'token_level_rewards'), mask };
    return onTokens(reinforcePlusPlus(inputs, { gamma: numberOf(golden, 'gamma', 1), masked: 'reset' }), mask);
  },
};

export const remaxVerl: Family = {
  file: 'advantages.remax',
  run(golden) {
    const mask = gridOf(golden, 'response_mask');
    const baselines = tensorOf(golden, 'reward_baselines').data;
    return onTokens(remax({ rewards: gridOf(golden, 'token_level_rewards'), baselines, mask }), mask);
  },
};

export const primeRlooVerl: Family = {
  file: 'advantages.prime-rloo',
  run(golden) {
    const mask = gridOf(golden, 'response_mask');
    const inputs = {
      processRewards: gridOf(golden, 'rm_scores'),
      rewards: tensorOf(golden, 'acc').data,
      groups: consecutiveGroups(mask.rows, numberOf(golden, 'n_samples')),
      mask,
    };
    const weights = {
      processWeight: numberOf(golden, 'reward_dpo_coef'),
      outcomeWeight: numberOf(golden, 'reward_gt_coef'),
    };
    return onTokens(primeRloo(inputs, weights), mask);
  },
};
