import * as tf from '@tensorflow/tfjs-core';
import { finiteDifference, float32, forAll, maxError, type Tolerance } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BinaryInputs,
  binaryCrossEntropy,
  focalLoss,
  forwardCorrectedCrossEntropy,
  generalizedCrossEntropy,
  type Loss,
  logitAdjustedCrossEntropy,
  meanAbsoluteError,
} from '../src/index.ts';

interface Evaluated {
  readonly loss: number;
  readonly gradient: number[];
  readonly accuracy: number;
}

function run(
  loss: Loss<BinaryInputs>,
  logits: readonly number[],
  labels: readonly number[],
  sequences?: number,
): Evaluated {
  return tf.tidy(() => {
    const [z, y] = [tf.tensor1d([...logits]), tf.tensor1d([...labels])];
    const context = sequences === undefined ? {} : { sequences };
    const result = loss({ logits: z, labels: y }, context);
    const gradient = tf.grad((x) => loss({ logits: x as tf.Tensor1D, labels: y }, context).loss)(z);
    return {
      loss: result.loss.dataSync()[0] as number,
      gradient: [...gradient.dataSync()],
      accuracy: result.metrics['accuracy']?.dataSync()[0] as number,
    };
  });
}

/** Loss and slope of one example. */
const at = (loss: Loss<BinaryInputs>, z: number, y: number): [number, number] => {
  const { loss: value, gradient } = run(loss, [z], [y]);
  return [value, gradient[0] as number];
};

const logit = (p: number): number => Math.log(p / (1 - p));
/** −log of a probability whose log-odds are z. */
const minusLog = (z: number): number => (z > 0 ? Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z)) - z);

type Formula = (p: number, y: 0 | 1) => number;
type Pair = readonly [number, number];

/** A loss under some options, the loss of a label by the formula of its paper, and |dℓ/dz| in terms of p_y and 1 − p_y. */
interface Case {
  readonly name: string;
  readonly build: (classWeights: Pair) => Loss<BinaryInputs>;
  readonly formula: Formula;
  readonly slope: (right: number, wrong: number, z: number, y: 0 | 1) => number;
}

const generalized = (q: number): Case => ({
  name: `generalizedCrossEntropy, q = ${q}`,
  build: (classWeights) => generalizedCrossEntropy({ q, classWeights }),
  formula: (p, y) => {
    const right = y === 1 ? p : 1 - p;
    return q === 0 ? -Math.log(right) : (1 - right ** q) / q;
  },
  slope: (right, wrong) => right ** q * wrong,
});
const absolute: Case = {
  name: 'meanAbsoluteError',
  build: (classWeights) => meanAbsoluteError({ classWeights }),
  formula: (p, y) => Math.abs(p - y) + Math.abs(1 - p - (1 - y)),
  slope: (right, wrong) => 2 * right * wrong,
};
const focal = (gamma: number): Case => ({
  name: `focalLoss, gamma = ${gamma}`,
  build: (classWeights) => focalLoss({ gamma, classWeights }),
  formula: (p, y) => {
    const right = y === 1 ? p : 1 - p;
    return -((1 - right) ** gamma) * Math.log(right);
  },
  slope: (right, wrong, z, y) => wrong ** gamma * (wrong + gamma * right * minusLog(y === 1 ? z : -z)),
});
const adjusted = (prior: number, tau: number): Case => ({
  name: `logitAdjustedCrossEntropy, prior = ${prior}, tau = ${tau}`,
  build: (classWeights) => logitAdjustedCrossEntropy({ prior, tau, classWeights }),
  formula: (p, y) => {
    const [one, zero] = [p * prior ** tau, (1 - p) * (1 - prior) ** tau];
    return -Math.log((y === 1 ? one : zero) / (one + zero));
  },
  slope: (right, wrong, _, y) => {
    const [one, zero] = [prior ** tau, (1 - prior) ** tau];
    const [ours, theirs] = y === 1 ? [one, zero] : [zero, one];
    return (wrong * theirs) / (wrong * theirs + right * ours);
  },
});
const corrected = (e0: number, e1: number): Case => ({
  name: `forwardCorrectedCrossEntropy, e0 = ${e0}, e1 = ${e1}`,
  build: (classWeights) => forwardCorrectedCrossEntropy({ falsePositive: e0, falseNegative: e1, classWeights }),
  formula: (p, y) => {
    const observed = (1 - e1) * p + e0 * (1 - p);
    return -Math.log(y === 1 ? observed : 1 - observed);
  },
  slope: (right, wrong, _, y) => {
    const [lost, gained] = y === 1 ? [e1, e0] : [e0, e1];
    return ((1 - e0 - e1) * right * wrong) / ((1 - lost) * right + gained * wrong);
  },
});

