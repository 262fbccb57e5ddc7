import type { Rng } from '@tsrl/core';
import type { BootstrappedInputs } from './bootstrapped.js';
import type { ExampleShape } from './entry.js';
import { drawMask, drawResponses, drawTokens } from './example.js';

/** Normal rewards, values and bootstraps; holes in the mask. */
export function drawTrajectories(shape: ExampleShape, rng: Rng): Required<BootstrappedInputs> {
  const draw = (): number => rng.normal();
  return {
    rewards: drawTokens(shape, draw),
    values: drawTokens(shape, draw),
    mask: drawMask(shape, rng),
    bootstrap: drawResponses(shape, draw),
  };
}
