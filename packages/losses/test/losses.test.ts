import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  type KlEstimator,
  k1,
  k2,
  k3,
  kAbs,
  sequenceMean,
  sequenceSum,
  straightThrough,
} from '@tsrl/tensor';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  binaryCrossEntropy,
  type ClippedValueLossInputs,
  entropyBonus,
  kl,
  type Loss,
  type LossResult,
  negativeLogLikelihood,
  type PpoClipInputs,
  type PpoClipOptions,
  ppoClip,
  type ValueLossInputs,
  valueLoss,
} from '../src/index.ts';

const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Runs a loss over rows of one token each, [n, 1], or over [n] without mask, and differentiates it in `by`. */
function run<I>(
  loss: Loss<I>,
  columns: Readonly<Record<string, readonly number[]>>,
  by: string,
  flat = false,
): { loss: number; gradient: Float32Array; metrics: Record<string, number> } {
  return tf.tidy(() => {
    const n = columns[by]?.length as number;
    const shape = flat ? [n] : [n, 1];
    const inputs: Record<string, tf.Tensor> = Object.fromEntries(
      Object.entries({ ...(flat ? {} : { mask: Array(n).fill(1) }), ...columns }).map(([k, x]) => [
        k,
        tf.tensor([...x], shape),
      ]),
    );
    const call = (x: tf.Tensor): LossResult => loss({ ...inputs, [by]: x } as I);
    const result = call(inputs[by] as tf.Tensor);
    const gradient = tf.grad((x) => call(x).loss)(inputs[by] as tf.Tensor);
    return {
      loss: result.loss.dataSync()[0] as number,
      gradient: Float32Array.from(gradient.dataSync()),
      metrics: Object.fromEntries(Object.entries(result.metrics).map(([k, x]) => [k, x.dataSync()[0] as number])),
    };
  });
}

