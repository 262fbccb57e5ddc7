import { createRng, DataError, OptionError, ShapeError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BinaryReward,
  backwardCorrected,
  cleanPosterior,
  constantReward,
  forwardCorrected,
  logComplement,
  type NoiseRates,
  observedProbability,
  posteriorLabels,
} from '../src/index.ts';
import { confidenceRewards } from '../src/registry.ts';

const bit = fc.constantFrom<0 | 1>(0, 1);
const logits = fc.double({ min: -12, max: 12, noNaN: true });
const unit = fc.double({ min: 0, max: 1, noNaN: true });
const weight = fc.double({ min: 0.1, max: 4, noNaN: true });
/** e₀ + e₁ at most 0.9: the correction multiplies rounding errors by 10 at worst. */
const rates: fc.Arbitrary<NoiseRates> = fc
  .tuple(fc.double({ min: 0, max: 0.9, noNaN: true }), unit)
  .map(([sum, share]) => ({ falsePositive: sum * share, falseNegative: sum * (1 - share) }));
const members = fc.constantFrom(...Object.values(confidenceRewards));
const flip = (b: 0 | 1): 0 | 1 => (b === 1 ? 0 : 1);
const close = (actual: number, expected: number): void => {
  expect(maxError([actual], [expected], { absolute: 1e-11, relative: 1e-11 })).toBeLessThanOrEqual(1);
};

/** P(observed | true). */
function chance(observed: number, truth: number, { falsePositive, falseNegative }: NoiseRates): number {
  if (truth === 1) return observed === 1 ? 1 - falseNegative : falseNegative;
  return observed === 1 ? falsePositive : 1 - falsePositive;
}

const golden: NoiseRates = { falsePositive: 0.1, falseNegative: 0.2 };

describe('backwardCorrected', () => {
  test('the golden numbers of 2.5', () => {
    const reward = backwardCorrected(constantReward(), golden);
    const of = (action: 0 | 1, label: 0 | 1): number => reward({ action, label, logit: 0.3 });
    expect(maxError([of(1, 1), of(1, 0)], [1.5714285714, -1.2857142857])).toBeLessThanOrEqual(1);
    expect(maxError([of(0, 1), of(0, 0)], [-1.5714285714, 1.2857142857])).toBeLessThanOrEqual(1);
  });

  test('9. is unbiased over the noise for every member, with class weights', () => {
    forAll([members, rates, logits, bit, bit, weight, weight], (member, e, logit, action, truth, w0, w1) => {
      const reward = member.create({ classWeights: [w0, w1] });
      const corrected = backwardCorrected(reward, e);
      let mean = 0;
      for (const label of [0, 1] as const) mean += chance(label, truth, e) * corrected({ action, label, logit });
      expect(maxError([mean], [reward({ action, label: truth, logit })])).toBeLessThanOrEqual(1);
    });
  });

  test('9. under symmetric noise only scales what turns its sign with the label', () => {
    const antisymmetric = Object.values(confidenceRewards).filter(({ laws }) => laws.includes('antisymmetric'));
    expect(antisymmetric.length).toBeGreaterThanOrEqual(8);
    const rate = fc.double({ min: 0, max: 0.45, noNaN: true });
    forAll([fc.constantFrom(...antisymmetric), rate, logits, bit, bit], (member, e, logit, action, label) => {
      const reward = member.create();
      const corrected = backwardCorrected(reward, { falsePositive: e, falseNegative: e });
      close(corrected({ action, label, logit }), reward({ action, label, logit }) / (1 - 2 * e));
      // and without a correction the mean reward is (1 − 2e) r.
      let mean = 0;
      for (const seen of [0, 1] as const) mean += (seen === label ? 1 - e : e) * reward({ action, label: seen, logit });
      close(mean, (1 - 2 * e) * reward({ action, label, logit }));
    });
  });

  test('without noise changes nothing, and clips where it is asked to', () => {
    forAll(
      [members, logits, bit, bit, fc.double({ min: 0.01, max: 3, noNaN: true })],
      (member, logit, action, label, clip) => {
        const reward = member.create();
        const input = { action, label, logit };
        const none = { falsePositive: 0, falseNegative: 0 };
        expect(backwardCorrected(reward, none)(input) + 0).toBe(reward(input) + 0);
        const whole = backwardCorrected(reward, golden)(input);
        const clipped = backwardCorrected(reward, { ...golden, clip })(input);
        expect(clipped).toBe(Math.abs(whole) <= clip ? whole : Math.sign(whole) * clip);
      },
    );
  });
});

