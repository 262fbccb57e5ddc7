import * as tf from '@tensorflow/tfjs-core';
import { type Loss, type PerToken, sequenceMean, sequenceSum } from '@tsrl/tensor';
import { finiteDifference, float32, forAll as forAllInputs, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bestOfNWeights,
  binaryCrossEntropy,
  type ClipCovInputs,
  cispo,
  clipCov,
  clipCovMask,
  flowRl,
  gmpo,
  gspo,
  gspoToken,
  gvpo,
  implicitRewardContrast,
  klCov,
  luspo,
  offPolicyMask,
  oppositeMeans,
  type PolicyInputs,
  pairAccuracy,
  ppoClip,
  sequenceRatio,
  sequenceTokenRatio,
  sppo,
  vespo,
} from '../src/index.ts';
import { errorOf } from './error-of.ts';

/** Every input is a whole batch: FC_RUNS in the environment looks further. */
function forAll<Values extends [unknown, ...unknown[]]>(
  ...[drawn, property]: Parameters<typeof forAllInputs<Values>>
): void {
  forAllInputs(drawn, property, { runs: 20 });
}

/** Rows of tokens; `advantages` per token. */
interface Batch {
  readonly logProbs: readonly number[][];
  readonly oldLogProbs: readonly number[][];
  readonly advantages: readonly number[][];
  readonly mask: readonly number[][];
}

const logProb = fc.integer({ min: -3 * 1024, max: 0 }).map((k) => k / 1024);
const advantage = fc.integer({ min: -64, max: 64 }).map((k) => k / 32);
const unit = fc.integer({ min: 0, max: 1023 }).map((k) => k / 1024);
const shape = fc.record({ rows: fc.integer({ min: 1, max: 3 }), columns: fc.integer({ min: 1, max: 4 }) });
const matrix = (of: fc.Arbitrary<number>, { rows, columns }: { rows: number; columns: number }) =>
  fc.array(fc.array(of, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows });
/** Holes are allowed; the first token of a row always counts. */
const batches = (columns?: number): fc.Arbitrary<Batch> =>
  shape.chain((drawn) => {
    const size = { ...drawn, columns: columns ?? drawn.columns };
    return fc.record({
      logProbs: matrix(logProb, size),
      oldLogProbs: matrix(logProb, size),
      advantages: matrix(advantage, size),
      mask: matrix(fc.constantFrom(0, 1), size).map((rows) => rows.map((row) => row.map((m, t) => (t === 0 ? 1 : m)))),
    });
  });
/** The advantage of the first token, at all tokens. */
const constant = (batch: Batch): Batch => ({
  ...batch,
  advantages: batch.advantages.map((row) => row.map(() => row[0] as number)),
});

interface Result {
  readonly loss: number;
  readonly gradient: Float32Array;
  readonly metrics: Record<string, number>;
}
/** Evaluates a loss of rows ([B, T]) and flat lists ([B]), and differentiates it in one of them. */
function run<Inputs>(loss: Loss<Inputs>, rows: object, by = 'logProbs'): Result {
  return tf.tidy(() => {
    const inputs = Object.fromEntries(
      Object.entries(rows).map(([name, x]) => [
        name,
        name === 'groups' ? tf.tensor1d(x as number[], 'int32') : tf.tensor(x),
      ]),
    );
    const call = (x: tf.Tensor): ReturnType<Loss<Inputs>> => loss({ ...inputs, [by]: x } as Inputs);
    const at = inputs[by] as tf.Tensor;
    const { loss: value, metrics } = call(at);
    return {
      loss: value.dataSync()[0] as number,
      gradient: Float32Array.from(
        tf
          .grad((x) => call(x).loss)(at)
          .dataSync(),
      ),
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, x]) => [name, x.dataSync()[0] as number])),
    };
  });
}
const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
const clip = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
/** Rows of a flat gradient's argument. */
const rowsOf = (flat: ArrayLike<number>, columns: number): number[][] =>
  Array.from({ length: flat.length / columns }, (_, i) => Array.from(flat).slice(i * columns, (i + 1) * columns));
const meanOver = (x: readonly number[], m: readonly number[]): number =>
  sum(x.map((y, t) => y * (m[t] as number))) / sum([...m]);