const cases: readonly Case[] = [
  generalized(0),
  generalized(0.2),
  generalized(0.7),
  generalized(1),
  absolute,
  focal(0),
  focal(0.5),
  focal(2),
  focal(5),
  adjusted(0.1, 1),
  adjusted(0.9, 0.5),
  adjusted(0.5, 3),
  adjusted(0.01, 0),
  corrected(0, 0),
  corrected(0.1, 0.2),
  corrected(0, 0.3),
  corrected(0.4, 0),
  corrected(0.45, 0.5),
  corrected(1e-6, 1e-3),
];

const zs = fc.integer({ min: -320, max: 320 }).map((k) => k / 32);
const labels = fc.constantFrom<number>(0, 1, 0.25, 0.9);
const batches = fc.array(fc.tuple(zs, labels), { minLength: 1, maxLength: 8 });
const weights = fc.tuple(fc.constantFrom(0, 0.5, 1), fc.constantFrom(1, 3));

describe.each(cases)('$name', ({ build, formula, slope }) => {
  test('is its formula with its gradient, weighted, with labels between 0 and 1, over the sequences of the context', () => {
    forAll(
      [batches, weights, fc.constantFrom(undefined, 1, 20)],
      (batch, classWeights, sequences) => {
        const oracle = (z: ArrayLike<number>): number => {
          let sum = 0;
          batch.forEach(([, y], i) => {
            const p = 1 / (1 + Math.exp(-(z[i] as number)));
            sum += y * classWeights[1] * formula(p, 1) + (1 - y) * classWeights[0] * formula(p, 0);
          });
          return sum / (sequences ?? batch.length);
        };
        const z = batch.map(([x]) => x);
        const { loss, gradient, accuracy } = run(
          build(classWeights),
          z,
          batch.map(([, y]) => y),
          sequences,
        );
        expect(maxError([loss], [oracle(z)], float32)).toBeLessThan(1);
        expect(maxError(gradient, finiteDifference(oracle, z), float32)).toBeLessThan(1);
        const right = batch.filter(([x, y]) => x > 0 === y > 0.5).length;
        expect(accuracy).toBeCloseTo(right / batch.length, 6);
      },
      { runs: 20 },
    );
  });

  test('has the gradient of its doc comment, to its last digits, wherever float32 can hold it', () => {
    const digits: Tolerance = { absolute: 1e-35, relative: 2e-5 };
    const loss = build([1, 1]);
    for (const z of [-60, -40, -20, -15, -8, -3, 0, 0.5, 4, 10, 16, 30, 50]) {
      for (const y of [0, 1] as const) {
        const sign = y === 1 ? -1 : 1;
        const [right, wrong] = [1 / (1 + Math.exp(sign * z)), 1 / (1 + Math.exp(-sign * z))];
        expect(maxError([at(loss, z, y)[1]], [sign * slope(right, wrong, z, y)], digits)).toBeLessThan(1);
      }
    }
  });

  test('far out has the value and the gradient of its limits', () => {
    const loss = build([1, 1]);
    for (const z of [-1e4, -2e3, 2e3, 1e4]) {
      for (const y of [0, 1] as const) {
        const sign = y === 1 ? -1 : 1;
        const limit = formula(z > 0 ? 1 : 0, y);
        const [value, gradient] = at(loss, z, y);
        if (Number.isFinite(limit)) {
          expect(maxError([value], [limit], float32)).toBeLessThan(1);
          expect(gradient + 0).toBe(0);
        } else {
          // A line of slope 1 from 20 on, to the last digit of float32 at 1e4, 2^-10.
          const expected = formula(1 / (1 + Math.exp(-20 * Math.sign(z))), y) + Math.abs(z) - 20;
          expect(Math.abs(value - expected)).toBeLessThan(2 ** -9);
          expect(gradient).toBe(sign);
        }
      }
    }
  });

  test('is a straight line between its labels', () => {
    forAll(
      [zs, weights, fc.integer({ min: 0, max: 16 }).map((k) => k / 16)],
      (z, classWeights, y) => {
        const loss = build(classWeights);
        const [one, zero] = [at(loss, z, 1), at(loss, z, 0)];
        const between = one.map((a, i) => y * a + (1 - y) * (zero[i] as number));
        expect(maxError(at(loss, z, y), between, float32)).toBeLessThan(1);
      },
      { runs: 10 },
    );
  });
});