describe('forwardCorrected', () => {
  test('the golden numbers of 2.5', () => {
    const prior = Math.log(0.6 / 0.4);
    const posteriors = [cleanPosterior(1, prior, golden), cleanPosterior(0, prior, golden)];
    expect(maxError(posteriors, [0.9230769231, 0.25])).toBeLessThanOrEqual(1);
    const reward = forwardCorrected(constantReward(), { ...golden, prior: 0.6 });
    const of = (label: 0 | 1): number => reward({ action: 1, label, logit: 0 });
    expect(maxError([of(1), of(0)], [0.8461538462, -0.5])).toBeLessThanOrEqual(1);
  });

  test('is the mean reward under the posterior, for every prior', () => {
    const priors = fc.oneof(
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      fc.constantFrom('policy' as const, undefined),
    );
    forAll([members, rates, priors, logits, bit, bit, weight], (member, e, prior, logit, action, label, w1) => {
      const reward = member.create({ classWeights: [1, w1] });
      const q = prior === 'policy' ? 1 / (1 + Math.exp(-logit)) : (prior ?? 0.5);
      const joint = [(1 - q) * chance(label, 0, e), q * chance(label, 1, e)] as const;
      fc.pre(joint[0] + joint[1] > 1e-9);
      const of = (truth: 0 | 1): number => reward({ action, label: truth, logit });
      const expected = (joint[0] * of(0) + joint[1] * of(1)) / (joint[0] + joint[1]);
      const actual = forwardCorrected(reward, { ...e, ...(prior === undefined ? {} : { prior }) })({
        action,
        label,
        logit,
      });
      // 1 − q of the oracle carries an error of 1e-16, which a posterior near 1/2 divides by 1e-5 (logit 12).
      expect(maxError([actual], [expected])).toBeLessThanOrEqual(1);
      expect(Math.abs(actual)).toBeLessThanOrEqual(Math.max(Math.abs(of(0)), Math.abs(of(1))) * (1 + 1e-12));
    });
  });

  test('without noise changes nothing, at any logit; with a single kind of noise the other label is certain', () => {
    const reward = logComplement();
    forAll([fc.double({ min: -1000, max: 1000, noNaN: true }), bit, bit], (logit, action, label) => {
      const input = { action, label, logit };
      for (const prior of ['policy', 0.001] as const) {
        const none = { falsePositive: 0, falseNegative: 0, prior };
        // Adding 0 forgets the sign of a 0.
        expect(forwardCorrected(reward, none)(input)).toBe(reward(input) + 0);
        const missed = forwardCorrected(reward, { falsePositive: 0, falseNegative: 0.3, prior });
        expect(missed({ ...input, label: 1 })).toBe(reward({ ...input, label: 1 }) + 0);
      }
    });
  });
});

