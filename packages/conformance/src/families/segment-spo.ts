import {
  cutpointStarts,
  discountedReturns,
  fixedStarts,
  gae,
  grpo,
  monteCarloValue,
  normalizeAdvantages,
  probabilityMask,
  rloo,
  segmentSpo,
} from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { CaseError, type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { numberOf, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Computed, type Family, type Values } from '../outcome.js';
import { idsOf } from './group-advantages.js';

const vector = (data: ArrayLike<number>): Values => ({ shape: [data.length], data });
const row = (data: ArrayLike<number>): Grid => ({ rows: 1, columns: data.length, data: Float64Array.from(data) });
const ones = (length: number): Grid => row(new Float64Array(length).fill(1));

/** One response, cut at `starts`. The source counts cuts by the token before them; a value that is missing is NaN. */
function chain(golden: GoldenCase, starts: Grid): Computed & { readonly advantages: Grid } {
  const score = numberOf(golden, 'score');
  const cuts = Array.from(starts.data.keys()).filter((at) => starts.data[at] === 1);
  const given = tensorOf(golden, 'cutpoint_values').data;
  if (given.length !== cuts.length) throw new CaseError(`${cuts.length} cuts, but ${given.length} values`);
  const before = new Float64Array(starts.columns);
  const after = new Float64Array(starts.columns).fill(Number.NaN);
  cuts.forEach((at, i) => {
    before[at] = given[i] as number;
    if (at > 0) after[at - 1] = given[i] as number;
  });
  if (after.length > 0) after[after.length - 1] = score;
  const { advantages } = segmentSpo({ rewards: [score], starts, values: row(before), mask: ones(starts.columns) });
  const outputs = {
    cutpoints: vector(cuts.map((at) => at - 1)),
    token_values: vector(after),
    advantages: vector(advantages.data),
  };
  return { ...onHost(outputs), advantages };
}

/** The source clears tokens above the threshold; ours keeps those below: the next number lets one at it pass. */
function masked(golden: GoldenCase): Computed {
  const oldLogProbs = row(tensorOf(golden, 'response_probs').data.map(Math.log));
  const mask = ones(oldLogProbs.columns);
  const threshold = numberOf(golden, 'prob_threshold');
  const interval = numberOf(golden, 'cutpoint_interval');
  const { advantages, ...computed } = chain(golden, cutpointStarts({ oldLogProbs, mask }, { threshold, interval }));
  const weights = probabilityMask({ oldLogProbs, mask }, { threshold: threshold * (1 + Number.EPSILON) });
  const kept = normalizeAdvantages({ advantages, weights }, { mode: 'none' }).advantages;
  return { ...computed, outputs: { ...computed.outputs, advantages: vector(kept.data) } };
}

/** The source has no value of the prompt: its first segment is none. */
function equal(golden: GoldenCase): Computed {
  const starts = fixedStarts(ones(numberOf(golden, 'num_tokens')), { segments: numberOf(golden, 'num_segments') });
  starts.data[0] = 0;
  const { advantages: _, ...computed } = chain(golden, starts);
  return computed;
}

/** Without completions the deviation of the source is −1. */
function mcValue(golden: GoldenCase): Computed {
  const rewards = tensorOf(golden, 'rollout_rewards').data;
  const { value, std, samples } = monteCarloValue(rewards);
  return onHost({
    value: { shape: [], data: [value] },
    std: { shape: [], data: [samples === 0 ? -1 : std] },
    rewards: vector(rewards),
  });
}

/** One-step advantages of the steps; a value that is missing is the reward to go. */
function steps(golden: GoldenCase): Computed {
  const rewards = row(tensorOf(golden, 'step_rewards').data);
  const mask = ones(rewards.columns);
  const given = golden.params['values'];
  if (!Array.isArray(given)) throw new CaseError('the case has no list values');
  const toGo = discountedReturns({ rewards, mask }, { gamma: 1 });
  const filled = toGo.data.map((sum, at) => (typeof given[at] === 'number' ? (given[at] as number) : sum));
  const { advantages } = gae({ rewards, values: row(filled), mask }, { gamma: 1, lambda: 0 });
  return onHost({ advantages: vector(advantages.data), filled_values: vector([...filled, 0]) });
}

export const segmentSpoChain: Family = byFunction('advantages.spo-chain', {
  _compute_token_advantages: masked,
  'naive._compute_token_advantages': equal,
  _compute_mc_value: mcValue,
  _compute_step_advantages: steps,
});

/** Outcome advantages of several responses to one prompt. */
export const segmentSpoGroup: Family = {
  file: 'advantages.spo-group',
  run(golden) {
    const inputs = { rewards: tensorOf(golden, 'scores').data, groups: idsOf(golden, 'index') };
    const method = textOf(golden, 'adv_method');
    if (method !== 'grpo' && method !== 'rloo') throw new UnmappedError(`no mapping of the method ${method}`);
    const { advantages } =
      method === 'grpo' ? grpo(inputs, { variance: 'population', epsilon: 1e-8 }) : rloo(inputs, { singleton: 'raw' });
    return onHost({ advantages: vector(advantages) });
  },
};
