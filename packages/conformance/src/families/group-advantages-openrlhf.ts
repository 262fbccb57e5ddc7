import {
  consecutiveGroups,
  discountedReturns,
  drGrpo,
  type GroupInputs,
  gae,
  grpo,
  normalizeAdvantages,
  placeOutcome,
  reinforce,
  rloo,
  whiten,
} from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { UnmappedError } from '../golden.js';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import type { Family } from '../outcome.js';

/** What shapes the reward of a response under each name. */
const outcomes: Readonly<Record<string, (inputs: GroupInputs) => Float64Array>> = {
  rloo: (inputs) => rloo(inputs).advantages,
  reinforce_baseline: (inputs) => drGrpo(inputs).advantages,
  dr_grpo: (inputs) => drGrpo(inputs).advantages,
  group_norm: (inputs) => grpo(inputs, { epsilon: 1e-9 }).advantages,
  reinforce: (inputs) => reinforce(inputs).advantages,
  gae: (inputs) => reinforce(inputs).advantages,
};
const discounting = ['reinforce', 'gae'];
const normalizing = ['gae', 'reinforce', 'reinforce_baseline'];

/** The shaped reward on the last token, −coefficient · kl on every token, rewards to go or GAE, normalised. */
export const outcomeOpenRlhf: Family = {
  file: 'advantages.openrlhf',
  run(golden) {
    const name = textOf(golden, 'estimator');
    const shape = outcomes[name];
    if (shape === undefined) throw new UnmappedError(`no estimator is called ${name}`);
    const mask = gridOf(golden, 'action_mask');
    const groups = consecutiveGroups(mask.rows, numberOf(golden, 'n_samples_per_prompt'));
    const outcome = placeOutcome(shape({ rewards: tensorOf(golden, 'rewards').data, groups }), mask);
    const kl = gridOf(golden, 'kl');
    const coefficient = numberOf(golden, 'kl_coef');
    const rewards = { ...mask, data: outcome.data.map((r, at) => r - coefficient * (kl.data[at] as number)) };

    const gamma = discounting.includes(name) ? numberOf(golden, 'gamma') : 1;
    const toGo = (): Grid => discountedReturns({ rewards, mask }, { gamma, masked: 'zero' });
    const { advantages, returns } =
      name === 'gae'
        ? gae(
            { rewards, values: gridOf(golden, 'values'), mask },
            { gamma, lambda: numberOf(golden, 'lambd'), masked: 'zero' },
          )
        : { advantages: toGo(), returns: toGo() };
    const normalized = normalizing.includes(name)
      ? flagOf(golden, 'no_std_norm', false)
        ? centered(advantages, mask)
        : whiten(advantages, mask, { variance: 'population', epsilon: 0 })
      : advantages;
    return onHost({ advantages: values(normalized, mask), returns: values(returns, mask) });
  },
};

function centered(advantages: Grid, mask: Grid): Grid {
  const { metrics } = normalizeAdvantages({ advantages, weights: mask }, { mode: 'none' });
  return {
    ...mask,
    data: advantages.data.map((a, at) => (mask.data[at] === 0 ? 0 : a - (metrics['mean'] as number))),
  };
}