const logRatio = (now: readonly number[], i: number, { oldLogProbs, mask }: Batch): number =>
  meanOver(
    now.map((y, t) => y - (oldLogProbs[i]?.[t] as number)),
    mask[i] as number[],
  );

/** Compares value and gradient with an oracle over rows of log-probs. */
function agrees(result: Result, batch: Batch, oracle: (now: readonly number[][]) => number): void {
  const columns = batch.mask[0]?.length as number;
  const f = (flat: ArrayLike<number>): number => oracle(rowsOf(flat, columns));
  const at = batch.logProbs.flat();
  expect(maxError([result.loss], [f(at)], float32)).toBeLessThan(1);
  expect(maxError(result.gradient, finiteDifference(f, at), float32)).toBeLessThan(1);
}
const same = (a: Result, b: Result): void => {
  expect(maxError([a.loss], [b.loss], float32)).toBeLessThan(1);
  expect(maxError(a.gradient, b.gradient, float32)).toBeLessThan(1);
};
const clipped = (ratio: number, A: number, low: number, high: number): number =>
  -Math.min(ratio * A, clip(ratio, 1 - low, 1 + high) * A);
const ranges = fc.record({ clipLow: fc.constantFrom(3e-4, 0.2), clipHigh: fc.constantFrom(4e-4, 0.28) });
const offKinks = (x: number, edges: readonly number[]): boolean => edges.every((edge) => Math.abs(x - edge) > 1e-3 / 8);
const golden: Batch = {
  logProbs: [[-0.7, -1.4, 0.5, -1.1]],
  oldLogProbs: [[-1, -1, -1, -1]],
  advantages: [[1, 1, 1, 1]],
  mask: [[1, 1, 1, 1]],
};

describe('ratios of whole responses', () => {
  test('gspo is its definition, with its gradient away from the kinks', () => {
    forAll([batches(), ranges], (batch, range) => {
      const edges = [1 - range.clipLow, 1 + range.clipHigh];
      fc.pre(batch.logProbs.every((row, i) => offKinks(Math.exp(logRatio(row, i, batch)), edges)));
      agrees(
        run(gspo(range), batch),
        batch,
        (now) =>
          sum(
            now.map((row, i) => {
              const ratio = Math.exp(logRatio(row, i, batch));
              const losses = row.map((_, t) =>
                clipped(ratio, batch.advantages[i]?.[t] as number, range.clipLow, range.clipHigh),
              );
              return meanOver(losses, batch.mask[i] as number[]);
            }),
          ) / now.length,
      );
    });
  });

  test('gspoToken has its value, and at each token the gradient of that token alone', () => {
    forAll([batches(), ranges], (batch, range) => {
      const edges = [1 - range.clipLow, 1 + range.clipHigh];
      fc.pre(batch.logProbs.every((row, i) => offKinks(Math.exp(logRatio(row, i, batch)), edges)));
      const result = run(gspoToken(range), batch);
      agrees(
        result,
        batch,
        (now) =>
          sum(
            now.map((row, i) => {
              const from = batch.logProbs[i] as number[];
              const losses = row.map((y, t) => {
                const ratio = Math.exp(logRatio(from, i, batch) + y - (from[t] as number));
                return clipped(ratio, batch.advantages[i]?.[t] as number, range.clipLow, range.clipHigh);
              });
              return meanOver(losses, batch.mask[i] as number[]);
            }),
          ) / now.length,
      );
      expect(maxError([result.loss], [run(gspo(range), batch).loss], float32)).toBeLessThan(1);
      same(run(gspoToken(range), constant(batch)), run(gspo(range), constant(batch)));
    });
  });

  test('for responses of one token they are ppoClip', () => {
    forAll([batches(1), ranges], (batch, range) => {
      const edges = [1 - range.clipLow, 1 + range.clipHigh];
      fc.pre(batch.logProbs.every((row, i) => offKinks(Math.exp(logRatio(row, i, batch)), edges)));
      const ppo = run(ppoClip(range), batch);
      for (const loss of [gspo(range), gspoToken(range), luspo(range)]) same(run(loss, batch), ppo);
    });
  });

  test('the ratio does not change when all tokens are doubled; luspo weighs by the length', () => {
    forAll([batches()], (batch) => {
      const twice = Object.fromEntries(
        Object.entries(constant(batch) as object as Record<string, number[][]>).map(([name, x]) => [
          name,
          x.map((row) => [...row, ...row]),
        ]),
      );
      const range = { clipLow: 0.2, clipHigh: 0.28 };
      const [once, doubled] = [run(gspo(range), constant(batch)), run(gspo(range), twice)];
      expect(maxError([doubled.loss], [once.loss], float32)).toBeLessThan(1);
      const [short, long] = [run(luspo(range), constant(batch)), run(luspo(range), twice)];
      expect(maxError([long.loss], [2 * short.loss], float32)).toBeLessThan(1);
      same(short, run(gspo({ ...range, aggregate: sequenceSum }), constant(batch)));
    });
  });

  test('the number of the specification', () => {
    const { loss } = run(gspo({ clipHigh: 1 }), golden);
    expect(maxError([loss], [-1.384030646], float32)).toBeLessThan(1);
  });

  test('any loss of the ratio takes them: CISPO keeps the log-probs of its tokens', () => {
    const { loss, gradient } = run(sequenceTokenRatio(cispo({ aggregate: sequenceMean })), golden);
    const s = Math.exp(0.325);
    expect(maxError([loss], [-s * (sum(golden.logProbs[0] as number[]) / 4)], float32)).toBeLessThan(1);
    expect(maxError(gradient, Array(4).fill(-s / 4), float32)).toBeLessThan(1);
  });
});

