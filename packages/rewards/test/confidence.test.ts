import { sigmoid } from '@tsrl/core';
import { finiteDifference, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BinaryReward,
  confidenceWeighted,
  constantReward,
  logComplement,
  logScore,
  margin,
  marginFloor,
  power,
  printed,
  probReward,
  surprise,
  tempered,
} from '../src/index.ts';
import { confidenceRewards } from '../src/registry.ts';

const cap = Number.POSITIVE_INFINITY;
const logits = fc.double({ min: -15, max: 15, noNaN: true });
const bit = fc.constantFrom<0 | 1>(0, 1);
const exponents = fc.double({ min: 0, max: 4, noNaN: true });
const flip = (b: 0 | 1): 0 | 1 => (b === 1 ? 0 : 1);

/** Tighter than float64 of the house: these are a few roundings deep. */
const close = (actual: number, expected: number): void => {
  expect(maxError([actual], [expected], { absolute: 1e-12, relative: 1e-9 })).toBeLessThanOrEqual(1);
};

/** Rewards of the right and of the wrong action, the first as if label 1 were right. */
const pair = (reward: BinaryReward, logit: number): [right: number, wrong: number] => [
  reward({ action: 1, label: 1, logit }),
  reward({ action: 0, label: 1, logit }),
];

/** Advantages against the exact baseline, from the definition. */
function exactAdvantages(reward: BinaryReward, logit: number): [right: number, wrong: number] {
  const [right, wrong] = pair(reward, logit);
  const p = 1 / (1 + Math.exp(-logit));
  const value = p * right + (1 - p) * wrong;
  return [right - value, wrong - value];
}

/** The definitions, in probabilities: no stable forms here. p is the probability of the chosen action. */
const confidences: Record<string, (p: number) => number> = {
  constantReward: () => 1,
  probReward: (p) => p,
  logComplement: (p) => -Math.log(1 - p),
  surprise: (p) => -Math.log(p),
  printed: (p) => Math.log(p),
  margin: (p) => Math.abs(2 * p - 1),
  marginFloor: (p) => 0.1 + 0.9 * Math.abs(2 * p - 1),
  power: (p) => p ** 2,
  tempered: (p) => 2 * (1 - Math.sqrt(1 - p)),
};

describe('golden values (z = 0.4, kappa 1, no cap)', () => {
  const golden: [name: string, reward: BinaryReward, right: number, wrong: number][] = [
    ['constantReward', constantReward(), 1, -1],
    ['probReward', probReward(), 0.598687660112, -0.401312339888],
    ['logComplement', logComplement({ cap }), 0.9130152524, -0.5130152524],
    ['surprise', surprise({ cap }), 0.5130152524, -0.9130152524],
    ['printed', printed({ cap }), -0.5130152524, 0.9130152524],
    ['margin', margin(), 0.197375320225, -0.197375320225],
    // 2 (1 − √(1 − p)), p = 0.598687660112 and 0.401312339888,.
    ['tempered', tempered({ q: 0.5 }), 0.733015643526, -0.452501812457],
  ];
  test.each(golden)('%s', (_, reward, right, wrong) => {
    expect(maxError(pair(reward, 0.4), [right, wrong], { absolute: 1e-12, relative: 0 })).toBeLessThanOrEqual(1);
  });

  test('logComplement: baseline, advantages and gap', () => {
    const [right, wrong] = pair(logComplement({ cap }), 0.4);
    const p = 0.598687660112452;
    const actual = [p * right + (1 - p) * wrong, ...exactAdvantages(logComplement({ cap }), 0.4), right - wrong];
    const expected = [0.340731613768, 0.572283638632, -0.853746866168, 1.4260305048];
    expect(maxError(actual, expected, { absolute: 1e-12, relative: 0 })).toBeLessThanOrEqual(1);
  });
});

