import * as tf from '@tensorflow/tfjs-core';
import { type EstimatorEntry, estimators } from '@tsrl/advantages/registry';
import { createRng } from '@tsrl/core';
import { type LossEntry, losses } from '@tsrl/losses/registry';
import { useBackend } from '@tsrl/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { inputsOf, type Rollout } from '../src/lab/rollouts.ts';

// Every estimator with every policy loss, found in the registries, trains a contextual bandit of two arms: the arm that
// earns more must win in every context. What an entry needs is given by the names of its inputs.

/** Success probability of arm 0 and arm 1 in each context. */
const contexts = [
  [0.2, 0.8],
  [0.9, 0.3],
] as const;
const best = [1, 0];
const perContext = 12;
const steps = 14;
const stepSize = 0.35;

/** Estimators that answer another question than which arm earns more, each with the reason. */
const otherwise: Readonly<Record<string, string>> = {
  miniLlm: 'follows a teacher, not a reward',
};

/** Estimators that look at the single best response: rewards are spread by noise, so that there is one. */
const needsOneBest = new Set(['passKTop1']);

const usesAdvantages = (entry: LossEntry): boolean => {
  const example = entry.example({ sequences: 2, tokens: 1 }, createRng(0)) as Record<string, tf.Tensor>;
  tf.dispose(example);
  return 'advantages' in example && (entry.differentiable as readonly string[]).includes('logProbs');
};

interface Sample extends Rollout {
  readonly arm: number;
}

/** p is the probability of arm 1 in each context. */
function sample(p: readonly number[], spread: number, draw: () => number): readonly Sample[] {
  return contexts.flatMap((earns, prompt) => {
    const chance = p[prompt] as number;
    const value = chance * earns[1] + (1 - chance) * earns[0];
    return Array.from({ length: perContext }, () => {
      const arm = draw() < chance ? 1 : 0;
      const probability = arm === 1 ? chance : 1 - chance;
      const reward = (draw() < earns[arm] ? 1 : 0) + spread * draw();
      const score = [arm - chance];
      return {
        prompt,
        arm,
        value,
        response: { probability, reward, tokens: [{ logProb: Math.log(probability), value, score }] },
      };
    });
  });
}

function valuesOf(
  name: string,
  old: readonly number[],
  given: Readonly<Record<string, readonly number[]>>,
): readonly number[] | undefined {
  if (name in given) return given[name];
  if (/^(old|ref|rollout|sampling)\w*LogProbs$/.test(name)) return old;
  if (/^(mask|weights)$|Weights$/.test(name)) return old.map(() => 1);
  if (name === 'entropy') return old.map(() => 0.5);
  if (name === 'draws') return old.map((_, i) => (i + 0.5) / old.length);
  return undefined;
}

/** One [N, 1] tensor for each input of the loss; the name of one that nothing here can give. */
function lossInputs(
  entry: LossEntry,
  logProbs: readonly number[],
  samples: readonly Sample[],
  advantages: readonly number[],
): Record<string, tf.Tensor> | string {
  const example = entry.example({ sequences: 2, tokens: 1 }, createRng(0)) as Record<string, tf.Tensor>;
  const old = samples.map(({ response }) => response.tokens[0]?.logProb as number);
  const given: Record<string, tf.Tensor> = {};
  for (const [name, { shape, dtype }] of Object.entries(example)) {
    const values = valuesOf(name, old, { logProbs, advantages, groups: samples.map(({ prompt }) => prompt) });
    if (values === undefined) {
      tf.dispose([example, given]);
      return name;
    }
    given[name] = tf.tensor([...values], shape.length === 2 ? [values.length, 1] : [values.length], dtype);
  }
  tf.dispose(example);
  return given;
}

/** Probability of the better arm in each context after training; a string names the input that is missing. */
function train(estimator: EstimatorEntry, loss: LossEntry): readonly number[] | string {
  const rng = createRng(5);
  const theta = contexts.map(() => 0);
  const chances = (): number[] => theta.map((t) => 1 / (1 + Math.exp(-t)));
  for (let step = 0; step < steps; step++) {
    const samples = sample(chances(), needsOneBest.has(estimator.name) ? 0.3 : 0, () => rng.uniform());
    const inputs = inputsOf(estimator, samples);
    if (typeof inputs === 'string') return inputs;
    const { advantages } = estimator.estimate(inputs);
    const flat = Array.from('columns' in advantages ? advantages.data : advantages);
    // Twice on the same samples, so that ratios leave 1. Losses and estimators differ in scale by orders of magnitude,
    // so the length of the step is set; the second is in proportion to its gradient, which a clip may have taken.
    let unit = 0;
    for (let epoch = 0; epoch < 2; epoch++) {
      const p = chances();
      const logProbs = samples.map(({ arm, prompt }) =>
        Math.log(arm === 1 ? (p[prompt] as number) : 1 - (p[prompt] as number)),
      );
      const given = lossInputs(loss, logProbs, samples, flat);
      if (typeof given === 'string') return given;
      const slopes = tf.tidy(() =>
        tf
          .grad((x) => loss.evaluate({ ...given, logProbs: x }).loss)(given['logProbs'] as tf.Tensor)
          .dataSync(),
      );
      tf.dispose(given);
      const gradient = theta.map((_, prompt) =>
        samples.reduce(
          (sum, one, i) =>
            one.prompt === prompt ? sum + (slopes[i] as number) * (one.arm - (p[prompt] as number)) : sum,
          0,
        ),
      );
      unit = Math.max(unit, Math.hypot(...gradient));
      for (const i of theta.keys()) {
        if (unit > 1e-6) theta[i]! -= (stepSize * (epoch === 0 ? 1 : 0.2) * (gradient[i] as number)) / unit;
      }
    }
  }
  return chances().map((p, i) => (best[i] === 1 ? p : 1 - p));
}

describe('estimators x policy losses', () => {
  beforeAll(() => useBackend('cpu'));

  test('there are many', () => {
    expect(estimators.length * losses.filter(usesAdvantages).length).toBeGreaterThan(100);
  });

  for (const estimator of estimators) {
    test.skipIf(estimator.name in otherwise)(`${estimator.name}: the better arm wins with every policy loss`, () => {
      const lost: string[] = [];
      for (const loss of losses.filter(usesAdvantages)) {
        const won = train(estimator, loss);
        if (typeof won === 'string') lost.push(`${loss.name}: nothing gives ${won}`);
        else if (!won.every((p) => p > 0.75)) lost.push(`${loss.name}: ${won.map((p) => p.toFixed(2))}`);
      }
      expect(lost).toEqual([]);
    });
  }
});
