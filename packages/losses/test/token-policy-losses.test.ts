import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import {
  type Aggregate,
  highEntropyMask,
  type Loss,
  type LossResult,
  type PerToken,
  sequenceMean,
  sequenceSum,
  tokenMean,
  tokenSum,
} from '@tsrl/tensor';
import { finiteDifference, float32, float32Condition, forAll as forAllRuns, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type CorrectedKlInputs,
  cispo,
  correctedKl,
  type DirectValueInputs,
  type DistillationInputs,
  directReward,
  directValue,
  distillation,
  entropyBonus,
  fromLogits,
  gpg,
  importanceWeights,
  objective,
  type PolicyDiagnostic,
  type PolicyInputs,
  policyDiagnostics,
  ppoClip,
  reinforce,
  responseClip,
  sapo,
  scale,
  skipLargeRatio,
  type TokenWeights,
  tokenTermsOf,
  tokenWeighted,
} from '../src/index.ts';

/** Forty properties of a few losses each: FC_RUNS looks further. */
const forAll: typeof forAllRuns = (arbitraries, property) => forAllRuns(arbitraries, property, { runs: 15 });

/** A batch on the host: rows of tokens, flat, and one number of each row. */
interface Batch {
  readonly rows: number;
  readonly columns: number;
  readonly logProbs: number[];
  readonly oldLogProbs: number[];
  readonly refLogProbs: number[];
  readonly advantages: number[];
  readonly perRow: number[];
  readonly weights: number[];
  readonly mask: number[];
}

// Multiples of 1/1024: no ratio of two is within 5e-5 of a bound that is used below, so that no kink is near.
const logProb = fc.integer({ min: -3 * 1024, max: 0 }).map((k) => k / 1024);
const advantage = fc.integer({ min: -64, max: 64 }).map((k) => k / 32);
const batches = fc
  .record({ rows: fc.integer({ min: 1, max: 3 }), columns: fc.integer({ min: 1, max: 4 }) })
  .chain(({ rows, columns }) => {
    const tokens = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(of, { minLength: rows * columns, maxLength: rows * columns });
    return fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      logProbs: tokens(logProb),
      oldLogProbs: tokens(logProb),
      refLogProbs: tokens(logProb),
      advantages: tokens(advantage),
      perRow: fc.array(advantage, { minLength: rows, maxLength: rows }),
      weights: tokens(fc.integer({ min: -8, max: 32 }).map((k) => k / 16)),
      mask: tokens(fc.constantFrom(0, 1, 1)),
    });
  });

const perToken = ({ rows, columns }: Batch, x: ArrayLike<number>): PerToken =>
  tf.tensor2d(Float32Array.from(x), [rows, columns]);

function tensorsOf(batch: Batch) {
  const { logProbs, oldLogProbs, refLogProbs, advantages, weights, mask, perRow } = batch;
  return {
    logProbs: perToken(batch, logProbs),
    oldLogProbs: perToken(batch, oldLogProbs),
    refLogProbs: perToken(batch, refLogProbs),
    advantages: perToken(batch, advantages),
    tokenWeights: perToken(batch, weights),
    mask: perToken(batch, mask),
    perRow: tf.tensor1d(perRow),
  };
}
type Tensors = ReturnType<typeof tensorsOf>;

interface Evaluated {
  readonly loss: number;
  readonly gradient: number[];
  readonly metrics: Readonly<Record<string, number>>;
}

function evaluate(batch: Batch, call: (inputs: Tensors) => LossResult): Evaluated {
  return tf.tidy(() => {
    const inputs = tensorsOf(batch);
    const { loss, metrics } = call(inputs);
    const gradient = tf.grad((logProbs) => call({ ...inputs, logProbs: logProbs as PerToken }).loss)(inputs.logProbs);
    return {
      loss: loss.dataSync()[0] as number,
      gradient: Array.from(gradient.dataSync()),
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, x]) => [name, x.dataSync()[0] as number])),
    };
  });
}

const run = (loss: Loss<Tensors>, batch: Batch): Evaluated => evaluate(batch, (inputs) => loss(inputs));
/** For losses whose advantages are one number per row. */
const runRows = <A extends { advantages: tf.Tensor1D }>(loss: Loss<Omit<Tensors, 'advantages'> & A>, batch: Batch) =>
  evaluate(batch, ({ advantages: _, ...inputs }) =>
    loss({ ...inputs, advantages: inputs.perRow } as Omit<Tensors, 'advantages'> & A),
  );

/** The oracle's value at the log-probs x; what a loss treats as constant it computes from `frozen`. */
type Oracle = (x: ArrayLike<number>, frozen: ArrayLike<number>) => number;

/** Value within float32 of the oracle, and of what float32 cannot do better; gradient that of finite differences. */
function expectOracle({ loss, gradient }: Evaluated, batch: Batch, oracle: Oracle): void {
  const at = batch.logProbs;
  const value = oracle(at, at);
  const room = float32Condition((x) => [oracle(x, x)], at)[0] as number;
  expect(maxError([loss], [value], { ...float32, absolute: float32.absolute + room })).toBeLessThan(1);
  const expected = finiteDifference((x) => oracle(x, at), at);
  // Differences of step 1e-5 lose 1e-10 of the third derivative, and 1e-11 of the value.
  expect(maxError(gradient, expected, { absolute: 2e-6, relative: 4e-5 })).toBeLessThan(1);
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const rowsOf = ({ rows, columns, mask }: Batch): number[][] =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, t) => i * columns + t).filter((at) => mask[at] === 1),
  );

