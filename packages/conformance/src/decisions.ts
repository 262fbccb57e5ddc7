import { betaAndSingleStreamDecisions } from './decisions/beta-and-single-stream.js';
import { covarianceDecisions } from './decisions/covariance.js';
import type { Decision } from './decisions/decision.js';
import { groupAdvantageDecisions } from './decisions/group-advantages.js';
import { trlPolicyLossDecisions } from './decisions/policy-loss-trl.js';
import { preferenceDecisions } from './decisions/preference.js';
import { rolloutDecisions } from './decisions/rollout.js';
import { tensorDecisions } from './decisions/tensor.js';

export type { Decision } from './decisions/decision.js';

/**
 * The whole list. A case counts as "differs by decision" only when it fails, an entry here applies to it, and that
 * entry explains every difference.
 */
export const decisions: readonly Decision[] = [
  ...betaAndSingleStreamDecisions,
  ...covarianceDecisions,
  ...groupAdvantageDecisions,
  ...preferenceDecisions,
  ...rolloutDecisions,
  ...tensorDecisions,
  ...trlPolicyLossDecisions,
];
