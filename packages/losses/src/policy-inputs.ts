import { expectSameShape, expectShape, type PerToken } from '@tsrl/tensor';
import type { TokenInputs } from './token-inputs.js';

/** What a ratio of two policies is made of. */
export interface RatioInputs extends TokenInputs {
  /** log π of the same tokens under the policy that sampled them, [B, T], constant. */
  readonly oldLogProbs: PerToken;
}

/** What a policy loss with a ratio needs. */
export interface PolicyInputs extends RatioInputs {
  /** [B, T], constant. */
  readonly advantages: PerToken;
}

export function expectPolicyInputs(who: string, { logProbs, oldLogProbs, advantages, mask }: PolicyInputs): void {
  expectShape(who, 'logProbs', logProbs, ['B', 'T']);
  expectSameShape(who, { logProbs, oldLogProbs, advantages, mask });
}
