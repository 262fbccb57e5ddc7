import * as tf from '@tensorflow/tfjs-core';
import { tokenSum } from '@tsrl/tensor';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DistillationOptions,
  distillation,
  fromLogits,
  importanceWeights,
  iwOpd,
  type Loss,
  type LossResult,
  sampledDistillation,
} from '../src/index.ts';
import { errorOf } from './error-of.ts';

type Nested = readonly number[] | readonly Nested[];

const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);

function run<I>(loss: Loss<I>, inputs: Readonly<Record<string, Nested>>, by: string, context = {}) {
  return tf.tidy(() => {
    const tensors: Record<string, tf.Tensor> = Object.fromEntries(
      Object.entries(inputs).map(([name, x]) => [
        name,
        tf.tensor(x as number[], undefined, name === 'ids' ? 'int32' : 'float32'),
      ]),
    );
    const call = (x: tf.Tensor): LossResult => loss({ ...tensors, [by]: x } as I, context);
    const result = call(tensors[by] as tf.Tensor);
    const gradient = tf.grad((x) => call(x).loss)(tensors[by] as tf.Tensor);
    return {
      loss: result.loss.dataSync()[0] as number,
      gradient: Array.from(gradient.dataSync()),
      metrics: Object.fromEntries(Object.entries(result.metrics).map(([k, x]) => [k, x.dataSync()[0] as number])),
    };
  });
}

/** Log-softmax of a row. */
function logSoftmax(x: readonly number[], temperature = 1): number[] {
  const scaled = x.map((y) => y / temperature);
  const top = Math.max(...scaled);
  const normalizer = top + Math.log(sum(scaled.map((y) => Math.exp(y - top))));
  return scaled.map((y) => y - normalizer);
}
const kl = (logP: readonly number[], logQ: readonly number[]): number =>
  sum(logP.map((p, v) => Math.exp(p) * (p - (logQ[v] as number))));
/** The divergence of the documentation, of log-probs. */
function divergence(student: readonly number[], teacher: readonly number[], beta: number): number {
  if (beta === 0) return kl(teacher, student);
  if (beta === 1) return kl(student, teacher);
  const mixture = student.map((p, v) => Math.log((1 - beta) * Math.exp(p) + beta * Math.exp(teacher[v] as number)));
  return beta * kl(teacher, mixture) + (1 - beta) * kl(student, mixture);
}

/** Of one row of logits; the likeliest tokens are those of the student at `chosen`. */
function rowLoss(
  student: readonly number[],
  teacher: readonly number[],
  { beta = 0.5, temperature = 1, topK, tail = true }: DistillationOptions,
  chosen: readonly number[] = student,
): number {
  const [p, q] = [logSoftmax(student, temperature), logSoftmax(teacher, temperature)];
  if (topK === undefined) return divergence(p, q, beta);
  const top = chosen
    .map((_, v) => v)
    .sort((a, b) => (chosen[b] as number) - (chosen[a] as number))
    .slice(0, topK);
  const of = (logProbs: readonly number[]): number[] => {
    const kept = top.map((v) => logProbs[v] as number);
    const mass = sum(kept.map(Math.exp));
    if (!tail) return kept.map((lp) => lp - Math.log(mass));
    const rest = logProbs.filter((_, v) => !top.includes(v));
    return [...kept, Math.log(Math.max(1e-7, sum(rest.map(Math.exp))))];
  };
  return divergence(of(p), of(q), beta);
}

/** Logits on a grid, distinct within a row so that a small move changes no rank. */
const row = (size: number) =>
  fc
    .uniqueArray(fc.integer({ min: -24, max: 24 }), { minLength: size, maxLength: size })
    .map((x) => x.map((k) => k / 8));
const batches = fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 4 })).chain(([size, tokens]) =>
  fc.record({
    logits: fc.array(row(size), { minLength: tokens, maxLength: tokens }),
    teacher: fc.array(row(size), { minLength: tokens, maxLength: tokens }),
    mask: fc.array(fc.constantFrom(0, 1), { minLength: tokens, maxLength: tokens }),
  }),
);
const betas = fc.constantFrom(0, 0.1, 0.5, 0.9, 1);
const temperatures = fc.constantFrom(0.5, 1, 2);
const inputsOf = ({ logits, teacher, mask }: { logits: number[][]; teacher: number[][]; mask: number[] }) => ({
  logits: [logits],
  teacherLogits: [teacher],
  mask: [mask],
});