describe('definitions', () => {
  test.each(Object.entries(confidences))('%s is ±κ w c(p)', (name, confidence) => {
    const weight = fc.double({ min: 0, max: 3, noNaN: true });
    forAll([logits, bit, bit, weight, weight], (logit, action, label, w0, w1) => {
      const reward = confidenceRewards[name]?.create({ kappa: 1.5, classWeights: [w0, w1], cap });
      const p1 = 1 / (1 + Math.exp(-logit));
      const sign = action === label ? 1 : -1;
      const expected = 1.5 * (label === 1 ? w1 : w0) * sign * confidence(action === 1 ? p1 : 1 - p1);
      const actual = reward?.({ action, label, logit }) ?? Number.NaN;
      // 1 − p carries an error of 1e-16, which its logarithm divides by p: e^15 · 1e-16 · 4.5 at worst.
      expect(maxError([actual], [expected], { absolute: 2e-9, relative: 1e-9 })).toBeLessThanOrEqual(1);
    });
  });

  test('logScore is the log-probability of the label, less the offset when wrong', () => {
    forAll([logits, bit, bit], (logit, action, label) => {
      const p1 = 1 / (1 + Math.exp(-logit));
      const expected = Math.log(label === 1 ? p1 : 1 - p1) - (action === label ? 0 : 0.7);
      const actual = logScore({ offset: 0.7, cap })({ action, label, logit });
      expect(maxError([actual], [expected], { absolute: 2e-9, relative: 1e-9 })).toBeLessThanOrEqual(1);
    });
  });

  test('the cap binds the confidence, before kappa and weights', () => {
    const options = { kappa: 2, classWeights: [1, 3] as const };
    expect(pair(logComplement(options), 50)).toEqual([30, -6 * Math.log1p(Math.exp(-50))]);
    expect(pair(logComplement({ ...options, cap: 4 }), -50)).toEqual([6 * Math.log1p(Math.exp(-50)), -24]);
    expect(pair(surprise(options), -50)[0]).toBe(30);
    expect(pair(printed(options), -50)[0]).toBe(-30);
    expect(pair(logScore(options), -50)).toEqual([-30, -36]);
  });

  test('a confidence of one’s own', () => {
    const reward = confidenceWeighted('mine', (odds) => odds ** 2, { kappa: 0.5 });
    expect(reward({ action: 0, label: 0, logit: -3 })).toBe(4.5);
    expect(reward({ action: 0, label: 1, logit: -3 })).toBe(-4.5);
  });
});

describe('Lemma 2.1 and the gap', () => {
  test('E[r ∇ log π] = p (1 − p) gap, by finite differences, for every member', () => {
    for (const { create } of Object.values(confidenceRewards)) {
      const reward = create({ cap });
      forAll([fc.double({ min: -6, max: 6, noNaN: true })], (logit) => {
        const [right, wrong] = pair(reward, logit); // constants: they belong to the behaviour policy
        const p = 1 / (1 + Math.exp(-logit));
        const value = (z: number): number => right / (1 + Math.exp(-z)) + wrong / (1 + Math.exp(z));
        const [gradient] = finiteDifference(([z]) => value(z as number), [logit]);
        expect(gradient).toBeCloseTo(p * (1 - p) * (right - wrong), 8);
        const [a, b] = exactAdvantages(reward, logit);
        close(a, (1 - p) * (right - wrong));
        close(b, -p * (right - wrong));
      });
    }
  });

  test('gap formulas', () => {
    forAll([logits, exponents], (logit, exponent) => {
      const p = sigmoid(logit);
      const q = sigmoid(-logit);
      const gap = (reward: BinaryReward): number => {
        const [right, wrong] = pair(reward, logit);
        return right - wrong;
      };
      const logGap = -Math.log(p) - Math.log(q);
      close(gap(constantReward()), 2);
      close(gap(probReward()), 1);
      close(gap(logComplement({ cap })), logGap);
      close(gap(surprise({ cap })), logGap);
      close(gap(printed({ cap })), -logGap);
      close(gap(margin()), 2 * Math.abs(p - q));
      close(gap(marginFloor({ floor: 0.3 })), 2 * (0.3 + 0.7 * Math.abs(p - q)));
      close(gap(power({ exponent })), p ** exponent + q ** exponent);
      const temper = Math.max(exponent / 4, 1e-3);
      close(gap(tempered({ q: temper })), (2 - p ** temper - q ** temper) / temper);
      close(gap(logScore({ offset: 0.7 })), 0.7);
      expect(gap(logComplement({ cap }))).toBeGreaterThanOrEqual(Math.log(4));
      expect(gap(printed({ cap }))).toBeLessThanOrEqual(-Math.log(4));
    });
  });

  test('margin does not move an undecided policy, marginFloor does', () => {
    expect(exactAdvantages(margin(), 0)).toEqual([0, -0]);
    expect(exactAdvantages(marginFloor(), 0)).toEqual([0.1, -0.1]);
  });
});