describe('ppoClip', () => {
  interface Token {
    readonly now: number;
    readonly old: number;
    readonly advantage: number;
  }
  interface Clip {
    readonly low: number;
    readonly high: number;
    readonly dual?: number | undefined;
  }
  const tokenLoss = ({ now, old, advantage: A }: Token, { low, high, dual }: Clip): number => {
    const ratio = Math.exp(Math.min(Math.max(now - old, -20), 20));
    const loss = Math.max(-A * ratio, -A * Math.min(Math.max(ratio, 1 - low), 1 + high));
    return dual !== undefined && A < 0 ? Math.min(loss, -A * dual) : loss;
  };
  const logProb = fc.integer({ min: -3 * 1024, max: 0 }).map((k) => k / 1024);
  const advantage = fc.integer({ min: -64, max: 64 }).map((k) => k / 32);
  const tokens = fc.array(fc.record({ now: logProb, old: logProb, advantage }), { minLength: 1, maxLength: 6 });
  const clips = fc.record({
    low: fc.constantFrom(0, 0.1, 0.2),
    high: fc.constantFrom(0, 0.2, 0.28),
    dual: fc.constantFrom(undefined, 1.5, 3),
  });
  const options = ({ low, high, dual }: Clip): PpoClipOptions => ({
    clipLow: low,
    clipHigh: high,
    ...(dual === undefined ? {} : { dualClip: dual }),
  });
  const columns = (batch: readonly Token[]): Record<string, number[]> => ({
    logProbs: batch.map(({ now }) => now),
    oldLogProbs: batch.map(({ old }) => old),
    advantages: batch.map((t) => t.advantage),
  });
  /** Whether a small move of the log-ratio crosses a kink. */
  const smooth = ({ now, old, advantage: A }: Token, { low, high, dual }: Clip): boolean => {
    const ratio = Math.exp(now - old);
    return A === 0 || [1 - low, 1 + high, dual ?? 2].every((edge) => Math.abs(ratio - edge) > 1e-3);
  };

  test('is its definition, with its gradient away from the kinks', () => {
    forAll([tokens, clips], (batch, clip) => {
      fc.pre(batch.every((token) => smooth(token, clip)));
      const value = (now: ArrayLike<number>): number =>
        sum(batch.map((token, i) => tokenLoss({ ...token, now: now[i] as number }, clip))) / batch.length;
      const { loss, gradient } = run(ppoClip(options(clip)), columns(batch), 'logProbs');
      const at = batch.map(({ now }) => now);
      expect(maxError([loss], [value(at)], float32)).toBeLessThan(1);
      expect(maxError(gradient, finiteDifference(value, at), float32)).toBeLessThan(1);
    });
  });

  test('the numbers of the specification, with their clip fractions and divergences', () => {
    const batch = { logProbs: [-0.7, -1.4, 0.5, -1.1], oldLogProbs: [-1, -1, -1, -1], advantages: [1, -1, -1, 2] };
    const plain = run(ppoClip({ clipHigh: 0.28 }), batch, 'logProbs');
    expect(maxError([plain.loss], [0.5480035586], float32)).toBeLessThan(1);
    const { clipFraction, approxKl, ratioMean } = plain.metrics;
    const ratios = [0.3, -0.4, 1.5, -0.1].map(Math.exp);
    expect(maxError([clipFraction as number, approxKl as number], [0.5, 0.5266763355], float32)).toBeLessThan(1);
    expect(maxError([ratioMean as number], [sum(ratios) / 4], float32)).toBeLessThan(1);
    expect(
      maxError(plain.gradient, [0, 0, (ratios[2] as number) / 4, (-2 * (ratios[3] as number)) / 4], float32),
    ).toBeLessThan(1);
    expect(Object.keys(plain.metrics).sort()).toEqual(['approxKl', 'clipFraction', 'ratioMean']);

    const dual = run(ppoClip({ clipHigh: 0.28, dualClip: 3 }), batch, 'logProbs');
    expect(
      maxError([dual.loss, dual.metrics['dualClipFraction'] as number], [0.177581291, 0.25], float32),
    ).toBeLessThan(1);
    expect(dual.metrics['clipFraction']).toBe(0.5);
    expect(dual.gradient[2]).toBe(0);
  });

  test('at the old policy: value −mean A, gradient that of REINFORCE, nothing clipped', () => {
    forAll([tokens, clips], (batch, clip) => {
      const same = batch.map((token) => ({ ...token, now: token.old }));
      const { loss, gradient, metrics } = run(ppoClip(options(clip)), columns(same), 'logProbs');
      const A = same.map((t) => t.advantage);
      expect(maxError([loss], [-sum(A) / A.length], float32)).toBeLessThan(1);
      // With clipLow or clipHigh 0 the ratio 1 stands on the edge: a tie, which keeps its whole gradient.
      expect(
        maxError(
          gradient,
          A.map((a) => -a / A.length),
          float32,
        ),
      ).toBeLessThan(1);
      expect([metrics['clipFraction'], metrics['approxKl'], metrics['ratioMean']]).toEqual([0, 0, 1]);
    });
  });

  test('an edge of the clipping range keeps the gradient, beyond it there is none', () => {
    // The ratio 1.5 = 1 + clipHigh exactly: exp(log 1.5) need not be 1.5 in float32, so the range is put where it falls.
    const edge = tf.tidy(() => tf.exp(tf.scalar(0.5)).dataSync()[0] as number);
    const slope = (clipHigh: number): number =>
      run(ppoClip({ clipHigh }), { logProbs: [0], oldLogProbs: [-0.5], advantages: [1] }, 'logProbs')
        .gradient[0] as number;
    expect(slope(Math.fround(edge) - 1)).toBeCloseTo(-edge, 5);
    expect(slope(edge - 1 - 1e-3)).toBe(0);
  });

  test('never claims more than the unclipped surrogate, and is it when the range is wide', () => {
    forAll([tokens, clips], (batch, clip) => {
      const { dual: _off, ...single } = clip;
      const clipped = run(ppoClip(options(single)), columns(batch), 'logProbs').loss;
      const weighted = -sum(batch.map(({ now, old, advantage: A }) => A * Math.exp(now - old))) / batch.length;
      expect(clipped).toBeGreaterThanOrEqual(weighted - 1e-5 * (1 + Math.abs(weighted)));
      const wide = run(ppoClip({ clipLow: 0.999999, clipHigh: 1e9 }), columns(batch), 'logProbs').loss;
      expect(maxError([wide], [weighted], float32)).toBeLessThan(1);
    });
  });

  test('the log-ratio is clamped to ±20, without gradient beyond; NaN is not hidden', () => {
    const wide = ppoClip({ clipHigh: Infinity });
    const { loss, gradient } = run(
      wide,
      { logProbs: [0, -40], oldLogProbs: [-40, 0], advantages: [-1, -1] },
      'logProbs',
    );
    expect(maxError([loss], [(Math.exp(20) + 0.8) / 2], float32)).toBeLessThan(1);
    expect([...gradient]).toEqual([0, 0]);
    expect(run(ppoClip(), { logProbs: [Number.NaN], oldLogProbs: [-1], advantages: [1] }, 'logProbs').loss).toBeNaN();
  });

  test('takes weights: a choice of two actions, each weighted by its old probability', () => {
    const { loss, metrics } = tf.tidy(() => {
      const result = ppoClip({ aggregate: sequenceSum })({
        logProbs: tf.log(tf.tensor2d([[0.55, 0.45]])),
        oldLogProbs: tf.log(tf.tensor2d([[0.5, 0.5]])),
        advantages: tf.tensor2d([[1, -1]]),
        mask: tf.tensor2d([[0.5, 0.5]]),
      });
      return { loss: result.loss.dataSync()[0], metrics: { ratioMean: result.metrics['ratioMean']?.dataSync()[0] } };
    });
    expect(loss).toBeCloseTo(-0.1, 6);
    expect(metrics.ratioMean).toBeCloseTo(1, 6);
  });

  test('errors say what is wrong', () => {
    expect(() => ppoClip({ clipLow: 1 })).toThrow('ppoClip: clipLow must be in [0, 1); got 1');
    expect(() => ppoClip({ clipLow: -0.1 })).toThrow('ppoClip: clipLow must be in [0, 1); got -0.1');
    expect(() => ppoClip({ clipHigh: Number.NaN })).toThrow('ppoClip: clipHigh must be at least 0; got NaN');
    expect(() => ppoClip({ dualClip: 1 })).toThrow('ppoClip: dualClip must be above 1; got 1');
    tf.tidy(() => {
      const x: tf.Tensor2D = tf.zeros([2, 3]);
      const inputs = { logProbs: x, oldLogProbs: x, advantages: x, mask: x };
      expect(() => ppoClip()({ ...inputs, logProbs: tf.zeros([1]) as unknown as tf.Tensor2D })).toThrow(
        'ppoClip: logProbs must be float32 [B, T]; got float32 [1]',
      );
      expect(() => ppoClip()({ ...inputs, advantages: tf.zeros([2, 4]) })).toThrow(
        'ppoClip: advantages must be float32 [2, 3] like logProbs; got float32 [2, 4]',
      );
      expect(() => ppoClip()({ ...inputs, mask: tf.zeros([2, 3], 'int32') })).toThrow(
        'ppoClip: mask must be float32 [2, 3] like logProbs; got int32 [2, 3]',
      );
    });
  });
});