describe('distillation', () => {
  test('over the vocabulary it is its definition, in value, gradient and metric', () => {
    forAll([batches, betas, temperatures], (batch, beta, temperature) => {
      const { logits, teacher, mask } = batch;
      const size = logits[0]?.length as number;
      const tokens = Math.max(1, sum(mask));
      const value = (x: ArrayLike<number>): number =>
        sum(
          mask.map((m, t) =>
            m === 0
              ? 0
              : rowLoss(Array.from(x).slice(t * size, (t + 1) * size), teacher[t] as number[], { beta, temperature }),
          ),
        ) / tokens;
      const { loss, gradient, metrics } = run(distillation({ beta, temperature }), inputsOf(batch), 'logits');
      const at = logits.flat();
      expect(maxError([loss], [value(at)], float32)).toBeLessThan(1);
      // It takes the divergence from log-ratios, all of which are at most this large, and each rounds as they do.
      const widest = ([...logits, ...teacher] as number[][]).map((row) => Math.max(...row) - Math.min(...row));
      const rounding = (2 ** -22 * 2 * Math.max(...widest)) / temperature ** 2;
      const bound = { ...float32, absolute: float32.absolute + rounding };
      expect(maxError(gradient, finiteDifference(value, at), bound)).toBeLessThan(1);
      expect(metrics['divergence']).toBeCloseTo(loss, 6);
    });
  });

  test('at the likeliest tokens too, with the rest as one more token or without it', () => {
    forAll(
      [batches, betas, temperatures, fc.integer({ min: 1, max: 5 }), fc.boolean()],
      (batch, beta, temperature, wanted, tail) => {
        const { logits, teacher, mask } = batch;
        const size = logits[0]?.length as number;
        const topK = Math.min(wanted, size);
        const options = { beta, temperature, topK, tail };
        const tokens = Math.max(1, sum(mask));
        const value = (x: ArrayLike<number>): number =>
          sum(
            mask.map((m, t) =>
              m === 0
                ? 0
                : rowLoss(Array.from(x).slice(t * size, (t + 1) * size), teacher[t] as number[], options, logits[t]),
            ),
          ) / tokens;
        const { loss, gradient } = run(distillation(options), inputsOf(batch), 'logits');
        const at = logits.flat();
        expect(maxError([loss], [value(at)], float32)).toBeLessThan(1);
        expect(maxError(gradient, finiteDifference(value, at), float32)).toBeLessThan(1);
      },
    );
  });

  test('with all tokens as the likeliest it is that over the vocabulary', () => {
    forAll([batches, betas, fc.boolean()], (batch, beta, tail) => {
      const topK = batch.logits[0]?.length as number;
      const full = run(distillation({ beta }), inputsOf(batch), 'logits');
      const chosen = run(distillation({ beta, topK, tail }), inputsOf(batch), 'logits');
      expect(maxError([chosen.loss], [full.loss], float32)).toBeLessThan(1);
      expect(maxError(chosen.gradient, full.gradient, float32)).toBeLessThan(1);
    });
  });

  test('a rest that the student finds impossible costs no more than one of 1e-7, and teaches nothing', () => {
    const batch = inputsOf({ logits: [[30, 0, 0]], teacher: [[0, 0, 0]], mask: [1] });
    const { loss, gradient } = run(distillation({ beta: 0, topK: 1 }), batch, 'logits');
    expect(loss).toBeCloseTo((Math.log(1 / 3) + 2 * (Math.log(2 / 3) - Math.log(1e-7))) / 3, 5);
    expect(gradient.every((g) => Math.abs(g) < 1e-6)).toBe(true);
  });

  test('the numbers of the specification', () => {
    const inputs = {
      logits: [[[0.3, 0.4, 0.3].map(Math.log)]],
      teacherLogits: [[[0.7, 0.2, 0.1].map(Math.log)]],
      mask: [[1]],
    };
    const expected = { 0: 0.3446178, 1: 0.3526532, 0.5: 0.0842938, 0.1: 0.0307158, 0.9: 0.0312532 };
    for (const [beta, value] of Object.entries(expected)) {
      expect(run(distillation({ beta: Number(beta) }), inputs, 'logits').loss).toBeCloseTo(value, 6);
    }
    const { gradient } = run(distillation({ beta: 0 }), inputs, 'logits');
    expect(maxError(gradient, [-0.4, 0.2, 0.2], float32)).toBeLessThan(1);
  });

  test('0 at the teacher, with gradient 0; never below; ½ is symmetric and at most log 2', () => {
    forAll([batches, betas], (batch, beta) => {
      const same = run(distillation({ beta }), { ...inputsOf(batch), teacherLogits: [batch.logits] }, 'logits');
      expect(Math.abs(same.loss)).toBeLessThan(1e-6);
      expect(Math.max(...same.gradient.map(Math.abs))).toBeLessThan(1e-6);
      const { loss } = run(distillation({ beta }), inputsOf(batch), 'logits');
      expect(loss).toBeGreaterThan(-1e-6);
      const mean = beta === 0 || beta === 1 ? Infinity : -beta * Math.log(beta) - (1 - beta) * Math.log(1 - beta);
      expect(loss).toBeLessThan(mean + 1e-6);
      const swapped = inputsOf({ ...batch, logits: batch.teacher, teacher: batch.logits });
      expect(run(distillation({ beta: 1 - beta }), swapped, 'logits').loss).toBeCloseTo(loss, 5);
    });
  });

  test('near its ends the divergence over beta is the forward, over 1 − beta the reverse one', () => {
    const batch = inputsOf({ logits: [[1, 0, -1]], teacher: [[-0.5, 0.5, 1]], mask: [1] });
    const at = (beta: number): number => run(distillation({ beta }), batch, 'logits').loss;
    expect(at(0.001) / 0.001 / at(0)).toBeCloseTo(1, 2);
    expect(at(0.999) / 0.001 / at(1)).toBeCloseTo(1, 2);
  });

  test('a token that one of the two cannot produce: finite, and 0 where neither can', () => {
    const lost = Number.NEGATIVE_INFINITY;
    for (const beta of [0, 0.5, 1]) {
      for (const [logits, teacherLogits] of [
        [
          [0, 0, lost],
          [0, 0, 0],
        ],
        [
          [0, 0, 0],
          [0, 0, lost],
        ],
        [
          [0, 1, lost],
          [1, 0, lost],
        ],
      ] as const) {
        const { loss, gradient } = run(
          distillation({ beta }),
          { logits: [[logits]], teacherLogits: [[teacherLogits]], mask: [[1]] },
          'logits',
        );
        expect([loss, ...gradient].every(Number.isFinite)).toBe(true);
      }
    }
    const both = { logits: [[[0, 1, lost]]], teacherLogits: [[[1, 0, lost]]], mask: [[1]] };
    const without = { logits: [[[0, 1]]], teacherLogits: [[[1, 0]]], mask: [[1]] };
    for (const beta of [0, 0.5, 1]) {
      expect(run(distillation({ beta }), both, 'logits').loss).toBeCloseTo(
        run(distillation({ beta }), without, 'logits').loss,
        6,
      );
    }
  });

  test('nothing flows back into the teacher, though it is the same variable', () => {
    const [x, hint] = [tf.tensor3d([[[1, 0, -1]]]), tf.tensor3d([[[0, 0, 2]]])];
    const mask = tf.ones<tf.Rank.R2>([1, 1]);
    for (const options of [{ beta: 1 }, { beta: 0.5 }]) {
      const shared = tf.grad(
        (y) => distillation(options)({ logits: y as tf.Tensor3D, teacherLogits: tf.add(y, hint), mask }).loss,
      )(x);
      const alone = tf.grad(
        (y) => distillation(options)({ logits: y as tf.Tensor3D, teacherLogits: tf.add(x, hint), mask }).loss,
      )(x);
      expect([...shared.dataSync()]).toEqual([...alone.dataSync()]);
      tf.dispose([shared, alone]);
    }
    const topK = { topK: 2 };
    const shared = tf.grad(
      (y) => distillation(topK)({ logits: y as tf.Tensor3D, teacherLogits: tf.add(y, hint), mask }).loss,
    )(x);
    const alone = tf.grad(
      (y) => distillation(topK)({ logits: y as tf.Tensor3D, teacherLogits: tf.add(x, hint), mask }).loss,
    )(x);
    expect([...shared.dataSync()]).toEqual([...alone.dataSync()]);
    tf.dispose([x, hint, mask, shared, alone]);
  });

  test('refuses', () => {
    expect(() => distillation({ beta: 1.1 })).toThrow('distillation: beta must be in [0, 1]; got 1.1');
    expect(() => distillation({ temperature: 0 })).toThrow(
      'distillation: temperature must be positive and finite; got 0',
    );
    expect(() => distillation({ topK: 0 })).toThrow('distillation: topK must be a whole number of at least 1; got 0');
    const inputs = inputsOf({ logits: [[1, 2]], teacher: [[1, 2]], mask: [1] });
    expect(() => run(distillation({ topK: 3 }), inputs, 'logits')).toThrow(
      'distillation: topK must be at most V = 2; got 3',
    );
    expect(() => run(distillation(), { ...inputs, teacherLogits: [[[1, 2, 3]]] }, 'logits')).toThrow(
      'distillation: teacherLogits must be float32 [1, 1, 2] like logits; got float32 [1, 1, 3]',
    );
    expect(() => run(distillation(), { ...inputs, mask: [[1, 1]] }, 'logits')).toThrow(
      'distillation: logits must be float32 [1, 2, V]',
    );
  });
});

