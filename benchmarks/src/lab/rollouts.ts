import { placeOutcome } from '@tsrl/advantages';
import type { EstimatorEntry } from '@tsrl/advantages/registry';
import { createRng, type Grid, zeros } from '@tsrl/core';
import type { Response } from './problem.js';

/** Responses to prompts, as an estimator may ask for them. */
export interface Rollout {
  readonly prompt: number;
  readonly response: Response;
  /** Expected reward of the prompt. */
  readonly value: number;
}

type Input = Grid | ArrayLike<number> | readonly ArrayLike<number>[];

/**
 * The inputs of an estimator by their names, which are those of the field; whether it takes one number for a response
 * or for each token is read off its own example. Returns the name of an input that nothing here can give.
 */
export function inputsOf(entry: EstimatorEntry, rollouts: readonly Rollout[]): object | string {
  const columns = Math.max(...rollouts.map(({ response }) => response.tokens.length));
  const example = entry.example({ prompts: 1, perPrompt: 2, tokens: 1 }, createRng(0)) as Record<string, Input>;
  const inputs: Record<string, Input> = {};
  for (const [name, shown] of Object.entries(example)) {
    const perToken = typeof shown === 'object' && 'columns' in shown;
    const given = perToken ? tokenInput(name, rollouts, columns) : responseInput(name, rollouts, shown);
    if (given === undefined) return name;
    inputs[name] = given;
  }
  return inputs;
}

function responseInput(name: string, rollouts: readonly Rollout[], shown: Input): Input | undefined {
  const each = (of: (rollout: Rollout) => number): Float64Array => Float64Array.from(rollouts, of);
  switch (name) {
    case 'rewards':
      return each(({ response }) => response.reward);
    case 'components':
      // As many as the example has, each of them the reward.
      return Array.from(shown as readonly ArrayLike<number>[], () => each(({ response }) => response.reward));
    case 'groups':
      return Int32Array.from(rollouts, ({ prompt }) => prompt);
    case 'baselines':
    case 'promptValues':
      return each(({ value }) => value);
    case 'bootstrap':
      return each(() => 0);
    default:
      return undefined;
  }
}

function tokenInput(name: string, rollouts: readonly Rollout[], columns: number): Grid | undefined {
  const each = (of: (token: Response['tokens'][number]) => number): Grid => {
    const grid = zeros(rollouts.length, columns);
    rollouts.forEach(({ response: { tokens } }, row) => {
      tokens.forEach((token, t) => {
        grid.data[row * columns + t] = of(token);
      });
    });
    return grid;
  };
  switch (name) {
    case 'mask':
    case 'starts': // every token is a segment
    case 'ratios': // the policy is the one that sampled
      return each(() => 1);
    case 'rewards':
      return placeOutcome(
        rollouts.map(({ response }) => response.reward),
        each(() => 1),
      );
    case 'values':
      return each(({ value }) => value);
    case 'processRewards':
    case 'terminal':
      return each(() => 0);
    case 'logProbs':
    case 'oldLogProbs':
      return each(({ logProb }) => logProb);
    case 'sumSquaredProbs':
      return each(({ logProb, score }) => score.reduce((sum, s) => sum + s * s, 0) - 1 + 2 * Math.exp(logProb));
    default:
      return undefined;
  }
}