describe('gmpo', () => {
  const bounds = fc.record({ clipLow: fc.constantFrom(0, 0.4), clipHigh: fc.constantFrom(0.2, 0.4) });
  const smooth = ({ logProbs, oldLogProbs }: Batch): boolean =>
    logProbs.every((row, i) => row.every((y, t) => offKinks(y - (oldLogProbs[i]?.[t] as number), [0, -0.4, 0.2, 0.4])));

  test('is its definition, with its gradient', () => {
    forAll([batches(), bounds], (batch, { clipLow, clipHigh }) => {
      fc.pre(smooth(batch));
      agrees(
        run(gmpo({ clipLow, clipHigh }), batch),
        batch,
        (now) =>
          sum(
            now.map((row, i) => {
              const m = batch.mask[i] as number[];
              const A = batch.advantages[i] as number[];
              const d = row.map((y, t) => {
                const difference = y - (batch.oldLogProbs[i]?.[t] as number);
                if (A[t] === 0) return 0;
                return (A[t] as number) > 0 ? Math.min(difference, clipHigh) : Math.max(difference, -clipLow);
              });
              return -meanOver(A, m) * Math.exp(meanOver(d, m));
            }),
          ) / now.length,
      );
    });
  });

  test('for responses of one token it is ppoClip with a range in log space', () => {
    forAll([batches(1), bounds], (batch, { clipLow, clipHigh }) => {
      fc.pre(smooth(batch));
      const ppo = ppoClip({ clipLow: 1 - Math.exp(-clipLow), clipHigh: Math.expm1(clipHigh) });
      same(run(gmpo({ clipLow, clipHigh }), batch), run(ppo, batch));
    });
  });

  test('the numbers of the specification, and what was clipped', () => {
    const up = run(gmpo(), golden);
    const down = run(gmpo(), { ...golden, advantages: [[-1, -1, -1, -1]] });
    expect(maxError([up.loss, down.loss], [-1.0512710964, 1.384030646], float32)).toBeLessThan(1);
    expect(up.metrics['clipHighFraction']).toBe(0.25);
    expect(up.gradient[2]).toBe(0);
    const other = { ...golden, logProbs: [[-0.4, -0.9, -1.6]], oldLogProbs: [[-1, -1, -1]], mask: [[1, 1, 1]] };
    const [plus, minus] = [1, -1].map((A) => run(gmpo(), { ...other, advantages: [[A, A, A]] }));
    expect(maxError([plus?.loss as number, minus?.loss as number], [-0.9672161, 1.1051709], float32)).toBeLessThan(1);
    expect([plus?.metrics['clipLowFraction'], minus?.metrics['clipLowFraction']]).toEqual([0, Math.fround(1 / 3)]);
  });
});

