import type { Grid, Rng } from '@tsrl/core';
import type { ExampleShape } from './entry.js';
import { drawTokens } from './example.js';

/** What tells how large the gradient of a token is. */
export interface TokenProbs {
  /** log π of the sampled tokens, [B, T]. */
  readonly logProbs: Grid;
  /** Σ_v π(v)² of the distribution each token was sampled from, [B, T]. */
  readonly sumSquaredProbs: Grid;
}

/** ‖∇ log π‖² by the logits: the squared norm of onehot − π, 1 − 2π + Σ_v π(v)². */
export const tokenGradientNorm = ({ logProbs, sumSquaredProbs }: TokenProbs, at: number): number =>
  1 - 2 * Math.exp(logProbs.data[at] as number) + (sumSquaredProbs.data[at] as number);

/** Of distributions over many tokens: Σ π² is between that of the sampled token and that of two tokens. */
export function drawProbs(shape: ExampleShape, rng: Rng): TokenProbs {
  const probs = drawTokens(shape, () => 0.01 + 0.98 * rng.uniform());
  return {
    logProbs: { ...probs, data: probs.data.map(Math.log) },
    sumSquaredProbs: { ...probs, data: probs.data.map((p) => p ** 2 + rng.uniform() * (1 - p) ** 2) },
  };
}