describe('both', () => {
  test('of an antisymmetric reward: a weight per observed class, and one up to a factor for a prior of 1/2', () => {
    const antisymmetric = Object.values(confidenceRewards).filter(({ laws }) => laws.includes('antisymmetric'));
    forAll([fc.constantFrom(...antisymmetric), rates, logits, bit, bit], (member, e, logit, action, label) => {
      const reward = member.create();
      const input = { action, label, logit };
      const [e0, e1] = [e.falsePositive, e.falseNegative];
      const weight = (label === 1 ? 1 - e0 + e1 : 1 - e1 + e0) / (1 - e0 - e1);
      close(backwardCorrected(reward, e)(input), weight * reward(input));
      const factor = (1 - e0 - e1) ** 2 / ((1 - e0 + e1) * (1 - e1 + e0));
      close(forwardCorrected(reward, e)(input), factor * weight * reward(input));
    });
  });

  test('6. swapping the classes with their rates changes nothing', () => {
    forAll(
      [members, rates, logits, bit, bit, fc.double({ min: 0.05, max: 0.95, noNaN: true })],
      (member, e, logit, action, label, prior) => {
        const reward: BinaryReward = member.create();
        const mirrored = { falsePositive: e.falseNegative, falseNegative: e.falsePositive };
        const here = { action, label, logit };
        const there = { action: flip(action), label: flip(label), logit: -logit };
        close(backwardCorrected(reward, mirrored)(there), backwardCorrected(reward, e)(here));
        const [first, second] = [
          forwardCorrected(reward, { ...e, prior })(here),
          forwardCorrected(reward, { ...mirrored, prior: 1 - prior })(there),
        ];
        close(second, first);
        const policy = { prior: 'policy' } as const;
        close(
          forwardCorrected(reward, { ...mirrored, ...policy })(there),
          forwardCorrected(reward, { ...e, ...policy })(here),
        );
      },
    );
  });

  test('the observed probability is the mean over the true label, and rises from e₀ to 1 − e₁', () => {
    forAll([rates, unit], (e, p) => {
      close(observedProbability(p, e), p * chance(1, 1, e) + (1 - p) * chance(1, 0, e));
      expect(observedProbability(0, e)).toBe(e.falsePositive);
      expect(observedProbability(1, e)).toBe(1 - e.falseNegative);
    });
    // Cross-entropy with observed labels, minimised over a grid of p, finds the true p of every cell.
    const grid = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
    forAll([rates, fc.constantFrom(...grid)], (e, truth) => {
      const seen = observedProbability(truth, e);
      const loss = (p: number): number => {
        const q = observedProbability(p, e);
        return -(seen * Math.log(q) + (1 - seen) * Math.log(1 - q));
      };
      for (const p of grid) if (p !== truth) expect(loss(p)).toBeGreaterThan(loss(truth));
    });
  });

  test('the posterior is Bayes’ rule, and total probability gives the prior back', () => {
    forAll([rates, fc.double({ min: -8, max: 8, noNaN: true })], (e, priorLogit) => {
      const p = 1 / (1 + Math.exp(-priorLogit));
      const seen = observedProbability(p, e);
      const back = seen * cleanPosterior(1, priorLogit, e) + (1 - seen) * cleanPosterior(0, priorLogit, e);
      close(back, p);
    });
  });
});