describe('valueLoss', () => {
  const number = fc.integer({ min: -64, max: 64 }).map((k) => k / 32);
  const rows = fc.array(fc.record({ value: number, old: number, target: number }), { minLength: 1, maxLength: 6 });

  test('is its definition, with its gradient, clipped and not', () => {
    forAll([rows, fc.constantFrom(undefined, 0.203, 0.511), fc.constantFrom(0.5, 1)], (batch, clip, factor) => {
      const error = (value: number, i: number): number => {
        const { old, target } = batch[i] as { old: number; target: number };
        if (clip === undefined) return (value - target) ** 2;
        return Math.max((value - target) ** 2, (Math.min(Math.max(value, old - clip), old + clip) - target) ** 2);
      };
      // No kink in reach: the grid of 1/32 is never at old ± clip, and the squares tie only by symmetry around it.
      fc.pre(
        clip === undefined ||
          batch.every(({ value, old, target }) => {
            const bounded = Math.min(Math.max(value, old - clip), old + clip);
            return bounded === value || Math.abs(Math.abs(value - target) - Math.abs(bounded - target)) > 1e-3;
          }),
      );
      const oracle = (v: ArrayLike<number>): number => (factor * sum(Array.from(v, error))) / batch.length;
      const loss: Loss<ClippedValueLossInputs> =
        clip === undefined ? valueLoss({ factor }) : valueLoss({ clip, factor });
      const values = batch.map(({ value }) => value);
      const result = run(
        loss,
        { values, oldValues: batch.map(({ old }) => old), returns: batch.map(({ target }) => target) },
        'values',
      );
      expect(maxError([result.loss], [oracle(values)], float32)).toBeLessThan(1);
      expect(maxError(result.gradient, finiteDifference(oracle, values), float32)).toBeLessThan(1);
    });
  });

  test('reports the fraction that is clipped and the variance that is explained', () => {
    const batch = { values: [1, 2, 0.1], oldValues: [0, 0, 0], returns: [0, 3, 0] };
    const { metrics, gradient } = run(valueLoss({ clip: 0.5 }), batch, 'values');
    // (1 − 0)² > (0.5 − 0)²; (2 − 3)² < (0.5 − 3)²; inside the range both are one.
    expect(metrics['clipFraction']).toBeCloseTo(1 / 3, 6);
    const residual = [-1, 1, -0.1];
    const variance = (x: number[]): number => sum(x.map((y) => (y - sum(x) / x.length) ** 2)) / x.length;
    expect(metrics['explainedVariance']).toBeCloseTo(1 - variance(residual) / variance(batch.returns), 5);
    expect(maxError(gradient, [1 / 3, 0, 0.1 / 3], float32)).toBeLessThan(1);
    expect(run(valueLoss(), { values: [1, 2], returns: [3, 3] }, 'values').metrics).toEqual({ explainedVariance: 0 });
  });

  test('gives the whole gradient to the unclipped term when both are as bad', () => {
    // (2 − 1.5)² = (1 − 1.5)², the value clipped from 2 to 1.
    const { gradient } = run(valueLoss({ clip: 1 }), { values: [2], oldValues: [0], returns: [1.5] }, 'values');
    expect(gradient[0]).toBe(0.5);
  });

  test('asks for the old values where it clips, and only there', () => {
    expectTypeOf(valueLoss()).toEqualTypeOf<Loss<ValueLossInputs>>();
    expectTypeOf(valueLoss({ factor: 1 })).toEqualTypeOf<Loss<ValueLossInputs>>();
    expectTypeOf(valueLoss({ clip: 0.5 })).toEqualTypeOf<Loss<ClippedValueLossInputs>>();
    expectTypeOf<ValueLossInputs>().not.toExtend<ClippedValueLossInputs>();
  });

  test('errors say what is wrong', () => {
    expect(() => valueLoss({ clip: 0 })).toThrow('valueLoss: clip must be positive; got 0');
    expect(() => valueLoss({ factor: -1 })).toThrow('valueLoss: factor must be positive and finite; got -1');
    tf.tidy(() => {
      const x: tf.Tensor2D = tf.zeros([2, 3]);
      const inputs = { values: x, oldValues: x, returns: x, mask: x };
      const wrong: tf.Tensor2D = tf.zeros([3, 2]);
      expect(() => valueLoss({ clip: 1 })({ ...inputs, oldValues: wrong })).toThrow(
        'valueLoss: oldValues must be float32 [2, 3] like values; got float32 [3, 2]',
      );
      expect(() => valueLoss()({ ...inputs, returns: wrong })).toThrow('valueLoss: returns must be');
      expect(() => valueLoss()({ ...inputs, values: tf.zeros([2]) as unknown as tf.Tensor2D })).toThrow(
        'valueLoss: values must be float32 [B, T]; got float32 [2]',
      );
    });
  });
});