const logProb = fc.integer({ min: -20 * 64, max: 0 }).map((k) => k / 64);
const tokens = fc.integer({ min: 1, max: 5 }).chain((columns) => {
  const numbers = fc.array(logProb, { minLength: columns, maxLength: columns });
  return fc.array(
    fc.record({
      now: numbers,
      teacher: numbers,
      rollout: numbers,
      mask: fc.array(fc.constantFrom(0, 1), { minLength: columns, maxLength: columns }),
    }),
    { minLength: 1, maxLength: 3 },
  );
});

describe('sampledDistillation', () => {
  test('is its definition: d log π, whose gradient is d', () => {
    forAll([tokens], (rows) => {
      const mask = rows.flatMap((r) => r.mask);
      const count = Math.max(1, sum(mask));
      /** d / N at each token, of the log-probs of the student and then those of the teacher. */
      const gaps = (x: ArrayLike<number>): number[] =>
        mask.map((m, i) => (m * ((x[i] as number) - (x[mask.length + i] as number))) / count);
      const at = [...rows.flatMap(({ now }) => now), ...rows.flatMap(({ teacher }) => teacher)];
      const inputs = {
        logProbs: rows.map(({ now }) => now),
        teacherLogProbs: rows.map(({ teacher }) => teacher),
        mask: rows.map((r) => r.mask),
      };
      const { loss, gradient, metrics } = run(sampledDistillation(), inputs, 'logProbs');
      expect(errorOf([loss], (x) => [sum(gaps(x).map((gap, i) => gap * (x[i] as number)))], at)).toBeLessThan(1);
      expect(errorOf(gradient, gaps, at)).toBeLessThan(1);
      expect(errorOf([metrics['reverseKl'] as number], (x) => [sum(gaps(x))], at)).toBeLessThan(1);
    });
  });

  test('its expectation over tokens of the student is the gradient of the reverse divergence', () => {
    forAll([fc.integer({ min: 2, max: 5 }).chain((size) => fc.tuple(row(size), row(size)))], ([student, teacher]) => {
      const [p, q] = [logSoftmax(student), logSoftmax(teacher)];
      const [rows, ids] = [p.map(() => student), p.map((_, v) => v)];
      const inputs = { logits: [rows], ids: [ids], teacherLogProbs: [q], mask: [p.map(Math.exp)] };
      // Each token once, weighted by its probability.
      const { gradient } = run(fromLogits(sampledDistillation({ aggregate: tokenSum })), inputs, 'logits');
      const expected = student.map((_, v) => sum(ids.map((_, at) => gradient[at * student.length + v] as number)));
      const exact = (x: ArrayLike<number>): number[] => {
        const [logP, logQ] = [logSoftmax(Array.from(x).slice(0, student.length)), Array.from(x).slice(student.length)];
        return logP.map((lp, v) => Math.exp(lp) * (lp - (logQ[v] as number) - kl(logP, logQ)));
      };
      expect(errorOf(expected, exact, [...student, ...q])).toBeLessThan(1);
      const both = { logits: [[student]], teacherLogits: [[teacher]], mask: [[1]] };
      expect(errorOf(run(distillation({ beta: 1 }), both, 'logits').gradient, exact, [...student, ...q])).toBeLessThan(
        1,
      );
    });
  });

  test('refuses', () => {
    const inputs = { logProbs: [[0]], teacherLogProbs: [[0, 1]], mask: [[1]] };
    expect(() => run(sampledDistillation(), inputs, 'logProbs')).toThrow(
      'sampledDistillation: teacherLogProbs must be float32 [1, 1]',
    );
  });
});

