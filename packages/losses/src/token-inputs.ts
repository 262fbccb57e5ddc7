import type { PerToken } from '@tsrl/tensor';

/** What every term over the tokens of a policy has. */
export interface TokenInputs {
  /** log π of the chosen tokens, [B, T], differentiable. */
  readonly logProbs: PerToken;
  /** [B, T]: 1 where a token counts, 0 where not, or non-negative weights. */
  readonly mask: PerToken;
}
