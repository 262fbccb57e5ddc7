import type { AdvantageResult } from '@tsrl/advantages';
import type { EstimatorEntry } from '@tsrl/advantages/registry';
import { isTsrlError } from '@tsrl/core';
import { dot, type Problem, type Response } from './problem.js';
import { inputsOf, type Rollout } from './rollouts.js';

/** What an estimator makes of a problem, exactly: sums over all batches that there can be. */
export interface Measurement {
  /** E[ĝ] of ĝ = mean over the responses of Σ_t A_t ∇ log π(token t). */
  readonly mean: readonly number[];
  /** The trace of the covariance of ĝ. */
  readonly variance: number;
  /** The angle between E[ĝ] and the gradient of the expected reward in degrees: 0 without bias of direction. */
  readonly angle: number;
  /** E[ĝ] along the gradient, as a multiple of it: 1 without bias of length. */
  readonly scale: number;
  /**
   * How many plain samples, r ∇ log π, one response is worth: the squared length of the mean by the variance, in units
   * of what one plain sample has, for each response of the batch. A scale cancels.
   */
  readonly worth: number;
  /** The variance of ĝ over the squared length of its mean, times the responses of the batch: what one of them has. */
  readonly noise: number;
  /** The probability that a batch has no advantage but 0, and teaches nothing. */
  readonly silent: number;
}

/** All batches of `perPrompt` responses to each prompt; the name of what is missing where the problem has no such input. */
export function measure(entry: EstimatorEntry, problem: Problem, perPrompt: number): Measurement | string {
  return measureWith(
    (rollouts) => {
      const inputs = inputsOf(entry, rollouts);
      if (typeof inputs === 'string') return inputs;
      const advantages = advantagesOf(entry, inputs);
      if (typeof advantages === 'string') return advantages;
      if (!('columns' in advantages)) return (row) => advantages[row] as number;
      return (row, t) => advantages.data[row * advantages.columns + t] as number;
    },
    problem,
    perPrompt,
  );
}

/** What is wrong with the inputs, where the estimator is not defined on such rewards. */
function advantagesOf(entry: EstimatorEntry, inputs: object): AdvantageResult['advantages'] | string {
  try {
    return entry.estimate(inputs).advantages;
  } catch (error) {
    if (isTsrlError(error, 'data')) return 'rewards of 0 and 1';
    throw error;
  }
}

type AdvantageOf = (row: number, token: number) => number;

/** The same for advantages of any making. */
export function measureWith(
  estimate: (rollouts: readonly Rollout[]) => AdvantageOf | string,
  problem: Problem,
  perPrompt: number,
): Measurement | string {
  const { prompts, gradient } = problem;
  const rows = prompts.flatMap((responses, prompt) => {
    const value = responses.reduce((sum, { probability, reward }) => sum + probability * reward, 0);
    return Array.from({ length: perPrompt }, () => ({ prompt, responses, value }));
  });
  const mean = gradient.map(() => 0);
  let square = 0;
  let silent = 0;
  const batches = rows.reduce((product, { responses }) => product * responses.length, 1);
  for (let batch = 0; batch < batches; batch++) {
    let index = batch;
    let probability = 1;
    const rollouts = rows.map(({ prompt, responses, value }): Rollout => {
      const response = responses[index % responses.length] as Response;
      index = Math.floor(index / responses.length);
      probability *= response.probability;
      return { prompt, response, value };
    });
    const advantage = estimate(rollouts);
    if (typeof advantage === 'string') return advantage;
    const g = gradient.map(() => 0);
    let largest = 0;
    rollouts.forEach(({ response: { tokens } }, row) => {
      tokens.forEach(({ score }, t) => {
        const a = advantage(row, t);
        largest = Math.max(largest, Math.abs(a));
        score.forEach((s, k) => {
          (g[k] as number) += (a * s) / rollouts.length;
        });
      });
    });
    g.forEach((x, k) => {
      (mean[k] as number) += probability * x;
    });
    square += probability * dot(g, g);
    if (largest < 1e-9) silent += probability;
  }
  const length = Math.sqrt(dot(mean, mean));
  const true2 = dot(gradient, gradient);
  const variance = square - length ** 2;
  const cosine = dot(mean, gradient) / (length * Math.sqrt(true2));
  return {
    mean,
    variance,
    angle: (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI,
    scale: dot(mean, gradient) / true2,
    worth: length ** 2 / variance / (true2 / plainVariance(problem)) / rows.length,
    noise: (variance / length ** 2) * rows.length,
    silent,
  };
}

/** The trace of the covariance of r ∇ log π of one response, drawn from a prompt drawn evenly. */
function plainVariance({ prompts, gradient }: Problem): number {
  let square = 0;
  for (const { probability, reward, tokens } of prompts.flat()) {
    const g = gradient.map((_, k) => tokens.reduce((sum, { score }) => sum + reward * (score[k] as number), 0));
    square += (probability * dot(g, g)) / prompts.length;
  }
  return square - dot(gradient, gradient);
}
