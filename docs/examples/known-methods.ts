import { bnpo, drGrpo, grpo, litePpo, rloo, spread } from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { cispo, gspo, kl, objective, ppoClip, reinforce, scale } from '@tsrl/losses';
import { sequenceMean, sequenceSum, sequenceSumNorm, tokenMean } from '@tsrl/tensor';

/** What sampling leaves on the host: a reward and a prompt for each response, and which of its tokens count. */
export interface Rollouts {
  readonly rewards: readonly number[];
  readonly groups: readonly number[];
  readonly mask: Grid;
}

/** GRPO, arXiv:2402.03300: how many deviations better than the group; a mean for each response; k3 to the reference. */
export const groupRelative = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(grpo(rollouts).advantages, mask),
  loss: objective({
    policy: ppoClip({ clipLow: 0.2, aggregate: sequenceMean }),
    kl: scale(0.04, kl({ aggregate: sequenceMean })),
  }),
};

/** Dr. GRPO, arXiv:2503.20783: no deviation, and one length for all, so that neither difficulty nor length weighs. */
export const withoutBias = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(drGrpo(rollouts).advantages, mask),
  loss: ppoClip({ clipLow: 0.2, aggregate: sequenceSumNorm({ length: 1024 }) }),
};

/** DAPO, arXiv:2503.14476: clip higher, a mean over all tokens, no reference. Its filter is `dynamicSampling`. */
export const decoupledClip = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(grpo(rollouts).advantages, mask),
  loss: ppoClip({ clipLow: 0.2, clipHigh: 0.28, aggregate: tokenMean }),
};

/** Lite PPO, arXiv:2508.08221: the mean of the group, the deviation of the batch, a mean over all tokens. */
export const lite = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(litePpo(rollouts).advantages, mask),
  loss: ppoClip({ clipLow: 0.2, aggregate: tokenMean }),
};

/** GSPO, arXiv:2507.18071: one ratio for a response. */
export const groupSequence = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(grpo(rollouts).advantages, mask),
  loss: gspo({ clipLow: 3e-4, clipHigh: 4e-4 }),
};

/** CISPO, arXiv:2506.13585: the ratio is a clipped weight, so no token loses its gradient. */
export const clippedWeights = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(grpo(rollouts).advantages, mask),
  loss: cispo({ aggregate: tokenMean }),
};

/** RLOO, arXiv:2402.14740: the mean of the others as baseline, and the plain policy gradient of whole responses. */
export const leaveOneOut = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(rloo(rollouts).advantages, mask),
  loss: reinforce({ aggregate: sequenceSum }),
};

/** BNPO, arXiv:2506.02864: rewards of 0 and 1, normalized by a Beta density fitted to the success rates. */
export const betaNormalized = {
  advantages: ({ mask, ...rollouts }: Rollouts): Grid => spread(bnpo(rollouts).advantages, mask),
  loss: ppoClip({ clipLow: 0.2, aggregate: tokenMean }),
};
