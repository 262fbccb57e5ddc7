import { gpg, reinforce } from '@tsrl/losses';
import type { Family } from '../outcome.js';
import { verlPolicyLoss } from '../verl-policy-loss.js';

/** The log-probs of the rollout are there for the metric only. */
export const policyLossReinforce: Family = {
  file: 'policy-loss.reinforce',
  run: (golden) => verlPolicyLoss(golden, { build: (aggregate) => reinforce({ aggregate }), openKl: true }),
};

export const policyLossGpg: Family = {
  file: 'policy-loss.gpg',
  run: (golden) => verlPolicyLoss(golden, { build: (aggregate) => gpg({ aggregate }) }),
};
