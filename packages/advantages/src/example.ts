import type { Grid, Rng } from '@tsrl/core';
import type { ExampleShape } from './entry.js';
import type { GroupInputs } from './group-relative.js';

/** Interleaved groups of `perPrompt` responses: row i answers prompt i mod `prompts`. */
export const drawIds = ({ prompts, perPrompt }: ExampleShape): Int32Array =>
  Int32Array.from({ length: prompts * perPrompt }, (_, row) => row % prompts);

/** Rewards of responses in interleaved groups: normal, or 0 and 1; about one of eight does not apply. */
export function drawGroups(shape: ExampleShape, rng: Rng): GroupInputs {
  const binary = rng.uniform() < 0.5;
  const draw = (): number => (binary ? Number(rng.uniform() < 0.5) : rng.normal());
  const groups = drawIds(shape);
  return { rewards: Array.from(groups, () => (rng.uniform() < 1 / 8 ? null : draw())), groups };
}

/** A number for every response. */
export const drawResponses = ({ prompts, perPrompt }: ExampleShape, one: () => number): Float64Array =>
  Float64Array.from({ length: prompts * perPrompt }, one);

/** A number for every token of every response. */
export function drawTokens({ prompts, perPrompt, tokens }: ExampleShape, one: () => number): Grid {
  const rows = prompts * perPrompt;
  return { rows, columns: tokens, data: Float64Array.from({ length: rows * tokens }, one) };
}

/** Four of five tokens count: holes, and sometimes a row without any. */
export const drawMask = (shape: ExampleShape, rng: Rng): Grid => drawTokens(shape, () => (rng.uniform() < 0.8 ? 1 : 0));