describe('entropyBonus', () => {
  test('is minus the aggregated entropy, and reports the mean', () => {
    const { loss, gradient, metrics } = run(entropyBonus(), { entropy: [1, 2, 6] }, 'entropy');
    expect(loss).toBe(-3);
    expect(maxError(gradient, [-1 / 3, -1 / 3, -1 / 3], float32)).toBeLessThan(1);
    expect(metrics).toEqual({ entropy: 3 });
    tf.tidy(() => {
      const mask = tf.zeros<tf.Rank.R2>([2, 2]);
      expect(() => entropyBonus()({ entropy: tf.zeros([2, 3]), mask })).toThrow(
        'entropyBonus: mask must be float32 [2, 3] like entropy; got float32 [2, 2]',
      );
    });
  });
});

describe('negativeLogLikelihood', () => {
  test('is minus the aggregated log-prob, and reports the mean', () => {
    const { loss, gradient, metrics } = run(negativeLogLikelihood(), { logProbs: [-1, -2, -6] }, 'logProbs');
    expect(loss).toBe(3);
    expect(maxError(gradient, [-1 / 3, -1 / 3, -1 / 3], float32)).toBeLessThan(1);
    expect(metrics).toEqual({ logProb: -3 });
  });
});

describe('kl', () => {
  const logProb = fc.integer({ min: -4096, max: 0 }).map((k) => k / 1024);
  const slopes: [string, KlEstimator | undefined, (d: number) => number, (d: number) => number][] = [
    ['k3 by default', undefined, (d) => Math.expm1(-d) + d, (d) => -Math.expm1(-d)],
    ['k1', k1, (d) => d, () => 1],
    ['k2', k2, (d) => d ** 2 / 2, (d) => d],
    ['k3', k3, (d) => Math.expm1(-d) + d, (d) => -Math.expm1(-d)],
    ['kAbs', kAbs, Math.abs, Math.sign],
    ['straightThrough(k3)', straightThrough(k3), (d) => Math.expm1(-d) + d, (d) => d],
  ];

  test.each(slopes)('averages the estimates: %s', (_name, estimator, value, slope) => {
    forAll([fc.array(fc.tuple(logProb, logProb), { minLength: 1, maxLength: 6 })], (pairs) => {
      const columns = { logProbs: pairs.map(([a]) => a), refLogProbs: pairs.map(([, b]) => b) };
      const { loss, gradient, metrics } = run(kl(estimator === undefined ? {} : { estimator }), columns, 'logProbs');
      const d = pairs.map(([a, b]) => a - b);
      expect(
        maxError([loss, metrics['kl'] as number], Array(2).fill(sum(d.map(value)) / d.length), float32),
      ).toBeLessThan(1);
      expect(
        maxError(
          gradient,
          d.map((x) => slope(x) / d.length),
          float32,
        ),
      ).toBeLessThan(1);
    });
  });

  test('says what is wrong', () => {
    tf.tidy(() => {
      const x: tf.Tensor2D = tf.zeros([2, 3]);
      expect(() => kl()({ logProbs: x, refLogProbs: tf.zeros([2, 2]), mask: x })).toThrow(
        'kl: refLogProbs must be float32 [2, 3] like logProbs; got float32 [2, 2]',
      );
    });
  });
});