/** Both losses of z, label by label, and their slopes. */
const both = (loss: Loss<BinaryInputs>, z: number): number[] => [...at(loss, z, 0), ...at(loss, z, 1)];
const same = (a: Loss<BinaryInputs>, b: Loss<BinaryInputs>, tolerance: Tolerance = float32): void => {
  forAll([zs], (z) => expect(maxError(both(a, z), both(b, z), tolerance)).toBeLessThan(1), { runs: 10 });
};
const exactly: Tolerance = { absolute: 0, relative: 1e-7 };

/** Every input is some calls with a gradient. */
const few = { runs: 20 };

describe('generalizedCrossEntropy', () => {
  test('goes from cross-entropy to half the mean absolute error, and falls with q', () => {
    same(generalizedCrossEntropy({ q: 0 }), binaryCrossEntropy(), exactly);
    for (const q of [1e-300, 1e-13, 1e-11, 1e-7]) same(generalizedCrossEntropy({ q }), binaryCrossEntropy());
    const half = meanAbsoluteError({ classWeights: [0.5, 0.5] });
    same(generalizedCrossEntropy({ q: 1 }), half);
    forAll(
      [zs, fc.constantFrom(0, 1), fc.constantFrom(0.1, 0.5, 0.8)],
      (z, y, q) => {
        const [cross] = at(binaryCrossEntropy(), z, y);
        const [between] = at(generalizedCrossEntropy({ q }), z, y);
        const [error] = at(half, z, y);
        const rounding = 1e-6 * cross + 1e-7;
        expect(between).toBeLessThanOrEqual(cross + rounding);
        expect(between).toBeGreaterThanOrEqual(error - rounding);
        expect(between).toBeLessThanOrEqual(1 / q + rounding);
      },
      few,
    );
  });

  test('tells a small q from 0 far out', () => {
    // (1 − 1 / e) / 1e-4, with gradient −1 / e
    const [value, slope] = at(generalizedCrossEntropy({ q: 1e-4 }), -1e4, 1);
    expect(maxError([value, slope], [6321.2055883, -0.3678794412], float32)).toBeLessThan(1);
    expect(at(generalizedCrossEntropy({ q: 1e-13 }), -1e4, 1)).toEqual([1e4, -1]);
  });

  test('is by default that of the paper', () => {
    // (1 − 0.5^0.7) / 0.7
    expect(at(generalizedCrossEntropy(), 0, 1)[0]).toBeCloseTo(0.54918256, 6);
  });

  test('keeps the digits of a small loss', () => {
    for (const z of [16, 20, 40]) {
      for (const q of [0.1, 0.7, 1]) {
        expect(at(generalizedCrossEntropy({ q }), z, 1)[0] / Math.exp(-z)).toBeCloseTo(1, 4);
        expect(at(meanAbsoluteError(), -z, 0)[0] / (2 * Math.exp(-z))).toBeCloseTo(1, 4);
      }
    }
  });
});