describe('vespo', () => {
  const phi = (w: number, A: number): number => {
    const [k, lambda] = A >= 0 ? [2, 3] : [3, 2];
    return Math.exp(lambda + k * Math.log(w) - lambda * w);
  };

  test('is its definition, the weight without gradient', () => {
    forAll([batches()], (batch) => {
      const weights = batch.logProbs.map((row, i) => {
        const d = row.map((y, t) => (y - (batch.oldLogProbs[i]?.[t] as number)) * (batch.mask[i]?.[t] as number));
        return Math.exp(clip(sum(d), Math.log(1e-8), 20));
      });
      agrees(run(vespo(), batch), batch, (now) => {
        const losses = now.map((row, i) =>
          row.map((y, t) => {
            const A = batch.advantages[i]?.[t] as number;
            return -phi(weights[i] as number, A) * A * y * (batch.mask[i]?.[t] as number);
          }),
        );
        return sum(losses.flat()) / sum(batch.mask.flat());
      });
    });
  });

  test('the numbers of the specification', () => {
    const weight = (w: number, A: number): number =>
      run(vespo(), { logProbs: [[Math.log(w)]], oldLogProbs: [[0]], advantages: [[A]], mask: [[1]] }).metrics[
        'weightMean'
      ] as number;
    const at = [0.1, 0.5, 1, 2];
    expect(
      maxError(
        at.map((w) => weight(w, 1)),
        [0.148797, 1.120422, 1, 0.199148],
        { absolute: 1e-6, relative: 1e-6 },
      ),
    ).toBeLessThan(1);
    expect(
      maxError(
        at.map((w) => weight(w, -1)),
        [0.00605, 0.339785, 1, 1.082683],
        { absolute: 1e-6, relative: 1e-6 },
      ),
    ).toBeLessThan(1);
  });
});

test('on policy all of them have the gradient of REINFORCE', () => {
  forAll([batches()], (drawn) => {
    const batch = { ...constant(drawn), oldLogProbs: drawn.logProbs };
    const lengths = batch.mask.map((row) => sum([...row]));
    const expected = batch.mask.flatMap((row, i) =>
      row.map((m, t) => (-m * (batch.advantages[i]?.[t] as number)) / (lengths[i] as number) / batch.mask.length),
    );
    const losses: Loss<PolicyInputs>[] = [
      gspo(),
      gspoToken(),
      gmpo(),
      vespo({ aggregate: sequenceMean }),
      klCov({ aggregate: sequenceMean }),
    ];
    for (const loss of losses) expect(maxError(run(loss, batch).gradient, expected, float32)).toBeLessThan(1);
  });
});