describe('binaryCrossEntropy', () => {
  const logit = fc.integer({ min: -320, max: 320 }).map((k) => k / 32);
  const examples = fc.array(fc.tuple(logit, fc.constantFrom(0, 1)), { minLength: 1, maxLength: 8 });
  const weights = fc.tuple(fc.constantFrom(0, 0.5, 1), fc.constantFrom(1, 3));

  test('is its definition, with its gradient, smoothed and weighted', () => {
    forAll([examples, fc.constantFrom(0, 0.1, 0.5), weights], (batch, smoothing, classWeights) => {
      const oracle = (z: ArrayLike<number>): number =>
        sum(
          batch.map(([, y], i) => {
            const soft = y * (1 - smoothing) + smoothing / 2;
            return (
              (classWeights[y] as number) * (soft * softplus(-(z[i] as number)) + (1 - soft) * softplus(z[i] as number))
            );
          }),
        ) / batch.length;
      const columns = { logits: batch.map(([z]) => z), labels: batch.map(([, y]) => y) };
      const { loss, gradient } = run(binaryCrossEntropy({ smoothing, classWeights }), columns, 'logits', true);
      expect(maxError([loss], [oracle(columns.logits)], float32)).toBeLessThan(1);
      expect(maxError(gradient, finiteDifference(oracle, columns.logits), float32)).toBeLessThan(1);
    });
  });

  test('keeps the digits of a tiny loss, and is finite at ±1e4', () => {
    const at = (z: number, y: number): ReturnType<typeof run> =>
      run(binaryCrossEntropy(), { logits: [z], labels: [y] }, 'logits', true);
    expect(at(20, 1).loss / softplus(-20)).toBeCloseTo(1, 5);
    expect(at(-20, 0).loss / softplus(-20)).toBeCloseTo(1, 5);
    expect(at(1e4, 0).loss).toBe(1e4);
    expect(at(1e4, 0).gradient[0]).toBe(1);
    expect(at(1e4, 1).loss).toBe(0);
    expect(at(3, 1).gradient[0]).toBeCloseTo(sigmoid(3) - 1, 6);
  });

  test('counts a positive logit as class 1, and 0 as class 0', () => {
    const { metrics } = run(binaryCrossEntropy(), { logits: [2, -1, 0, 0.1], labels: [1, 1, 0, 0] }, 'logits', true);
    expect(metrics).toEqual({ accuracy: 0.5 });
  });

  test('errors say what is wrong', () => {
    expect(() => binaryCrossEntropy({ smoothing: 1 })).toThrow(
      'binaryCrossEntropy: smoothing must be in [0, 1); got 1',
    );
    expect(() => binaryCrossEntropy({ classWeights: [-1, 1] })).toThrow(
      'binaryCrossEntropy: classWeights must be two finite numbers of at least 0; got [-1,1]',
    );
    tf.tidy(() => {
      expect(() => binaryCrossEntropy()({ logits: tf.zeros([2]), labels: tf.zeros([2], 'int32') })).toThrow(
        'binaryCrossEntropy: labels must be float32 [2] like logits; got int32 [2]',
      );
      const column = tf.zeros([2, 1]) as unknown as tf.Tensor1D;
      expect(() => binaryCrossEntropy()({ logits: column, labels: column })).toThrow(
        'binaryCrossEntropy: logits must be float32 [B]; got float32 [2, 1]',
      );
    });
  });
});