describe('identities between members', () => {
  test('logComplement(a) = printed(1 − a); surprise = −printed; the same with a cap', () => {
    forAll([logits, bit, bit, fc.constantFrom(cap, 5, 0.3)], (logit, action, label, most) => {
      const options = { cap: most };
      const of = (reward: BinaryReward, a: 0 | 1): number => reward({ action: a, label, logit });
      expect(of(logComplement(options), action)).toBe(of(printed(options), flip(action)));
      expect(of(surprise(options), action) === -of(printed(options), action)).toBe(true);
    });
  });

  test('advantages: prob = ½ constant, surprise = logComplement, logScore = o/2 constant', () => {
    forAll([logits], (logit) => {
      const [right, wrong] = exactAdvantages(constantReward(), logit);
      const half = exactAdvantages(probReward(), logit);
      close(half[0], right / 2);
      close(half[1], wrong / 2);
      const score = exactAdvantages(logScore({ offset: 3, cap }), logit);
      expect(maxError(score, [1.5 * right, 1.5 * wrong], { absolute: 1e-12, relative: 1e-9 })).toBeLessThanOrEqual(1);
      const log = exactAdvantages(logComplement({ cap }), logit);
      expect(
        maxError(exactAdvantages(surprise({ cap }), logit), log, { absolute: 1e-12, relative: 1e-9 }),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('power 0 is constant, power 1 is prob, marginFloor 1 is constant', () => {
    forAll([logits, bit, bit], (logit, action, label) => {
      const input = { action, label, logit };
      expect(power({ exponent: 0 })(input)).toBe(constantReward()(input));
      close(power({ exponent: 1 })(input), probReward()(input));
      expect(marginFloor({ floor: 1 })(input)).toBe(constantReward()(input));
    });
  });
});

describe('tempered lies between log-complement and prob', () => {
  const input = (logit: number) => ({ action: 1, label: 1, logit }) as const;
  const tempers = fc.double({ min: 0.01, max: 1, noNaN: true });

  test('q = 1 is prob; q towards 0 is logComplement without a cap, to the first order q c² / 2', () => {
    forAll([logits, bit, bit], (logit, action, label) => {
      close(tempered({ q: 1 })({ action, label, logit }), probReward()({ action, label, logit }));
      const limit = logComplement({ cap })({ action, label, logit });
      for (const q of [1e-4, 1e-8, 1e-300]) {
        const short = Math.abs(limit) - Math.abs(tempered({ q })({ action, label, logit }));
        expect(short).toBeGreaterThanOrEqual(-1e-14);
        expect(short).toBeLessThanOrEqual((q / 2) * limit ** 2 + 1e-14);
      }
    });
  });

  test('the confidence falls with q, rises with the odds, and stays below 1 / q', () => {
    forAll([logits, tempers, tempers], (logit, one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)];
      const of = (q: number, z: number): number => tempered({ q })(input(z));
      expect(of(less, logit)).toBeGreaterThanOrEqual(of(more, logit) * (1 - 1e-12));
      expect(of(less, logit + 0.1)).toBeGreaterThanOrEqual(of(less, logit));
      expect(of(less, logit)).toBeLessThanOrEqual(1 / less);
      expect(of(less, 1e6)).toBe(1 / less);
    });
  });

  test('the gap is least where the policy is undecided, and 1 / q where it is sure', () => {
    forAll([logits, tempers], (logit, q) => {
      const gap = (z: number): number => {
        const [right, wrong] = pair(tempered({ q }), z);
        return right - wrong;
      };
      close(gap(0), (2 * (1 - 2 ** -q)) / q);
      expect(gap(logit)).toBeGreaterThanOrEqual(gap(0) * (1 - 1e-12));
      expect(gap(logit)).toBeLessThanOrEqual((1 / q) * (1 + 1e-12));
      close(gap(1e5), 1 / q);
    });
  });
});

describe('options', () => {
  test.each([
    [() => constantReward({ kappa: 0 }), 'constantReward: kappa must be positive and finite; got 0'],
    [() => margin({ kappa: Number.NaN }), 'margin: kappa must be positive and finite; got NaN'],
    [() => logScore({ kappa: -1 }), 'logScore: kappa must be positive and finite; got -1'],
    [
      () => probReward({ classWeights: [1, -2] }),
      'probReward: classWeights must be two finite numbers of at least 0; got "1, -2"',
    ],
    [() => logComplement({ cap: 0 }), 'logComplement: cap must be positive (Infinity for none); got 0'],
    [() => surprise({ cap: Number.NaN }), 'surprise: cap must be positive (Infinity for none); got NaN'],
    [() => printed({ cap: -5 }), 'printed: cap must be positive (Infinity for none); got -5'],
    [() => marginFloor({ floor: 0 }), 'marginFloor: floor must be in (0, 1]; got 0'],
    [() => marginFloor({ floor: 1.1 }), 'marginFloor: floor must be in (0, 1]; got 1.1'],
    [() => power({ exponent: -1 }), 'power: exponent must be a finite number of at least 0; got -1'],
    [() => tempered({ q: 0 }), 'tempered: q must be in (0, 1]; got 0'],
    [() => tempered({ q: 1.5 }), 'tempered: q must be in (0, 1]; got 1.5'],
    [() => tempered({ q: Number.NaN }), 'tempered: q must be in (0, 1]; got NaN'],
    [() => tempered({ q: 1, kappa: 0 }), 'tempered: kappa must be positive and finite; got 0'],
    [() => logScore({ offset: 0 }), 'logScore: offset must be positive and finite; got 0'],
  ])('%# is refused', (build, message) => {
    expect(build).toThrow(message);
  });
});