describe('covariance', () => {
  const covariance = ({ logProbs, advantages, mask }: Batch): number[] => {
    const centered = (x: readonly number[][]): number[] => x.flat().map((y) => y - meanOver(x.flat(), mask.flat()));
    const [a, l] = [centered(advantages), centered(logProbs)];
    return a.map((y, i) => y * (l[i] as number));
  };
  const ratios = (now: readonly number[][], { oldLogProbs }: Batch): number[] =>
    now.flat().map((y, i) => Math.exp(y - (oldLogProbs.flat()[i] as number)));
  const counted = (fraction: number, { mask }: Batch): number =>
    Math.max(1, Math.floor(fraction * sum(mask.flat()) + 1e-9));
  /** The n smallest of the candidates. */
  const first = (keys: readonly number[], candidates: readonly boolean[], n: number): boolean[] => {
    const order = keys
      .map((_, i) => i)
      .filter((i) => candidates[i])
      .sort((i, j) => (keys[i] as number) - (keys[j] as number));
    const chosen = new Set(order.slice(0, n));
    return keys.map((_, i) => chosen.has(i));
  };
  const distinct = (x: readonly number[]): boolean => {
    const sorted = x.toSorted((a, b) => a - b);
    return sorted.every((y, i) => i === 0 || y - (sorted[i - 1] as number) > 1e-4);
  };
  const tokenMeanOf = (losses: readonly number[], { mask }: Batch): number => meanOver(losses, mask.flat());

  test('clipCov drops the right tokens, and is ppoClip for the others', () => {
    const [low, high] = [0.05, 1];
    forAll([batches(), fc.constantFrom(2e-4, 0.3, 1), fc.infiniteStream(unit)], (batch, fraction, stream) => {
      const draws = batch.mask.map((row) => row.map(() => stream.next().value as number));
      const cov = covariance(batch);
      const mask = batch.mask.flat();
      const A = batch.advantages.flat();
      const rho = ratios(batch.logProbs, batch);
      fc.pre(
        distinct(draws.flat()) &&
          rho.every((r) => offKinks(r, [0.8, 1.2])) &&
          cov.every((c) => offKinks(c, [low, high])),
      );
      const candidates = cov.map((c, i) => {
        const cut =
          ((A[i] as number) > 0 && (rho[i] as number) > 1.2) || ((A[i] as number) < 0 && (rho[i] as number) < 0.8);
        return mask[i] === 1 && c > low && c < high && !cut;
      });
      const dropped = first(draws.flat(), candidates, counted(fraction, batch));
      const options = { fraction, covarianceRange: [low, high] } as const;
      const result = run(clipCov(options), { ...batch, draws });
      agrees(result, batch, (now) =>
        tokenMeanOf(
          ratios(now, batch).map((r, i) => (dropped[i] ? 0 : clipped(r, A[i] as number, 0.2, 0.2))),
          batch,
        ),
      );
      const kept = tf.tidy(() => {
        const inputs = Object.fromEntries(
          Object.entries({ ...batch, draws }).map(([name, x]) => [name, tf.tensor2d(x as number[][])]),
        );
        return Array.from(clipCovMask(inputs as object as ClipCovInputs, options).dataSync());
      });
      expect(kept).toEqual(mask.map((m, i) => (m === 1 && !dropped[i] ? 1 : 0)));
      expect(result.metrics['droppedFraction']).toBeCloseTo(tokenMeanOf(dropped.map(Number), batch), 6);
      same(run(clipCov({ covarianceRange: [50, 60] }), { ...batch, draws }), run(ppoClip(), batch));
    });
  });

  test('klCov penalizes the tokens of the largest covariance', () => {
    forAll([batches(), fc.constantFrom(2e-4, 0.3, 1), fc.constantFrom(0, 0.1, 1)], (batch, fraction, beta) => {
      const cov = covariance(batch);
      const mask = batch.mask.flat();
      const [old, now] = [batch.oldLogProbs.flat(), batch.logProbs.flat()];
      fc.pre(
        distinct(cov.filter((_, i) => mask[i] === 1)) && now.every((y, i) => Math.abs(y - (old[i] as number)) > 1e-3),
      );
      const chosen = first(
        cov.map((c) => -c),
        mask.map((m) => m === 1),
        counted(fraction, batch),
      );
      const result = run(klCov({ fraction, beta }), batch);
      agrees(result, batch, (at) =>
        tokenMeanOf(
          ratios(at, batch).map(
            (r, i) => -r * (batch.advantages.flat()[i] as number) + (chosen[i] ? beta * Math.abs(Math.log(r)) : 0),
          ),
          batch,
        ),
      );
      expect(result.metrics['penalizedFraction']).toBeCloseTo(tokenMeanOf(chosen.map(Number), batch), 6);
    });
  });
});

test('offPolicyMask drops the bad responses that the policy has left', () => {
  tf.tidy(() => {
    const inputs = {
      logProbs: tf.tensor2d([
        [-2, -2],
        [-2, -9],
        [-2, -2],
        [-1.4, -1.4],
      ]),
      oldLogProbs: tf.tensor2d([
        [-1, -1],
        [-1, 0],
        [-1, -1],
        [-1, -1],
      ]),
      advantages: tf.tensor2d([
        [-1, -1],
        [-1, -1],
        [1, 1],
        [-1, -1],
      ]),
      mask: tf.tensor2d([
        [1, 1],
        [1, 0],
        [1, 1],
        [1, 1],
      ]),
    };
    expect(offPolicyMask(inputs, { threshold: 0.5 }).arraySync()).toEqual([
      [0, 0],
      [0, 0],
      [1, 1],
      [1, 1],
    ]);
    expect(offPolicyMask(inputs, { threshold: 1 }).arraySync()).toEqual([
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 1],
    ]);
    expect(() => offPolicyMask(inputs, { threshold: Number.NaN })).toThrow(
      'offPolicyMask: threshold must be a number; got NaN',
    );
  });
});