const means = {
  tokenMean: (batch: Batch, f: (at: number) => number): number => {
    const tokens = rowsOf(batch).flat();
    return tokens.length === 0 ? 0 : tokens.reduce((sum, at) => sum + f(at), 0) / tokens.length;
  },
  sequenceMean: (batch: Batch, f: (at: number) => number): number => {
    const rows = rowsOf(batch).filter((row) => row.length > 0);
    const each = rows.map((row) => row.reduce((sum, at) => sum + f(at), 0) / row.length);
    return rows.length === 0 ? 0 : each.reduce((a, b) => a + b, 0) / rows.length;
  },
  sequenceSum: (batch: Batch, f: (at: number) => number): number => {
    const rows = rowsOf(batch).filter((row) => row.length > 0);
    return rows.length === 0 ? 0 : rows.flat().reduce((sum, at) => sum + f(at), 0) / rows.length;
  },
};
const aggregates: readonly (readonly [keyof typeof means, Aggregate])[] = [
  ['tokenMean', tokenMean],
  ['sequenceMean', sequenceMean],
  ['sequenceSum', sequenceSum],
];
const modes = fc.constantFrom(...aggregates);
/** A row of tokens that all count, with what matters given. */
function row(given: Partial<Batch> & Pick<Batch, 'logProbs'>): Batch {
  const columns = given.logProbs.length;
  const all = (value: number): number[] => Array<number>(columns).fill(value);
  return {
    rows: 1,
    columns,
    oldLogProbs: given.logProbs,
    refLogProbs: all(0),
    advantages: all(1),
    perRow: [1],
    weights: all(1),
    mask: all(1),
    ...given,
  };
}

describe('cispo', () => {
  const bounds = fc.constantFrom([0, 5], [0.8, 1.28], [0, 1.5], [0.5, 0.5]) as fc.Arbitrary<[number, number]>;

  test('is its definition, and the weight has no gradient', () => {
    forAll([batches, bounds, modes], (batch, [minRatio, maxRatio], [mode, aggregate]) => {
      const weight = (x: number, at: number) => clamp(Math.exp(x - batch.oldLogProbs[at]!), minRatio, maxRatio);
      expectOracle(run(cispo({ minRatio, maxRatio, aggregate }), batch), batch, (x, frozen) =>
        means[mode](batch, (at) => -weight(frozen[at]!, at) * batch.advantages[at]! * x[at]!),
      );
    });
  });

  test('without a lower bound it is REINFORCE under truncated importance weights', () => {
    forAll([batches, fc.constantFrom(1.5, 5)], (batch, maxRatio) => {
      const weighted = tokenWeighted((aggregate) => reinforce({ aggregate }));
      const other = evaluate(batch, (inputs) =>
        weighted({ ...inputs, tokenWeights: importanceWeights(inputs.logProbs, inputs.oldLogProbs, { maxRatio }) }),
      );
      const { loss, gradient } = run(cispo({ maxRatio }), batch);
      expect(maxError([loss, ...gradient], [other.loss, ...other.gradient], float32)).toBeLessThan(1);
    });
  });

  test('counts the tokens outside the bounds; log-ratios end at 20', () => {
    const batch = row({ logProbs: [0, -1, -3, 0], oldLogProbs: [-3, -1, 0, -900] });
    expect(run(cispo({ minRatio: 0.8, maxRatio: 1.2 }), batch).metrics['clipFraction']).toBe(0.75);
    expect(run(cispo({ maxRatio: 5 }), batch).metrics['clipFraction']).toBe(0.5);
    const huge = run(cispo({ maxRatio: Number.POSITIVE_INFINITY, aggregate: tokenSum }), batch);
    expect(huge.gradient[3]! / -Math.exp(20)).toBeCloseTo(1, 5);
  });

  test('options that make no sense', () => {
    expect(() => cispo({ minRatio: -0.1 })).toThrow('cispo: minRatio must be at least 0; got -0.1');
    expect(() => cispo({ minRatio: 2, maxRatio: 1 })).toThrow(
      'cispo: maxRatio must be positive and at least minRatio (2); got 1',
    );
    expect(() => cispo({ maxRatio: 0 })).toThrow('cispo: maxRatio must be positive and at least minRatio (0); got 0');
    expect(() => cispo({ maxRatio: Number.NaN })).toThrow('maxRatio must be positive');
  });
});

