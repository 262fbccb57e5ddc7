import { discountedReturns, gae, normalizeAdvantages, placeOutcome, whiten } from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { k1, k2, k3 } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Family, type Mapped } from '../outcome.js';

/** Masked tokens are skipped; whitened over the mask. */
export const gaeVerl: Family = {
  file: 'advantages.gae.verl',
  run(golden) {
    const mask = gridOf(golden, 'response_mask');
    const { advantages, returns } = gae(
      { rewards: gridOf(golden, 'token_level_rewards'), values: gridOf(golden, 'values'), mask },
      { gamma: numberOf(golden, 'gamma'), lambda: numberOf(golden, 'lam') },
    );
    return onHost({
      advantages: values(whiten(advantages, mask), mask),
      returns: values(returns, mask),
      raw_advantages: values(advantages, mask),
    });
  },
};

/** Masked tokens are steps of reward and value 0, here and in the sources below. */
const zeroed = (golden: GoldenCase, lambda: string, mask: Grid): ReturnType<typeof gae> =>
  gae(
    { rewards: gridOf(golden, 'rewards'), values: gridOf(golden, 'values'), mask },
    { gamma: numberOf(golden, 'gamma'), lambda: numberOf(golden, lambda), masked: 'zero' },
  );

const toGo = (golden: GoldenCase, mask: Grid): Grid =>
  discountedReturns({ rewards: gridOf(golden, 'rewards'), mask }, { gamma: numberOf(golden, 'gamma'), masked: 'zero' });

export const gaeOpenRlhf: Family = byFunction('advantages.gae.openrlhf', {
  get_advantages_and_returns(golden) {
    const mask = gridOf(golden, 'action_mask');
    const { advantages, returns } = zeroed(golden, 'lambd', mask);
    return onHost({ advantages: values(advantages, mask), returns: values(returns, mask) });
  },
  get_cumulative_returns(golden) {
    const mask = gridOf(golden, 'action_mask');
    return onHost({ returns: values(toGo(golden, mask), mask) });
  },
});

export const gaeHalos: Family = {
  file: 'advantages.gae.halos',
  run(golden) {
    const mask = gridOf(golden, 'masks');
    const { advantages, returns } = zeroed(golden, 'lam', mask);
    return onHost({
      advantages: values(whiten(advantages, mask, { variance: 'population' })),
      returns: values(returns, mask),
      discounted_future_rewards: values(toGo(golden, mask), mask),
    });
  },
};

export const gaeSpo: Family = {
  file: 'advantages.gae.spo',
  run(golden) {
    const mask = gridOf(golden, 'mask');
    if (flagOf(golden, 'whiten_rewards', false)) throw new UnmappedError('no mapping of whiten_rewards');
    const { advantages } = zeroed(golden, 'lam', mask);
    const scaled = flagOf(golden, 'whiten_advantages', false)
      ? whiten(advantages, mask)
      : flagOf(golden, 'grayen_advantages', false)
        ? normalizeAdvantages({ advantages, weights: mask }, { mode: 'scale', variance: 'sample' }).advantages
        : advantages;
    return onHost({ advantages: values(scaled, mask), rewards_to_go: values(toGo(golden, mask), mask) });
  },
};

const trlEstimators = { k1, k2, k3 };

/** The whole chain of TRL: the penalty of each token, the score behind the last, GAE, whitening. */
export const gaeTrlPpo: Family = {
  file: 'advantages.gae.trl-ppo',
  async run(golden): Promise<Mapped> {
    const lengths = tensorOf(golden, 'sequence_lengths').data;
    const states = gridOf(golden, 'values');
    /** 1 up to the last kept token, and up to `more` tokens behind it. */
    const upTo = (more: number): Grid => ({
      ...states,
      data: states.data.map((_, i) =>
        i % states.columns <= (lengths[Math.floor(i / states.columns)] as number) + more ? 1 : 0,
      ),
    });
    const tokens = upTo(0);
    const visited = upTo(1);
    const penalty = await penaltyTrl(golden, tokens);

    const outcome = placeOutcome(tensorOf(golden, 'scores').data, visited);
    const sum: Grid = { ...states, data: penalty.data.map((p, i) => p + (outcome.data[i] as number)) };
    const rewards = flagOf(golden, 'whiten_rewards', false) ? whiten(sum, visited, { shiftMean: false }) : sum;
    const { advantages, returns } = gae(
      { rewards, values: states, mask: visited },
      { gamma: numberOf(golden, 'gamma'), lambda: numberOf(golden, 'lam'), masked: 'zero' },
    );
    const complement = (mask: Grid): Grid => ({ ...mask, data: mask.data.map((m) => 1 - m) });
    return onHost(
      {
        advantages: values(whiten(advantages, tokens)),
        returns: values(returns),
        rewards: values(rewards),
        non_score_reward: values(penalty),
        masked_values: values({ ...states, data: states.data.map((v, i) => (visited.data[i] === 1 ? v : 0)) }),
        padding_mask: values(complement(tokens)),
        padding_mask_p1: values(complement(visited)),
      },
      { precision: 'float32' },
    );
  },
};

/** −coefficient · kl of each token that counts. */
async function penaltyTrl(golden: GoldenCase, tokens: Grid): Promise<Grid> {
  const name = textOf(golden, 'kl_estimator');
  const estimate = Object.entries(trlEstimators).find(([known]) => known === name)?.[1];
  if (estimate === undefined) throw new UnmappedError(`no estimator is called ${name}`);
  const { outputs } = await onDevice({ ...golden, gradients: {} }, { of: 'kl' }, (x) => ({
    kl: estimate(x.float('logprobs'), x.float('ref_logprobs'), { clamp: Number.POSITIVE_INFINITY }),
  }));
  const coefficient = numberOf(golden, 'kl_coef');
  return {
    ...tokens,
    data: Float64Array.from(outputs['kl']?.data ?? [], (kl, i) => (tokens.data[i] === 1 ? -coefficient * kl : 0)),
  };
}