describe('squares of whole responses', () => {
  const near = (result: Result, rows: readonly number[][], f: (now: readonly number[][]) => number): void => {
    const of = (flat: ArrayLike<number>): number => f(rowsOf(flat, rows[0]?.length as number));
    expect(errorOf([result.loss], (x) => [of(x)], rows.flat())).toBeLessThan(1);
    expect(errorOf([...result.gradient], (x) => finiteDifference(of, x), rows.flat())).toBeLessThan(1);
  };
  const logSum = (now: readonly number[][], other: readonly number[][], mask: readonly number[][]): number[] =>
    now.map((row, i) => sum(row.map((y, t) => (y - (other[i]?.[t] as number)) * (mask[i]?.[t] as number))));

  test('gvpo is its definition; a group of one teaches nothing', () => {
    forAll([batches(), fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 3, maxLength: 3 })], (batch, ids) => {
      const groups = batch.mask.map((_, i) => ids[i] as number);
      const advantages = batch.advantages.map((row) => row[0] as number);
      const { logProbs, oldLogProbs, mask } = batch;
      const mean = (x: readonly number[], i: number): number => {
        const members = x.filter((_, j) => groups[j] === groups[i]);
        return sum(members) / members.length;
      };
      const before = logSum(logProbs, oldLogProbs, mask).map((d) => 0.1 * d);
      const result = run(gvpo(), { logProbs, oldLogProbs, mask, advantages, groups });
      near(
        result,
        logProbs,
        (now) =>
          sum(
            logSum(now, oldLogProbs, mask).map((d, i) => {
              const k = groups.filter((g) => g === groups[i]).length;
              return k === 1 ? 0 : ((0.1 * d - mean(before, i) - (advantages[i] as number)) ** 2 * k) / (2 * (k - 1));
            }),
          ) / groups.length,
      );
      const alone = groups.filter((g) => groups.filter((h) => h === g).length === 1).length;
      expect(result.metrics['singletonGroups']).toBe(alone);
    });
    const rows = { oldLogProbs: [[0], [0], [0]], mask: [[1], [1], [1]], groups: [7, 7, 7] };
    const spec = run(gvpo(), { ...rows, logProbs: [[0.2], [-0.1], [0.4]], advantages: [0.5, -0.5, 0] });
    // The specification sums over the group and divides by 2 (k − 1), as our mean does.
    expect(maxError([spec.loss], [0.1178167], { absolute: 1e-7, relative: 1e-6 })).toBeLessThan(1);
  });

  test('flowRl is its definition, in log-probs and partition, the weight without gradient', () => {
    forAll([batches()], (batch) => {
      const { logProbs, oldLogProbs, advantages, mask } = batch;
      const rewards = advantages.map((row) => row[0] as number);
      const logPartition = advantages.map((row) => row.at(-1) as number);
      const refLogProbs = oldLogProbs.map((row) => row.map((y) => y / 2));
      const rows = { logProbs, oldLogProbs, refLogProbs, mask, logPartition, rewards };
      const weights = logSum(logProbs, oldLogProbs, mask).map((d) => Math.min(Math.exp(d), 10));
      const lengths = mask.map((row) => sum([...row]));
      const f = (now: readonly number[][], z: readonly number[]): number =>
        sum(
          logSum(now, refLogProbs, mask).map(
            (d, i) =>
              (weights[i] as number) *
              ((z[i] as number) + d / (lengths[i] as number) - 2 * (rewards[i] as number)) ** 2,
          ),
        ) / mask.length;
      near(run(flowRl({ beta: 2 }), rows), logProbs, (now) => f(now, logPartition));
      near(run(flowRl({ beta: 2 }), rows, 'logPartition'), [logPartition], ([z]) => f(logProbs, z as number[]));
    });
  });

  test('sppo is its definition', () => {
    forAll([batches()], ({ logProbs, oldLogProbs, advantages, mask }) => {
      const wins = advantages.map((row) => (row[0] as number) / 4);
      const rows = { logProbs, oldLogProbs, mask, advantages: wins };
      near(
        run(sppo({ eta: 2 }), rows),
        logProbs,
        (now) => sum(logSum(now, oldLogProbs, mask).map((d, i) => (d - 2 * (wins[i] as number)) ** 2)) / mask.length,
      );
    });
  });
});