describe('sapo', () => {
  const temperatures = fc.constantFrom([1, 1.05], [2, 0.5], [0.1, 10]) as fc.Arbitrary<[number, number]>;

  test('is its definition', () => {
    forAll([batches, temperatures, modes], (batch, [positiveTemperature, negativeTemperature], [mode, aggregate]) => {
      const loss = sapo({ positiveTemperature, negativeTemperature, aggregate });
      expectOracle(run(loss, batch), batch, (x) =>
        means[mode](batch, (at) => {
          const A = batch.advantages[at]!;
          const tau = A > 0 ? positiveTemperature : negativeTemperature;
          const ratio = Math.exp(x[at]! - batch.oldLogProbs[at]!);
          return (-A * 4) / tau / (1 + Math.exp(-tau * (ratio - 1)));
        }),
      );
    });
  });

  test('aggregates by sequenceMean unless told otherwise, and reports how much of the gradient is left', () => {
    forAll([batches], (batch) => {
      expect(run(sapo(), batch).loss).toBe(run(sapo({ aggregate: sequenceMean }), batch).loss);
    });
    expect(run(sapo(), row({ logProbs: [-0.5] })).metrics['gateMean']).toBe(1);
    const far = row({ logProbs: [0], oldLogProbs: [-3] });
    const gate = 1 / (1 + Math.exp(-(Math.exp(3) - 1)));
    expect(run(sapo(), far).metrics['gateMean']).toBeCloseTo(4 * gate * (1 - gate), 6);
  });

  test('options that make no sense', () => {
    expect(() => sapo({ positiveTemperature: 0 })).toThrow(
      'sapo: positiveTemperature must be positive and finite; got 0',
    );
    expect(() => sapo({ negativeTemperature: Number.POSITIVE_INFINITY })).toThrow(
      'sapo: negativeTemperature must be positive and finite; got Infinity',
    );
  });
});

describe('reinforce and gpg', () => {
  test('are their definition', () => {
    forAll([batches, modes], (batch, [mode, aggregate]) => {
      const oracle: Oracle = (x) => means[mode](batch, (at) => -batch.advantages[at]! * x[at]!);
      expectOracle(run(reinforce({ aggregate }), batch), batch, oracle);
      expectOracle(run(gpg({ aggregate }), batch), batch, oracle);
    });
  });

  test('by default one is the log-prob of whole responses, the other a mean over tokens', () => {
    forAll([batches], (batch) => {
      expectOracle(run(reinforce(), batch), batch, (x) =>
        means.sequenceSum(batch, (at) => -batch.advantages[at]! * x[at]!),
      );
      expectOracle(run(gpg(), batch), batch, (x) => means.tokenMean(batch, (at) => -batch.advantages[at]! * x[at]!));
    });
  });

  test('need no old policy', () => {
    expectTypeOf(reinforce()).parameter(0).not.toHaveProperty('oldLogProbs');
    // @ts-expect-error: advantages are missing
    expect(() => tf.tidy(() => reinforce()({ logProbs: tf.ones([1, 2]), mask: tf.ones([1, 2]) }))).toThrow();
  });
});

describe('where the policy is the one that sampled', () => {
  test('every loss with a ratio has the gradient of REINFORCE, whatever the aggregation', () => {
    forAll([batches, modes], (drawn, [, aggregate]) => {
      const batch = { ...drawn, oldLogProbs: drawn.logProbs };
      const { gradient } = run(reinforce({ aggregate }), batch);
      const losses = [ppoClip, cispo, sapo].map((build) => build({ aggregate }));
      for (const loss of [...losses, ppoClip({ logRatioRange: [0, 0.1], aggregate })]) {
        expect(maxError(run(loss, batch).gradient, gradient, float32)).toBeLessThan(1);
      }
    });
  });

  test('PPO has the value of minus the advantages, SAPO twice that over its temperature', () => {
    forAll([batches], (drawn) => {
      const batch = { ...drawn, oldLogProbs: drawn.logProbs, advantages: drawn.advantages.map(Math.abs) };
      const mean = means.tokenMean(batch, (at) => -batch.advantages[at]!);
      expect(maxError([run(ppoClip(), batch).loss], [mean], float32)).toBeLessThan(1);
      const smooth = sapo({ positiveTemperature: 0.5, negativeTemperature: 0.5, aggregate: tokenMean });
      expect(maxError([run(smooth, batch).loss], [4 * mean], float32)).toBeLessThan(1);
    });
  });
});