describe('meanAbsoluteError', () => {
  test('is symmetric: the losses of both labels add up to 2, so noise scales and moves it', () => {
    forAll(
      [zs, fc.constantFrom(0.1, 0.3, 0.45)],
      (z, flipped) => {
        const [zero, slope0, one, slope1] = both(meanAbsoluteError(), z) as [number, number, number, number];
        expect(zero + one).toBeCloseTo(2, 6);
        expect(slope0 + slope1).toBeCloseTo(0, 6);
        const noisy = (1 - flipped) * one + flipped * zero;
        expect(noisy).toBeCloseTo((1 - 2 * flipped) * one + 2 * flipped, 6);
      },
      few,
    );
  });

  test('is 1 − the expected reward of an answer, ±1 for right and wrong', () => {
    forAll(
      [zs],
      (z) => {
        const p = 1 / (1 + Math.exp(-z));
        expect(at(meanAbsoluteError(), z, 1)[0]).toBeCloseTo(1 - (p * 1 + (1 - p) * -1), 6);
      },
      few,
    );
  });
});

describe('focalLoss', () => {
  test('is cross-entropy at gamma = 0, and below it elsewhere', () => {
    same(focalLoss({ gamma: 0 }), binaryCrossEntropy(), exactly);
    forAll(
      [zs, fc.constantFrom(0, 1), fc.constantFrom(0.5, 2, 5)],
      (z, y, gamma) => {
        const [cross] = at(binaryCrossEntropy(), z, y);
        expect(at(focalLoss({ gamma }), z, y)[0]).toBeLessThanOrEqual(cross * (1 + 1e-6));
      },
      few,
    );
  });

  test('by default makes 100 times less of p = 0.9 and 1000 times less of p = 0.968, as the paper says', () => {
    const less = (p: number): number => at(focalLoss(), logit(p), 1)[0] / at(binaryCrossEntropy(), logit(p), 1)[0];
    expect(less(0.9)).toBeCloseTo(0.01, 6);
    expect(less(0.968)).toBeCloseTo(0.001024, 6);
  });
});

describe('logitAdjustedCrossEntropy', () => {
  test('is cross-entropy with a balanced prior, without tau, and at log-odds moved by those of the prior', () => {
    same(logitAdjustedCrossEntropy({ prior: 0.5, tau: 7 }), binaryCrossEntropy(), exactly);
    same(logitAdjustedCrossEntropy({ prior: 0.03, tau: 0 }), binaryCrossEntropy(), exactly);
    // log(0.8 / 0.2) = log 4
    const moved = at(binaryCrossEntropy(), 0.5 + Math.log(4), 1);
    expect(maxError(at(logitAdjustedCrossEntropy({ prior: 0.8 }), 0.5, 1), moved, float32)).toBeLessThan(1);
  });

  test('its mean is smallest where z is the log-odds less tau times those of the prior', () => {
    const probabilities = fc.integer({ min: 1, max: 31 }).map((k) => k / 32);
    forAll(
      [probabilities, probabilities, fc.constantFrom(0.5, 1, 2)],
      (truth, prior, tau) => {
        const best = logit(truth) - tau * logit(prior);
        const loss = logitAdjustedCrossEntropy({ prior, tau });
        const expected = (z: number): [number, number] => at(loss, z, truth);
        expect(Math.abs(expected(best)[1])).toBeLessThan(2e-6);
        for (const away of [-0.5, 0.5]) expect(expected(best + away)[0]).toBeGreaterThan(expected(best)[0]);
      },
      few,
    );
  });

  test('counts the predictions of z, not of the moved log-odds', () => {
    const loss = logitAdjustedCrossEntropy({ prior: 0.001 });
    expect(run(loss, [1, 1, -1, 0], [1, 0, 0, 1]).accuracy).toBe(0.5);
  });

  test('takes priors as far as they go', () => {
    // log of the smallest number above 0 in float64
    expect(at(logitAdjustedCrossEntropy({ prior: 5e-324 }), 0, 1)[0]).toBeCloseTo(744.44007, 3);
    expect(at(logitAdjustedCrossEntropy({ prior: 5e-324 }), 0, 1)[1]).toBe(-1);
  });
});