describe('implicitRewardContrast', () => {
  test('is its definition; against 0 it is the cross-entropy of the implicit reward', () => {
    forAll([batches()], (batch) => {
      const labels = batch.advantages.map((row) => ((row[0] as number) > 0 ? 1 : 0));
      const baselines = batch.oldLogProbs.map((row) => row[0] as number);
      const weights = batch.oldLogProbs.map((row) => 0.5 - (row.at(-1) as number));
      const rows = { scores: batch.advantages, mask: batch.mask, labels };
      const result = run(implicitRewardContrast({ beta: 0.5 }), { ...rows, baselines, weights }, 'scores');
      agrees(
        result,
        { ...batch, logProbs: batch.advantages },
        (scores) =>
          sum(
            scores.map((row, i) => {
              const q = sum(row.map((y, t) => y * (batch.mask[i]?.[t] as number)));
              const margin = 0.5 * (q - (baselines[i] as number)) * (labels[i] === 1 ? 1 : -1);
              return (weights[i] as number) * Math.log1p(Math.exp(-margin));
            }),
          ) / labels.length,
      );
      const plain = run(implicitRewardContrast({ beta: 0.5 }), { ...rows, baselines: labels.map(() => 0) }, 'scores');
      const logits = batch.advantages.map((row, i) => 0.5 * sum(row.map((y, t) => y * (batch.mask[i]?.[t] as number))));
      expect(
        maxError([plain.loss], [run(binaryCrossEntropy(), { logits, labels }, 'logits').loss], float32),
      ).toBeLessThan(1);
    });
  });

  test('what it is compared with, and how well scores order a group', () => {
    const groupScores = [
      [1, 2, 4],
      [1, 2, 4],
      [5, 6, 7],
    ];
    const groupLabels = [
      [1, 0, 0],
      [1, 0, 0],
      [1, 1, 1],
    ];
    expect([...oppositeMeans({ labels: [1, 0, 1], groupScores, groupLabels })]).toEqual([3, 1, 0]);
    expect([...bestOfNWeights([1, 4, 6], groupScores)]).toEqual([3 / 9, 3, 3 * (2 / 3) ** 2]);
    expect(pairAccuracy({ scores: [2, 1, 5, 5], labels: [1, 0, 1, 0], groups: [0, 0, 1, 1] })).toBe(0.75);
    expect(pairAccuracy({ scores: [2, 1], labels: [1, 1], groups: [0, 0] })).toBe(0.5);
    expect(pairAccuracy({ scores: [2, 1], labels: [0, 1], groups: [0, 0] })).toBe(0);
  });
});