describe('iwOpd', () => {
  const gammas = fc.constantFrom(0, 0.5, 2);
  const inputsOfRows = (rows: typeof tokens extends fc.Arbitrary<infer R> ? R : never, rollout: boolean) => ({
    logProbs: rows.map((r) => r.now),
    teacherLogProbs: rows.map((r) => r.teacher),
    mask: rows.map((r) => r.mask),
    ...(rollout ? { rolloutLogProbs: rows.map((r) => r.rollout) } : {}),
  });

  test('is its definition, with and without the log-probs of the rollout', () => {
    forAll([tokens, gammas, fc.boolean()], (rows, gamma, rollout) => {
      const count = Math.max(1, sum(rows.flatMap(({ mask }) => mask)));
      const columns = rows[0]?.now.length as number;
      const size = rows.length * columns;
      /** −w a / N at each token, of the log-probs of student, teacher and rollout. */
      const slopes = (x: ArrayLike<number>): number[] =>
        rows.flatMap(({ mask }, i) => {
          const from = rollout ? 2 * size : 0;
          const a = mask.map((m, t) => {
            const place = i * columns + t;
            return m * ((x[size + place] as number) - (x[from + place] as number));
          });
          const total = sum(a.map(Math.abs));
          return a.map((gap, t) => {
            const passed = total === 0 ? 0 : sum(a.slice(0, t).map(Math.abs)) / total;
            return (-(1 + gamma * (1 - passed)) * gap) / count;
          });
        });
      const { loss, gradient } = run(iwOpd({ gamma }), inputsOfRows(rows, rollout), 'logProbs');
      const at = (['now', 'teacher', 'rollout'] as const).flatMap((of) => rows.flatMap((r) => r[of]));
      expect(errorOf([loss], (x) => [sum(slopes(x).map((slope, i) => slope * (x[i] as number)))], at)).toBeLessThan(1);
      expect(errorOf(gradient, slopes, at)).toBeLessThan(1);
    });
  });

  test('the numbers of the specification, and no weights without gamma', () => {
    const inputs = { logProbs: [[0, 0, 0, 0]], teacherLogProbs: [[0.5, -1, 0.25, 0.25]], mask: [[1, 1, 1, 1]] };
    const { gradient, metrics } = run(iwOpd({ aggregate: tokenSum }), inputs, 'logProbs');
    expect(maxError(gradient, [-1.5 * 0.5, 1.375, -1.125 * 0.25, -1.0625 * 0.25], float32)).toBeLessThan(1);
    expect(metrics['weightMean']).toBeCloseTo((1.5 + 1.375 + 1.125 + 1.0625) / 4, 6);
    forAll([tokens], (rows) => {
      const plain = run(sampledDistillation(), inputsOfRows(rows, false), 'logProbs');
      const here = run(iwOpd({ gamma: 0 }), inputsOfRows(rows, false), 'logProbs');
      expect(maxError(here.gradient, plain.gradient, float32)).toBeLessThan(1);
      expect(maxError([here.loss], [plain.loss], float32)).toBeLessThan(1);
      expect(here.metrics['reverseKl']).toBeCloseTo(plain.metrics['reverseKl'] as number, 5);
    });
  });

  test('refuses', () => {
    expect(() => iwOpd({ gamma: -1 })).toThrow('iwOpd: gamma must be a finite number of at least 0; got -1');
    const inputs = { logProbs: [[0]], teacherLogProbs: [[0]], rolloutLogProbs: [[0, 0]], mask: [[1]] };
    expect(() => run(iwOpd(), inputs, 'logProbs')).toThrow('iwOpd: rolloutLogProbs must be float32 [1, 1]');
  });
});