describe('forwardCorrectedCrossEntropy', () => {
  const rates = fc.constantFrom<Pair>([0.1, 0.2], [0, 0.3], [0.45, 0.1], [0.3, 0.6]);
  const build = ([falsePositive, falseNegative]: Pair): Loss<BinaryInputs> =>
    forwardCorrectedCrossEntropy({ falsePositive, falseNegative });

  test('is cross-entropy without noise', () => {
    same(build([0, 0]), binaryCrossEntropy(), exactly);
  });

  test('is −log(0.45) of an observed 1 at z = 0 with rates 0.1 and 0.2', () => {
    expect(both(build([0.1, 0.2]), 0)).toEqual([
      expect.closeTo(0.5978370008, 6),
      expect.closeTo((0.7 * 0.25) / 0.55, 6),
      expect.closeTo(0.7985076962, 6),
      expect.closeTo((-0.7 * 0.25) / 0.45, 6),
    ]);
  });

  test('its mean over the noise is smallest at the true probability, where cross-entropy is not', () => {
    const truths = fc.integer({ min: 1, max: 31 }).map((k) => k / 32);
    forAll(
      [truths, rates],
      (truth, [e0, e1]) => {
        const observed = (1 - e1) * truth + e0 * (1 - truth);
        const z = logit(truth);
        const noisy = (x: number, loss = build([e0, e1])): [number, number] => at(loss, x, observed);
        expect(Math.abs(noisy(z)[1])).toBeLessThan(1e-6);
        for (const away of [-2, 2]) expect(noisy(z + away)[0]).toBeGreaterThan(noisy(z)[0]);
        expect(noisy(z, binaryCrossEntropy())[1]).toBeCloseTo(truth - observed, 6);
      },
      few,
    );
  });

  test('turns around with its labels and rates', () => {
    forAll(
      [zs, rates],
      (z, [e0, e1]) => {
        const [a0, a1] = [at(build([e0, e1]), z, 0), at(build([e1, e0]), -z, 1)];
        expect(maxError(a0, [a1[0], -a1[1]], float32)).toBeLessThan(1);
      },
      few,
    );
  });

  test('takes rates as small as they come, and rates that leave almost nothing of the label', () => {
    expect(at(build([1e-50, 0]), -1e4, 1)[0]).toBeCloseTo(50 * Math.LN10, 4);
    expect(at(build([1e-50, 0]), -50, 1)).toEqual([expect.closeTo(50, 4), -1]);
    expect(at(build([0, 1e-300]), 1e4, 0)[0]).toBeCloseTo(300 * Math.LN10, 3);
    // 1 − e₀ − e₁ = 2^−20: the label says nothing, and nothing is learnt.
    const [value, slope] = at(build([0.5 - 2 ** -20, 0.5]), 1, 1);
    expect(value).toBeCloseTo(Math.LN2, 5);
    expect(slope).toBeLessThan(1e-6);
  });

  test('the formulas for both sides meet with one slope, at the log-odds where the label is as likely right as not', () => {
    const [e0, e1] = [0.1, 0.2];
    const seam = Math.log(e0 / (1 - e1));
    const slope = (z: number): number => {
      const p = 1 / (1 + Math.exp(-z));
      return (-(1 - e0 - e1) * p * (1 - p)) / ((1 - e1) * p + e0 * (1 - p));
    };
    const f = Math.fround(seam);
    for (const z of [f - 1e-6, f, f + 1e-6]) {
      expect(maxError([at(build([e0, e1]), z, 1)[1]], [slope(z)], float32)).toBeLessThan(1);
    }
  });
});