describe('ppoClip', () => {
  test('clamps the log-ratio to its range, with gradient 0 outside', () => {
    const ranges = fc.constantFrom(
      [-10, 10],
      [-0.3, 0.3],
      [-0.1, 1],
      [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    );
    forAll([batches, ranges as fc.Arbitrary<[number, number]>], (batch, logRatioRange) => {
      expectOracle(run(ppoClip({ clipLow: 0.2, clipHigh: 0.28, logRatioRange }), batch), batch, (x) =>
        means.tokenMean(batch, (at) => {
          const ratio = Math.exp(clamp(x[at]! - batch.oldLogProbs[at]!, ...logRatioRange));
          const A = batch.advantages[at]!;
          return -Math.min(ratio * A, clamp(ratio, 0.8, 1.28) * A);
        }),
      );
    });
    expect(
      run(
        ppoClip({ logRatioRange: [-Infinity, Infinity] }),
        row({ logProbs: [0], oldLogProbs: [-99], advantages: [-1] }),
      ).loss,
    ).toBe(Number.POSITIVE_INFINITY);
  });

  test('the dual clip is the two-sided clip: the ratio of the first term is at most δ', () => {
    forAll([batches, fc.constantFrom(1.5, 4)], (batch, delta) => {
      expectOracle(run(ppoClip({ dualClip: delta }), batch), batch, (x) =>
        means.tokenMean(batch, (at) => {
          const ratio = Math.exp(x[at]! - batch.oldLogProbs[at]!);
          const A = batch.advantages[at]!;
          return -Math.min(Math.min(ratio, delta) * A, clamp(ratio, 0.8, 1.2) * A);
        }),
      );
    });
  });

  test('a range without 0', () => {
    const message = 'ppoClip: logRatioRange must be a range [low, high] that holds 0; got';
    expect(() => ppoClip({ logRatioRange: [0.1, 1] })).toThrow(message);
    expect(() => ppoClip({ logRatioRange: [-1, Number.NaN] })).toThrow(message);
  });
});

describe('responseClip', () => {
  const oracle =
    (batch: Batch, high: number, dual = Number.POSITIVE_INFINITY): Oracle =>
    (x) => {
      const rows = rowsOf(batch).map((row, i) => ({ row, A: batch.perRow[i]! }));
      const full = rows.filter(({ row }) => row.length > 0);
      const each = full.map(({ row, A }) => {
        const ratio = Math.exp(
          clamp(
            row.reduce((sum, at) => sum + x[at]! - batch.oldLogProbs[at]!, 0),
            -20,
            20,
          ),
        );
        const loss = -Math.min(ratio * A, clamp(ratio, 0.8, high) * A);
        return A < 0 ? Math.min(loss, -A * dual) : loss;
      });
      return full.length === 0 ? 0 : each.reduce((a, b) => a + b, 0) / full.length;
    };

  test('is its definition', () => {
    forAll([batches], (batch) => {
      expectOracle(runRows(responseClip({ clipHigh: 1.5 - 1 }), batch), batch, oracle(batch, 1.5));
      expectOracle(runRows(responseClip({ dualClip: 4 }), batch), batch, oracle(batch, 1.2, 4));
    });
  });

  test('for responses of one token it is ppoClip', () => {
    forAll([batches], (drawn) => {
      const batch = { ...drawn, columns: 1, rows: drawn.rows * drawn.columns, perRow: drawn.advantages };
      const [a, b] = [runRows(responseClip(), batch), run(ppoClip(), batch)];
      // Of an advantage 0 the gradient is 0 with either sign.
      for (const { gradient } of [a, b]) for (const [i, g] of gradient.entries()) if (g === 0) gradient[i] = 0;
      expect(a).toEqual(b);
    });
  });

  test('at the policy that sampled its gradient is that of REINFORCE on whole responses', () => {
    forAll([batches], (drawn) => {
      const advantages = drawn.advantages.map((_, at) => drawn.perRow[Math.floor(at / drawn.columns)]!);
      const batch = { ...drawn, oldLogProbs: drawn.logProbs, advantages };
      const [a, b] = [runRows(responseClip(), batch), run(reinforce(), batch)];
      expect(maxError(a.gradient, b.gradient, float32)).toBeLessThan(1);
    });
  });

  test('advantages of tokens are refused', () => {
    const x = tf.ones<tf.Rank.R2>([2, 3]);
    const call = () => responseClip()({ logProbs: x, oldLogProbs: x, advantages: x as never, mask: x });
    expect(call).toThrow('responseClip: advantages must be float32 [2]; got float32 [2, 3]');
    expect(() => responseClip({ dualClip: 1 })).toThrow('responseClip: dualClip must be above 1; got 1');
    expect(() => responseClip({ logRatioRange: [1, 2] })).toThrow(
      'responseClip: logRatioRange must be a range [low, high] that holds 0; got [1,2]',
    );
    x.dispose();
  });
});

describe('directValue', () => {
  test('is its definition, and the weight has no gradient', () => {
    forAll(
      [batches, fc.constantFrom([0.1, 10], [1, 1.5]) as fc.Arbitrary<[number, number]>],
      (batch, [beta, maxWeight]) => {
        const got = runRows<DirectValueInputs>(directValue({ beta, maxWeight }), batch);
        expectOracle(got, batch, (x, frozen) => {
          const full = rowsOf(batch).flatMap((row, i) => (row.length > 0 ? [{ row, A: batch.perRow[i]! }] : []));
          const each = full.map(({ row, A }) => {
            const moved = row.reduce((sum, at) => sum + frozen[at]! - batch.oldLogProbs[at]!, 0);
            const away = row.reduce((sum, at) => sum + x[at]! - batch.refLogProbs[at]!, 0);
            return 0.5 * Math.min(Math.exp(moved), maxWeight) * (beta * away - A) ** 2;
          });
          return full.length === 0 ? 0 : each.reduce((a, b) => a + b, 0) / full.length;
        });
      },
    );
  });

  test('metrics, and options that make no sense', () => {
    const { metrics } = runRows<DirectValueInputs>(
      directValue({ maxWeight: 2 }),
      row({
        rows: 3,
        columns: 1,
        logProbs: [0, -1, 7],
        oldLogProbs: [-1, -1, 0],
        refLogProbs: [-2, -1, 0],
        mask: [1, 1, 0],
        perRow: [0, 0, 0],
      }),
    );
    expect(metrics).toEqual({ logRatioMean: 1, weightMean: 1.5, weightClipFraction: 0.5 });
    expect(() => directValue({ beta: 0 })).toThrow('directValue: beta must be positive and finite; got 0');
    expect(() => directValue({ maxWeight: -1 })).toThrow('directValue: maxWeight must be positive and finite; got -1');
  });
});

describe('directReward', () => {
  test('is its definition', () => {
    forAll([batches, fc.constantFrom(0.1, 2), modes], (batch, beta, [mode, aggregate]) => {
      expectOracle(run(directReward({ beta, aggregate }), batch), batch, (x) =>
        means[mode](batch, (at) => {
          const d = x[at]! - batch.oldLogProbs[at]!;
          return -(x[at]! * batch.advantages[at]! - (beta / 2) * d * d);
        }),
      );
    });
  });

  test('begins as REINFORCE, and rests where the log-ratio is A / β', () => {
    const batch = row({ logProbs: [-0.5, -1], advantages: [0.5, -1] });
    expect(run(directReward({ beta: 2 }), batch).gradient).toEqual([-0.25, 0.5]);
    const moved = row({ logProbs: [-0.25, -1.5], oldLogProbs: [-0.5, -1], advantages: [0.5, -1] });
    expect(run(directReward({ beta: 2 }), moved).gradient).toEqual([0, 0]);
  });

  test('beta that makes no sense', () => {
    expect(() => directReward({ beta: 0 })).toThrow('directReward: beta must be positive and finite; got 0');
  });
});

describe('correctedKl', () => {
  test('is its definition, with the gradient of the ratio', () => {
    forAll([batches, modes], (batch, [mode, aggregate]) => {
      expectOracle(run(correctedKl({ aggregate }), batch), batch, (x) =>
        means[mode](batch, (at) => {
          const d = x[at]! - batch.refLogProbs[at]!;
          return Math.exp(x[at]! - batch.oldLogProbs[at]!) * (Math.expm1(-d) + d);
        }),
      );
    });
  });

  test('over the tokens of another policy it is KL(π ‖ π_ref), in value and gradient', () => {
    const softmax = (z: readonly number[]): number[] => {
      const total = z.reduce((sum, v) => sum + Math.exp(v), 0);
      return z.map((v) => Math.exp(v) / total);
    };
    const logits = fc.array(
      fc.integer({ min: -64, max: 64 }).map((k) => k / 32),
      { minLength: 3, maxLength: 3 },
    );
    forAll([logits, logits, logits], (now, old, ref) => {
      const [mu, q] = [softmax(old), softmax(ref)];
      const divergence = (z: ArrayLike<number>): number =>
        softmax(Array.from(z)).reduce((sum, p, v) => sum + p * Math.log(p / q[v]!), 0);
      const { loss, gradient } = tf.tidy(() => {
        const ids = tf.tensor2d([0, 1, 2], [1, 3], 'int32');
        const of = (p: number[]): PerToken => tf.log(tf.tensor2d(p, [1, 3]));
        // Every token once, weighted by how often the old policy samples it.
        const expectation = tokenWeighted((aggregate) => correctedKl({ aggregate }), { aggregate: tokenSum });
        const loss = fromLogits(expectation);
        const value = (z: tf.Tensor): tf.Scalar =>
          loss({
            logits: tf.tile(tf.reshape(z, [1, 1, 3]), [1, 3, 1]) as tf.Tensor3D,
            ids,
            oldLogProbs: of(mu),
            refLogProbs: of(q),
            tokenWeights: tf.tensor2d(mu, [1, 3]),
            mask: tf.ones([1, 3]),
          }).loss;
        const z = tf.tensor1d(now);
        return { loss: value(z).dataSync()[0]!, gradient: Array.from(tf.grad(value)(z).dataSync()) };
      });
      expect(maxError([loss], [divergence(now)], { absolute: 3e-6, relative: 2e-5 })).toBeLessThan(1);
      expect(maxError(gradient, finiteDifference(divergence, now), { absolute: 3e-6, relative: 4e-5 })).toBeLessThan(1);
    });
  });

  test('at the policy that sampled, its gradient is d; far away it ends', () => {
    const near = run(correctedKl(), row({ logProbs: [-0.5], refLogProbs: [-1.5] }));
    expect(near.gradient[0]).toBeCloseTo(1, 6);
    expect(near.metrics['kl']).toBeCloseTo(Math.exp(-1), 6);
    const slopes = tokenTermsOf(correctedKl() as Loss<never>)!({})[0]!;
    for (const [now, old, ref] of [
      [-1, -30, -2],
      [-30, -1, -31],
      [-1, -2, -30],
      [-50, -1, -2],
    ] as const) {
      const { gradient } = run(correctedKl(), row({ logProbs: [now], oldLogProbs: [old], refLogProbs: [ref] }));
      expect(maxError([slopes.slope(now, Float32Array.of(old, ref), 0)], gradient, float32)).toBeLessThan(1);
    }
  });

  test('needs both policies', () => {
    expectTypeOf(correctedKl()).parameter(0).toEqualTypeOf<CorrectedKlInputs>();
    const [x, y] = [tf.ones<tf.Rank.R2>([1, 2]), tf.ones<tf.Rank.R2>([2, 2])];
    expect(() => correctedKl()({ logProbs: x, oldLogProbs: x, refLogProbs: y, mask: x })).toThrow(
      /^correctedKl: .*refLogProbs/,
    );
    tf.dispose([x, y]);
  });
});

describe('tokenWeighted', () => {
  const policies = {
    ppoClip: (aggregate: Aggregate) => ppoClip({ dualClip: 4, aggregate }),
    cispo: (aggregate: Aggregate) => cispo({ aggregate }),
    sapo: (aggregate: Aggregate) => sapo({ aggregate }),
    reinforce: (aggregate: Aggregate) => reinforce({ aggregate }) as Loss<PolicyInputs>,
  };

  test.each(Object.entries(policies))('%s: the weights multiply the losses of tokens', (_, build) => {
    forAll([batches, modes], (batch, [mode, aggregate]) => {
      // The loss of each token by itself, from the loss without weights.
      const alone = batch.mask.map((m, at) => {
        const only = { ...batch, mask: batch.mask.map((_, i) => (i === at ? m : 0)) };
        return run(build(tokenSum), only);
      });
      const got = run(tokenWeighted(build, { aggregate }), batch);
      const mean = (of: (at: number) => number) => means[mode](batch, (at) => batch.weights[at]! * of(at));
      const size = means[mode](batch, (at) => Math.abs(batch.weights[at]! * alone[at]!.loss));
      const room = { absolute: 1e-6 + 1e-6 * size, relative: 2e-5 };
      expect(maxError([got.loss], [mean((at) => alone[at]!.loss)], room)).toBeLessThan(1);
      const gradient = batch.mask.map((_, i) => mean((at) => (at === i ? alone[at]!.gradient[i]! : 0)));
      expect(maxError(got.gradient, gradient, float32)).toBeLessThan(1);
    });
  });

  test('weights of 1 change nothing; the metrics stay those of the loss', () => {
    forAll([batches], (drawn) => {
      const batch = { ...drawn, weights: drawn.weights.map(() => 1) };
      const { metrics, ...rest } = run(tokenWeighted(policies.ppoClip), batch);
      const plain = run(policies.ppoClip(tokenMean), batch);
      expect(rest).toEqual({ loss: plain.loss, gradient: plain.gradient });
      const counted = batch.mask.includes(1);
      expect(metrics).toEqual({ ...plain.metrics, weightMean: counted ? 1 : 0 });
    });
  });

  test('the tokens of high entropy may be weights or the mask: the mean is over all tokens, or over them', () => {
    const batch = row({ logProbs: [-1, -2, -1, -2], advantages: [1, 2, 3, 4], weights: [0.1, 0.9, 0.2, 0.8] });
    const half = { fraction: 0.5 };
    const asWeights = evaluate(batch, ({ tokenWeights: entropies, ...inputs }) =>
      tokenWeighted(policies.ppoClip)({ ...inputs, tokenWeights: highEntropyMask(entropies, inputs.mask, half) }),
    );
    const asMask = evaluate(batch, ({ tokenWeights: entropies, ...inputs }) =>
      ppoClip()({ ...inputs, mask: highEntropyMask(entropies, inputs.mask, half) }),
    );
    expect(asWeights.loss).toBeCloseTo(-6 / 4, 6);
    expect(asMask.loss).toBeCloseTo(-6 / 2, 6);
    expect(asWeights.gradient.map((g) => g === 0)).toEqual([true, false, true, false]);
  });

  test('what a mask leaves out may hold any weight', () => {
    const batch = row({ logProbs: [-1, -1], weights: [0.5, Number.NaN], mask: [1, 0] });
    const { loss, gradient } = run(tokenWeighted(policies.ppoClip), batch);
    expect(maxError([loss, ...gradient], [-0.5, -0.5, 0], float32)).toBeLessThan(1);
  });

  test('a weight has no gradient, though it may depend on the policy', () => {
    const weighted = tokenWeighted((aggregate) => reinforce({ aggregate }));
    const { gradient } = evaluate(row({ logProbs: [-0.5, -2] }), (inputs) =>
      weighted({ ...inputs, tokenWeights: inputs.logProbs }),
    );
    expect(maxError(gradient, [0.25, 1], float32)).toBeLessThan(1);
  });

  test('weighs the terms that take the aggregation, and tells the slopes of all', () => {
    const build = (aggregate: Aggregate) =>
      objective({ policy: ppoClip({ aggregate }), entropy: scale(0.1, entropyBonus()) });
    const loss = tokenWeighted(build, { aggregate: sequenceMean });
    const [policy, entropy] = tokenTermsOf(loss as Loss<never>)!({});
    expect([policy!.inputs, entropy!.inputs]).toEqual([['oldLogProbs', 'advantages', 'tokenWeights'], []]);
    expect(policy!.slope(-1, Float32Array.of(-1, 2, 0.25), 0)).toBeCloseTo(-0.5, 12);
    expect(
      tokenTermsOf(tokenWeighted(() => () => ({ loss: tf.scalar(0), metrics: {} })) as Loss<never>),
    ).toBeUndefined();
  });

  test('a term with the same aggregation of its own is not weighed, in the slopes either', () => {
    const loss = tokenWeighted((aggregate) => objective({ policy: ppoClip({ aggregate }), entropy: entropyBonus() }));
    const [policy, entropy] = tokenTermsOf(loss as Loss<never>)!({});
    expect([policy!.inputs.at(-1), entropy!.inputs]).toEqual(['tokenWeights', []]);
    expect([policy!.aggregate, entropy!.aggregate]).toEqual([tokenMean, tokenMean]);
  });

  test('weighs losses that have no log-probs: distillation', () => {
    const loss = tokenWeighted((aggregate) => distillation({ beta: 0, aggregate }));
    expectTypeOf(loss).parameter(0).toEqualTypeOf<DistillationInputs & TokenWeights>();
    const value = tf.tidy(() => {
      const logits = tf.tensor3d([0, 0, 0, 0], [1, 2, 2]);
      const teacherLogits = tf.tensor3d([0, 30, 30, 0], [1, 2, 2]);
      const mask = tf.ones<tf.Rank.R2>([1, 2]);
      const tokenWeights = tf.tensor2d([[3, -1]]);
      return loss({ logits, teacherLogits, mask, tokenWeights }).loss.dataSync()[0] as number;
    });
    // Each token is log 2 from its teacher: (3 − 1) / 2 of it.
    expect(value).toBeCloseTo(Math.LN2, 6);
  });

  test('from logits in one pass and composed it is the same', () => {
    const loss = fromLogits(tokenWeighted((aggregate) => ppoClip({ aggregate }), { aggregate: sequenceMean }));
    forAll([batches, fc.integer({ min: 0, max: 2 ** 31 })], (batch, seed) => {
      const rng = createRng(seed);
      const { rows, columns } = batch;
      const [fused, composed] = tf.tidy(() => {
        const { logProbs: _, ...inputs } = tensorsOf(batch);
        const logits = tf.tensor3d(
          Float32Array.from({ length: rows * columns * 5 }, () => rng.normal()),
          [rows, columns, 5],
        );
        const ids = tf.tensor2d(
          Int32Array.from({ length: rows * columns }, () => Math.floor(5 * rng.uniform())),
          [rows, columns],
          'int32',
        );
        const direct = (z: tf.Tensor): tf.Scalar => loss({ ...inputs, ids, logits: z as tf.Tensor3D }).loss;
        const byHand = (z: tf.Tensor): tf.Scalar => {
          const chosen = tf.sum(tf.mul(tf.logSoftmax(z as tf.Tensor3D), tf.oneHot(ids, 5)), -1) as PerToken;
          return tokenWeighted((aggregate) => ppoClip({ aggregate }), { aggregate: sequenceMean })({
            ...inputs,
            logProbs: chosen,
          }).loss;
        };
        return [direct, byHand].map((f) => Array.from(tf.grad(f)(logits).dataSync()));
      }) as unknown as [number[], number[]];
      expect(maxError(fused, composed, { absolute: 2e-6, relative: 2e-5 })).toBeLessThan(1);
    });
  });

  test('requires the weights', () => {
    const loss = tokenWeighted(policies.ppoClip);
    expectTypeOf(loss).parameter(0).toEqualTypeOf<PolicyInputs & TokenWeights>();
    const [x, y] = [tf.ones<tf.Rank.R2>([1, 2]), tf.ones<tf.Rank.R2>([2, 2])];
    const inputs = { logProbs: x, oldLogProbs: x, advantages: x, mask: x };
    // @ts-expect-error: the weights are missing
    expect(() => loss(inputs)).toThrow();
    expect(() => loss({ ...inputs, tokenWeights: y })).toThrow(/^tokenWeighted: .*tokenWeights/);
    tf.dispose([x, y]);
  });
});

describe('skipLargeRatio', () => {
  test('is the loss, or nothing where the mean ratio is too large', () => {
    forAll([batches, fc.constantFrom(0.7, 1.1, 3)], (batch, maxMeanRatio) => {
      const mean = means.tokenMean(batch, (at) => Math.exp(batch.logProbs[at]! - batch.oldLogProbs[at]!));
      fc.pre(Math.abs(mean - maxMeanRatio) > 1e-4);
      const plain = run(ppoClip(), batch);
      const { metrics, loss, gradient } = run(skipLargeRatio(ppoClip(), { maxMeanRatio }), batch);
      const skipped = mean > maxMeanRatio;
      expect(metrics).toEqual({ ...plain.metrics, skipped: skipped ? 1 : 0 });
      const all = [plain.loss, ...plain.gradient];
      expect(maxError([loss, ...gradient], skipped ? all.map(() => 0) : all, float32)).toBeLessThan(1);
    });
  });

  test('options and shapes that make no sense', () => {
    expect(() => skipLargeRatio(ppoClip(), { maxMeanRatio: 0 })).toThrow(
      'skipLargeRatio: maxMeanRatio must be positive; got 0',
    );
    const [x, y] = [tf.ones<tf.Rank.R2>([1, 2]), tf.ones<tf.Rank.R2>([2, 2])];
    const call = () => skipLargeRatio(ppoClip())({ logProbs: x, oldLogProbs: y, advantages: x, mask: x });
    expect(call).toThrow(/^skipLargeRatio: .*oldLogProbs/);
    tf.dispose([x, y]);
  });
});

describe('policyDiagnostics', () => {
  const measure = (batch: Batch, options = {}): Record<PolicyDiagnostic, number> =>
    tf.tidy(() => {
      const { rows, columns } = batch;
      const of = (x: readonly number[]): PerToken => tf.tensor2d([...x], [rows, columns]);
      const inputs = {
        logProbs: of(batch.logProbs),
        oldLogProbs: of(batch.oldLogProbs),
        advantages: of(batch.advantages),
        mask: of(batch.mask),
      };
      const told = Object.entries(policyDiagnostics(inputs, options)).map(([name, x]) => [name, x.dataSync()[0]]);
      return Object.fromEntries(told) as Record<PolicyDiagnostic, number>;
    });

  test('the numbers of the specification: four tokens, clips 0.2 and 0.28, dual clip 3', () => {
    const four = {
      rows: 1,
      columns: 4,
      logProbs: [0.3 - 1, -0.4 - 1, 1.5 - 2, -0.1 - 1],
      oldLogProbs: [-1, -1, -2, -1],
      refLogProbs: [],
      advantages: [1, -1, -1, 2],
      perRow: [],
      weights: [],
      mask: [1, 1, 1, 1],
    };
    const told = measure(four, { clipLow: 0.2, clipHigh: 0.28, dualClip: 3 });
    const expected = { k1: -0.325, k2: 0.31375, k3: 0.5266763355, ratioMax: Math.exp(1.5) };
    for (const [name, x] of Object.entries(expected)) {
      expect(maxError([told[name as PolicyDiagnostic]], [x], float32)).toBeLessThanOrEqual(1);
    }
    // exp(0.3) is above 1.28 with A > 0, exp(−0.4) below 0.8 with A < 0, exp(1.5) above 3 with A < 0.
    expect(told).toMatchObject({ clipFractionLow: 0.25, clipFractionHigh: 0.25, dualClipFraction: 0.25 });
  });

  test('the two sides of the clip add up to clipFraction of the loss; counts and means by plain loops', () => {
    forAll([batches], (batch) => {
      const told = measure(batch, { clipLow: 0.2, clipHigh: 0.3, dualClip: 3 });
      const tokens = [...batch.mask.keys()].filter((i) => batch.mask[i] === 1);
      const x = tokens.map((i) => (batch.logProbs[i] as number) - (batch.oldLogProbs[i] as number));
      const a = tokens.map((i) => batch.advantages[i] as number);
      const mean = (of: (x: number, a: number) => number) =>
        x.reduce((sum, xi, i) => sum + of(xi, a[i] as number), 0) / Math.max(x.length, 1);
      const expected: Record<PolicyDiagnostic, number> = {
        clipFractionLow: mean((x, a) => (a < 0 && Math.exp(x) < 0.8 ? 1 : 0)),
        clipFractionHigh: mean((x, a) => (a > 0 && Math.exp(x) > 1.3 ? 1 : 0)),
        dualClipFraction: mean((x, a) => (a < 0 && Math.exp(x) > 3 ? 1 : 0)),
        k1: mean((x) => -x),
        k2: mean((x) => x ** 2 / 2),
        k3: mean((x) => Math.expm1(x) - x),
        ratioMean: mean(Math.exp),
        ratioMax: x.length === 0 ? 0 : Math.exp(Math.max(...x)),
      };
      const names = Object.keys(expected) as PolicyDiagnostic[];
      const got = names.map((name) => told[name]);
      const want = names.map((name) => expected[name]);
      expect(maxError(got, want, float32)).toBeLessThanOrEqual(1);
      const { metrics } = run(ppoClip({ clipLow: 0.2, clipHigh: 0.3 }), batch);
      const both = told.clipFractionLow + told.clipFractionHigh;
      expect(maxError([both], [metrics['clipFraction'] as number], float32)).toBeLessThanOrEqual(1);
    });
  });

  test('refuses what ppoClip refuses, in its own name', () => {
    tf.tidy(() => {
      const two = (): PerToken => tf.zeros([1, 2]);
      const inputs = { logProbs: two(), oldLogProbs: two(), advantages: two(), mask: two() };
      expect(() => policyDiagnostics(inputs, { clipLow: -1 })).toThrow(/^policyDiagnostics: clipLow must be/);
      expect(() => policyDiagnostics({ ...inputs, advantages: tf.zeros([1, 3]) })).toThrow(/^policyDiagnostics: /);
    });
  });
});