test('errors say what is wrong', () => {
  expect(() => gspo({ clipLow: 1 })).toThrow('gspo: clipLow must be in [0, 1); got 1');
  expect(() => gspoToken({ clipHigh: -1 })).toThrow('gspoToken: clipHigh must be at least 0; got -1');
  expect(() => luspo({ clipLow: -1 })).toThrow('luspo: clipLow must be in [0, 1); got -1');
  expect(() => gmpo({ clipLow: -1 })).toThrow('gmpo: clipLow must be at least 0; got -1');
  expect(() => gmpo({ clipHigh: -1 })).toThrow('gmpo: clipHigh must be at least 0; got -1');
  expect(() => vespo({ positive: { k: 0, lambda: 1 } })).toThrow(
    'vespo: positive must be positive and finite k and lambda; got {"k":0,"lambda":1}',
  );
  expect(() => clipCov({ fraction: 2 })).toThrow('clipCov: fraction must be in [0, 1]; got 2');
  expect(() => clipCov({ clipLow: 2 })).toThrow('clipCov: clipLow must be in [0, 1); got 2');
  expect(() => clipCov({ clipHigh: -2 })).toThrow('clipCov: clipHigh must be at least 0; got -2');
  expect(() => clipCov({ covarianceRange: [5, 1] })).toThrow(
    'clipCov: covarianceRange must be a range [low, high]; got [5,1]',
  );
  expect(() => klCov({ fraction: -1 })).toThrow('klCov: fraction must be in [0, 1]; got -1');
  expect(() => klCov({ beta: -1 })).toThrow('klCov: beta must be a finite number of at least 0; got -1');
  expect(() => gvpo({ beta: 0 })).toThrow('gvpo: beta must be positive and finite; got 0');
  expect(() => flowRl({ maxWeight: 0 })).toThrow('flowRl: maxWeight must be positive and finite; got 0');
  expect(() => sppo({ eta: 0 })).toThrow('sppo: eta must be positive and finite; got 0');
  expect(() => implicitRewardContrast({ beta: 0 })).toThrow(
    'implicitRewardContrast: beta must be positive and finite; got 0',
  );
  expect(() => oppositeMeans({ labels: [1], groupScores: [], groupLabels: [[1]] })).toThrow(
    'oppositeMeans: groupScores',
  );
  expect(() => oppositeMeans({ labels: [1], groupScores: [[1]], groupLabels: [] })).toThrow(
    'oppositeMeans: groupLabels',
  );
  expect(() => oppositeMeans({ labels: [1], groupScores: [[1, 2]], groupLabels: [[1]] })).toThrow(
    'oppositeMeans: groupLabels[0]',
  );
  expect(() => bestOfNWeights([1], [[]])).toThrow('bestOfNWeights: group 0 is empty');
  expect(() => bestOfNWeights([1], [])).toThrow('bestOfNWeights: groupValues');
  expect(() => pairAccuracy({ scores: [1], labels: [], groups: [0] })).toThrow('pairAccuracy: labels');
  expect(() => pairAccuracy({ scores: [1], labels: [1], groups: [] })).toThrow('pairAccuracy: groups');
  tf.tidy(() => {
    const x: PerToken = tf.zeros([2, 3]);
    const inputs = { logProbs: x, oldLogProbs: x, advantages: x, mask: x, draws: x };
    const wrong: PerToken = tf.zeros([3, 2]);
    const said = (who: string, name: string): string =>
      `${who}: ${name} must be float32 [2, 3] like logProbs; got float32 [3, 2]`;
    expect(() => gspo()({ ...inputs, advantages: wrong })).toThrow(said('gspo', 'advantages'));
    expect(() => gspoToken()({ ...inputs, mask: wrong })).toThrow(said('gspoToken', 'mask'));
    expect(() => luspo()({ ...inputs, oldLogProbs: wrong })).toThrow(said('luspo', 'oldLogProbs'));
    expect(() => sequenceRatio(ppoClip())({ ...inputs, mask: wrong })).toThrow(said('sequenceRatio', 'mask'));
    expect(() => sequenceTokenRatio(ppoClip())({ ...inputs, mask: wrong })).toThrow(said('sequenceTokenRatio', 'mask'));
    expect(() => gmpo()({ ...inputs, mask: wrong })).toThrow(said('gmpo', 'mask'));
    expect(() => vespo()({ ...inputs, mask: wrong })).toThrow(said('vespo', 'mask'));
    expect(() => clipCov()({ ...inputs, draws: wrong })).toThrow(said('clipCov', 'draws'));
    expect(() => klCov()({ ...inputs, mask: wrong })).toThrow(said('klCov', 'mask'));
    const row = tf.zeros<tf.Rank.R1>([3]);
    expect(() => sppo()({ ...inputs, advantages: row })).toThrow(
      'sppo: advantages must be float32 [2]; got float32 [3]',
    );
    const groups = tf.zeros<tf.Rank.R1>([2]);
    expect(() => gvpo()({ ...inputs, advantages: groups, groups })).toThrow(
      'gvpo: groups must be int32 [2]; got float32 [2]',
    );
    expect(() => flowRl()({ ...inputs, refLogProbs: x, logPartition: row, rewards: groups })).toThrow(
      'flowRl: logPartition must be float32 [2]; got float32 [3]',
    );
    expect(() => implicitRewardContrast()({ scores: x, mask: x, labels: row, baselines: row })).toThrow(
      'implicitRewardContrast: labels must be float32 [2]; got float32 [3]',
    );
  });
});