describe('errors say what is wrong', () => {
  const logits = fc.constantFrom(Number.NaN, -0.1, Number.POSITIVE_INFINITY);
  test('of an option', () => {
    forAll([logits], (bad) => {
      const got = `; got ${bad}`;
      expect(() => generalizedCrossEntropy({ q: bad })).toThrow(`generalizedCrossEntropy: q must be in [0, 1]${got}`);
      expect(() => focalLoss({ gamma: bad })).toThrow(`focalLoss: gamma must be a finite number of at least 0${got}`);
      expect(() => logitAdjustedCrossEntropy({ prior: 0.5, tau: bad })).toThrow(
        `logitAdjustedCrossEntropy: tau must be a finite number of at least 0${got}`,
      );
      expect(() => logitAdjustedCrossEntropy({ prior: bad })).toThrow(
        `logitAdjustedCrossEntropy: prior must be in (0, 1)${got}`,
      );
      expect(() => forwardCorrectedCrossEntropy({ falsePositive: bad, falseNegative: 0 })).toThrow(
        `forwardCorrectedCrossEntropy: falsePositive must be in [0, 1)${got}`,
      );
      expect(() => forwardCorrectedCrossEntropy({ falsePositive: 0, falseNegative: bad })).toThrow(
        `forwardCorrectedCrossEntropy: falseNegative must be in [0, 1)${got}`,
      );
    });
  });

  test('at the ends of a range', () => {
    expect(() => generalizedCrossEntropy({ q: 1.01 })).toThrow(
      'generalizedCrossEntropy: q must be in [0, 1]; got 1.01',
    );
    for (const prior of [0, 1]) {
      expect(() => logitAdjustedCrossEntropy({ prior })).toThrow(
        `logitAdjustedCrossEntropy: prior must be in (0, 1); got ${prior}`,
      );
    }
    expect(() => forwardCorrectedCrossEntropy({ falsePositive: 1, falseNegative: 0 })).toThrow(
      'forwardCorrectedCrossEntropy: falsePositive must be in [0, 1); got 1',
    );
    expect(() => forwardCorrectedCrossEntropy({ falsePositive: 0.5, falseNegative: 0.5 })).toThrow(
      'forwardCorrectedCrossEntropy: falsePositive + falseNegative must be less than 1, for beyond that the observed ' +
        'label says the opposite of the true one; got 1',
    );
  });

  test.each([
    ['generalizedCrossEntropy', generalizedCrossEntropy],
    ['meanAbsoluteError', meanAbsoluteError],
    ['focalLoss', focalLoss],
    [
      'logitAdjustedCrossEntropy',
      (options: { classWeights?: Pair } = {}) => logitAdjustedCrossEntropy({ prior: 0.2, ...options }),
    ],
    [
      'forwardCorrectedCrossEntropy',
      (options: { classWeights?: Pair } = {}) =>
        forwardCorrectedCrossEntropy({ falsePositive: 0.1, falseNegative: 0.2, ...options }),
    ],
  ])(
    'of the class weights and inputs of %s',
    (name, build: (options?: { classWeights?: Pair }) => Loss<BinaryInputs>) => {
      for (const classWeights of [
        [-1, 1],
        [1, Number.POSITIVE_INFINITY],
        [Number.NaN, 1],
      ] as const) {
        expect(() => build({ classWeights })).toThrow(
          `${name}: classWeights must be two finite numbers of at least 0; got `,
        );
      }
      tf.tidy(() => {
        expect(() => build()({ logits: tf.zeros([2]), labels: tf.zeros([2], 'int32') })).toThrow(
          `${name}: labels must be float32 [2] like logits; got int32 [2]`,
        );
        const column = tf.zeros([2, 1]) as unknown as tf.Tensor1D;
        expect(() => build()({ logits: column, labels: column })).toThrow(
          `${name}: logits must be float32 [B]; got float32 [2, 1]`,
        );
        const none = tf.zeros<tf.Rank.R1>([0]);
        expect(() => build()({ logits: none, labels: none })).toThrow(
          `${name}: logits must be float32 [B], B at least 1; got float32 [0]`,
        );
      });
    },
  );
});