describe('posteriorLabels', () => {
  /** Bayes' rule in probabilities. */
  function belief(p: number, label: 0 | 1, e: NoiseRates): number {
    const joint = [(1 - p) * chance(label, 0, e), p * chance(label, 1, e)] as const;
    return joint[1] / (joint[0] + joint[1]);
  }

  test('from the true probability of the observed label they are the posterior of the true one', () => {
    const inner = fc.double({ min: 1e-3, max: 1 - 1e-3, noNaN: true });
    forAll([rates, fc.array(fc.tuple(inner, bit), { maxLength: 8 })], (e, rows) => {
      const probabilities = rows.map(([p]) => p * chance(1, 1, e) + (1 - p) * chance(1, 0, e));
      const labels = rows.map(([, label]) => label);
      const expected = rows.map(([p, label]) => belief(p, label, e));
      expect(maxError(posteriorLabels({ labels, probabilities }, e), expected)).toBeLessThanOrEqual(1);
    });
  });

  test('without noise they are the labels, exactly', () => {
    const none = { falsePositive: 0, falseNegative: 0 };
    forAll([fc.array(fc.tuple(unit, bit), { maxLength: 8 })], (rows) => {
      const labels = rows.map(([, label]) => label);
      const believed = posteriorLabels({ labels, probabilities: rows.map(([p]) => p) }, none);
      expect([...believed]).toEqual(labels);
    });
  });

  test('are probabilities that rise with the probability and with the label, also where no such noise gives them', () => {
    forAll([rates, unit, unit], (e, one, other) => {
      const probabilities = [Math.min(one, other), Math.max(one, other)];
      const [low0, high0] = posteriorLabels({ labels: [0, 0], probabilities }, e) as unknown as [number, number];
      const [low1, high1] = posteriorLabels({ labels: [1, 1], probabilities }, e) as unknown as [number, number];
      expect(low0).toBeGreaterThanOrEqual(0);
      expect(high1).toBeLessThanOrEqual(1);
      expect(high0).toBeGreaterThanOrEqual(low0);
      expect(high1).toBeGreaterThanOrEqual(low1);
      expect(low1).toBeGreaterThanOrEqual(low0 - 1e-15);
    });
    // Beyond e₀ and 1 − e₁ a probability counts as these.
    const beyond = { labels: [0, 1, 0, 1], probabilities: [0, 0.05, 0.9, 1] };
    const [a, b, c, d] = posteriorLabels(beyond, golden) as unknown as number[];
    expect(maxError([a!, b!], [belief(1e-6, 0, golden), belief(1e-6, 1, golden)])).toBeLessThanOrEqual(1);
    expect(maxError([c!, d!], [belief(1 - 1e-6, 0, golden), belief(1 - 1e-6, 1, golden)])).toBeLessThanOrEqual(1);
  });

  test('of a drawn problem: of the texts with a belief, that share is truly 1', () => {
    const rng = createRng(7);
    const cells = [0.02, 0.2, 0.5, 0.7, 0.95];
    const N = 40_000;
    const e = { falsePositive: 0.3, falseNegative: 0.15 };
    const of = Array.from({ length: N }, () => Math.floor(rng.uniform() * cells.length));
    const truth = of.map((cell) => Number(rng.uniform() < (cells[cell] as number)));
    const labels = truth.map((y) => (rng.uniform() < (y === 1 ? e.falseNegative : e.falsePositive) ? 1 - y : y));
    const probabilities = of.map((cell) => observedProbability(cells[cell] as number, e));
    const believed = posteriorLabels({ labels, probabilities }, e);
    for (const [cell] of cells.entries()) {
      for (const label of [0, 1]) {
        const rows = [...of.keys()].filter((i) => of[i] === cell && labels[i] === label);
        const share = rows.reduce((sum, i) => sum + (truth[i] as number), 0) / rows.length;
        const q = believed[rows[0] as number] as number;
        // Four standard errors: one in 16,000 by chance, and the draw is the same in every run.
        expect(Math.abs(share - q)).toBeLessThan(4 * Math.sqrt((q * (1 - q)) / rows.length) + 1e-12);
      }
    }
  });

  test('refuses what is no label or no probability', () => {
    const of = (labels: number[], probabilities: number[]) => () => posteriorLabels({ labels, probabilities }, golden);
    expect(of([0, 0.5], [0, 0])).toThrow(new DataError('posteriorLabels', 'labels[1] must be 0 or 1; got 0.5'));
    for (const p of [-0.1, 1.1, Number.NaN]) {
      expect(of([0], [p])).toThrow(new DataError('posteriorLabels', `probabilities[0] must be in [0, 1]; got ${p}`));
    }
    expect(of([0], [])).toThrow(ShapeError);
  });
});

describe('errors', () => {
  const beyond = 'less than 1, for beyond that the observed label says the opposite of the true one';
  test.each([
    [{ falsePositive: -0.1, falseNegative: 0 }, 'falsePositive must be in [0, 1); got -0.1'],
    [{ falsePositive: 0, falseNegative: 1 }, 'falseNegative must be in [0, 1); got 1'],
    [{ falsePositive: 0, falseNegative: Number.NaN }, 'falseNegative must be in [0, 1); got NaN'],
    [{ falsePositive: 0.5, falseNegative: 0.5 }, `falsePositive + falseNegative must be ${beyond}; got 1`],
  ])('%j', (e, message) => {
    const calls: Record<string, () => unknown> = {
      backwardCorrected: () => backwardCorrected(constantReward(), e),
      forwardCorrected: () => forwardCorrected(constantReward(), e),
      observedProbability: () => observedProbability(0.5, e),
      cleanPosterior: () => cleanPosterior(1, 0, e),
      posteriorLabels: () => posteriorLabels({ labels: [1], probabilities: [0.5] }, e),
    };
    for (const [who, call] of Object.entries(calls)) {
      expect(call).toThrow(OptionError);
      expect(call).toThrow(`${who}: ${message}`);
    }
  });

  test('options of one', () => {
    expect(() => backwardCorrected(constantReward(), { ...golden, clip: 0 })).toThrow(
      'backwardCorrected: clip must be positive (Infinity for none); got 0',
    );
    for (const prior of [0, 1, Number.NaN]) {
      expect(() => forwardCorrected(constantReward(), { ...golden, prior })).toThrow(
        `forwardCorrected: prior must be in (0, 1), or "policy"; got ${prior}`,
      );
    }
    expect(() => observedProbability(1.5, golden)).toThrow('observedProbability: p must be in [0, 1]; got 1.5');
  });
});