describe('importanceWeights', () => {
  test('are the ratio, truncated above, and constant', () => {
    const ratio = fc.integer({ min: -60 * 16, max: 60 * 16 }).map((k) => k / 16);
    forAll(
      [fc.array(ratio, { minLength: 1, maxLength: 6 }), fc.constantFrom(1.5, 2, Infinity)],
      (differences, maxRatio) => {
        const weights = tf.tidy(() => {
          const old = tf.fill([differences.length], -1) as tf.Tensor1D;
          return Array.from(importanceWeights(tf.add(tf.tensor1d(differences), old), old, { maxRatio }).dataSync());
        });
        const expected = differences.map((d) => Math.min(Math.exp(Math.min(Math.max(d, -20), 20)), maxRatio));
        expect(maxError(weights, expected, { absolute: 0, relative: 2e-5 })).toBeLessThan(1);
      },
    );
    tf.tidy(() => {
      const gradient = tf.grad((x) => tf.sum(tf.mul(x, importanceWeights(x, tf.zerosLike(tf.tensor1d([1, 2]))))))(
        tf.tensor1d([-1, 0.5]),
      );
      expect(maxError(gradient.dataSync(), [Math.exp(-1), Math.exp(0.5)], float32)).toBeLessThan(1);
    });
  });

  test('refuse', () => {
    tf.tidy(() => {
      const x = tf.tensor1d([1]);
      expect(() => importanceWeights(x, x, { maxRatio: 0 })).toThrow(
        'importanceWeights: maxRatio must be positive; got 0',
      );
      expect(() => importanceWeights(x, tf.tensor1d([1, 2]))).toThrow(
        'importanceWeights: oldLogProbs must be float32 [1]',
      );
    });
  });
});