test('every loss over tokens takes an aggregation', () => {
  expectTypeOf<PpoClipOptions['aggregate']>().toEqualTypeOf<Aggregate | undefined>();
  const inputs = (): PpoClipInputs & {
    refLogProbs: tf.Tensor2D;
    entropy: tf.Tensor2D;
    values: tf.Tensor2D;
    returns: tf.Tensor2D;
  } => {
    const x = tf.tensor2d([
      [-1, -2],
      [-4, -0.5],
    ]);
    const mask = tf.tensor2d([
      [1, 1],
      [1, 0],
    ]);
    const zero = tf.zerosLike(x);
    return { logProbs: x, oldLogProbs: x, advantages: x, mask, refLogProbs: x, entropy: x, values: x, returns: zero };
  };
  const of = (loss: LossResult): number => loss.loss.dataSync()[0] as number;
  tf.tidy(() => {
    expect(of(ppoClip({ aggregate: sequenceMean })(inputs()))).toBeCloseTo(2.75, 6);
    expect(of(entropyBonus({ aggregate: sequenceMean })(inputs()))).toBeCloseTo(2.75, 6);
    expect(of(valueLoss({ aggregate: sequenceMean })(inputs()))).toBeCloseTo(9.25 / 2, 6);
    expect(of(kl({ aggregate: sequenceMean })(inputs()))).toBeCloseTo(0, 6);
  });
});
