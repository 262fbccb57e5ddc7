import * as tf from '@tensorflow/tfjs-core';
import { gridOf } from '@tsrl/core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  a2po,
  geometricMixture,
  inpo,
  type Loss,
  type LossResult,
  nashMd,
  onlineDpo,
  optimalValues,
  xpo,
} from '../src/index.ts';
import { errorOf } from './error-of.ts';

type Nested = readonly number[] | readonly (readonly number[])[];

const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);
const mean = (x: readonly number[]): number => sum(x) / x.length;
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Loss, metrics, and the gradients in the named inputs. */
function run<I>(loss: Loss<I>, inputs: Readonly<Record<string, Nested>>, by: readonly string[], context = {}) {
  return tf.tidy(() => {
    const tensors: Record<string, tf.Tensor> = Object.fromEntries(
      Object.entries(inputs).map(([name, x]) => [name, tf.tensor(x as number[])]),
    );
    const call = (moved: Record<string, tf.Tensor>): LossResult => loss({ ...tensors, ...moved } as I, context);
    const result = call({});
    const gradients = tf.grads(
      (...x: tf.Tensor[]) => call(Object.fromEntries(by.map((name, i) => [name, x[i] as tf.Tensor]))).loss,
    )(by.map((name) => tensors[name] as tf.Tensor));
    return {
      loss: result.loss.dataSync()[0] as number,
      gradients: gradients.map((g) => Array.from(g.dataSync())),
      metrics: Object.fromEntries(Object.entries(result.metrics).map(([k, x]) => [k, x.dataSync()[0] as number])),
    };
  });
}

const logProb = fc.integer({ min: -20 * 64, max: 0 }).map((k) => k / 64);
const beta = fc.constantFrom(0.05, 0.1, 0.5);

describe('onlineDpo and xpo', () => {
  const rows = fc.array(
    fc.record({
      now: logProb,
      ref: logProb,
      other: logProb,
      otherRef: logProb,
      wins: fc.constantFrom<number>(0, 0.25, 1),
    }),
    { minLength: 1, maxLength: 5 },
  );
  type Row = typeof rows extends fc.Arbitrary<(infer R)[]> ? R : never;
  const inputsOf = (batch: readonly Row[]): Record<string, number[]> => ({
    logProbs: batch.map(({ now }) => now),
    refLogProbs: batch.map(({ ref }) => ref),
    otherLogProbs: batch.map(({ other }) => other),
    otherRefLogProbs: batch.map(({ otherRef }) => otherRef),
    wins: batch.map(({ wins }) => wins),
  });
  const by = ['logProbs', 'otherLogProbs'];
  const pairLosses = fc.constantFrom('sigmoid' as const, 'ipo' as const);

  test('are their definitions, in value, gradient and metrics', () => {
    forAll([rows, beta, pairLosses, fc.constantFrom(0, 0.01, 1)], (batch, b, pairLoss, alpha) => {
      const one = (h: number): number => (pairLoss === 'sigmoid' ? softplus(-b * h) : (h - 1 / (2 * b)) ** 2);
      const lossOf = (rows: readonly Row[]): number =>
        mean(
          rows.map(({ now, ref, other, otherRef, wins }) => {
            const h = now - ref - (other - otherRef);
            return wins * one(h) + (1 - wins) * one(-h) + alpha * other;
          }),
        );
      const { loss, gradients, metrics } = run(xpo({ beta: b, pairLoss, alpha }), inputsOf(batch), by);
      const at = [...batch.map(({ now }) => now), ...batch.map(({ other }) => other)];
      const all = [...at, ...batch.map(({ ref }) => ref), ...batch.map(({ otherRef }) => otherRef)];
      const moved = (x: ArrayLike<number>): Row[] =>
        batch.map((row, i) => {
          const [now, other, ref, otherRef] = [0, 1, 2, 3].map((k) => x[k * batch.length + i] as number);
          return { ...row, now, other, ref, otherRef } as Row;
        });
      // With labels between 0 and 1 the slopes of the two losses cancel.
      const slopes = (x: ArrayLike<number>): ArrayLike<number> =>
        finiteDifference(
          (y) => lossOf(moved([...y, ...Array.from(x).slice(2 * batch.length)])),
          Array.from(x).slice(0, 2 * batch.length),
        );
      expect(errorOf([loss], (x) => [lossOf(moved(x))], all)).toBeLessThan(1);
      expect(errorOf(gradients.flat(), slopes, all)).toBeLessThan(1);
      const margins = batch.map(
        ({ now, ref, other, otherRef, wins }) => b * (2 * wins - 1) * (now - ref - other + otherRef),
      );
      expect(maxError([metrics['rewardMargin'] as number], [mean(margins)], float32)).toBeLessThan(1);
      expect(metrics['optimism']).toBeCloseTo(alpha * mean(batch.map(({ other }) => other)), 4);
      const plain = run(onlineDpo({ beta: b, pairLoss }), inputsOf(batch), by);
      if (alpha === 0) expect([plain.loss, plain.gradients]).toEqual([loss, gradients]);
    });
  });

  test('swapping the samples and the verdict changes nothing', () => {
    forAll([rows, beta, pairLosses], (batch, b, pairLoss) => {
      const swapped = batch.map(({ now, ref, other, otherRef, wins }) => ({
        now: other,
        ref: otherRef,
        other: now,
        otherRef: ref,
        wins: 1 - wins,
      }));
      const here = run(onlineDpo({ beta: b, pairLoss }), inputsOf(batch), by);
      const there = run(onlineDpo({ beta: b, pairLoss }), inputsOf(swapped), by);
      expect(maxError([there.loss], [here.loss], float32)).toBeLessThan(1);
      expect(maxError(there.gradients.toReversed().flat(), here.gradients.flat(), float32)).toBeLessThan(1);
    });
  });

  test('the numbers of the specification: log-ratios 0.8 and -0.3', () => {
    const pair = { logProbs: [0.8], refLogProbs: [0], otherLogProbs: [-0.3], otherRefLogProbs: [0], wins: [1] };
    expect(run(onlineDpo(), pair, by).loss).toBeCloseTo(0.6396589186, 6);
    expect(run(onlineDpo({ pairLoss: 'ipo' }), pair, by).loss).toBeCloseTo(15.21, 5);
    expect(run(onlineDpo(), pair, by).metrics['accuracy']).toBe(1);
    expect(run(onlineDpo(), { ...pair, wins: [0] }, by).metrics['accuracy']).toBe(0);
  });

  test('refuse', () => {
    expect(() => onlineDpo({ beta: 0 })).toThrow('onlineDpo: beta must be positive and finite; got 0');
    expect(() => xpo({ pairLoss: 'hinge' as 'ipo' })).toThrow(`xpo: pairLoss must be 'sigmoid' or 'ipo'; got "hinge"`);
    expect(() => xpo({ alpha: -1 })).toThrow('xpo: alpha must be a finite number of at least 0; got -1');
    const inputs = { ...inputsOf([{ now: 0, ref: 0, other: 0, otherRef: 0, wins: 1 }]), wins: [1, 0] };
    expect(() => run(xpo(), inputs, by)).toThrow('xpo: wins must be float32 [1] like logProbs');
  });
});

describe('nashMd', () => {
  const row = (columns: number) =>
    fc.record({
      now: fc.array(logProb, { minLength: columns, maxLength: columns }),
      ref: fc.array(logProb, { minLength: columns, maxLength: columns }),
      length: fc.integer({ min: 0, max: columns }),
      p: fc.integer({ min: 0, max: 8 }).map((k) => k / 8),
    });
  const batches = fc
    .integer({ min: 1, max: 4 })
    .chain((columns) => fc.array(row(columns), { minLength: 1, maxLength: 4 }));
  type Row = ReturnType<typeof row> extends fc.Arbitrary<infer R> ? R : never;
  const inputsOf = (batch: readonly Row[]) => ({
    logProbs: batch.map(({ now }) => now),
    refLogProbs: batch.map(({ ref }) => ref),
    probabilities: batch.map(({ p }) => p),
    mask: batch.map(({ now, length }) => now.map((_, t) => (t < length ? 1 : 0))),
  });
  const from = { token: (t: number) => t, toGo: (t: number) => t, sequence: () => 0 };
  const credits = fc.constantFrom('token' as const, 'toGo' as const, 'sequence' as const);

  test('is its definition, whose gradient is the constant weight', () => {
    forAll([batches, beta, credits], (batch, b, klCredit) => {
      const count = Math.max(1, batch.filter(({ length }) => length > 0).length);
      const columns = batch[0]?.now.length as number;
      const size = batch.length * columns;
      /** Of the log-probs of policy and reference. */
      const weights = (x: ArrayLike<number>): number[] =>
        batch.flatMap(({ length, p }, i) =>
          Array.from({ length: columns }, (_, t) => {
            if (t >= length) return 0;
            const end = klCredit === 'token' ? t + 1 : length;
            let divergence = 0;
            for (let s = from[klCredit](t); s < end; s++) {
              divergence += (x[i * columns + s] as number) - (x[size + i * columns + s] as number);
            }
            return (b * divergence - (p - 0.5)) / count;
          }),
        );
      const { loss, gradients, metrics } = run(nashMd({ beta: b, klCredit }), inputsOf(batch), ['logProbs']);
      const at = [...batch.flatMap(({ now }) => now), ...batch.flatMap(({ ref }) => ref)];
      expect(errorOf([loss], (x) => [sum(weights(x).map((w, i) => w * (x[i] as number)))], at)).toBeLessThan(1);
      expect(errorOf(gradients[0] as number[], weights, at)).toBeLessThan(1);
      const kl = batch.map(({ now, ref, length }) => sum(now.slice(0, length).map((lp, t) => lp - (ref[t] as number))));
      expect(metrics['kl']).toBeCloseTo(sum(kl) / count, 4);
    });
  });

  test('the numbers of the specification', () => {
    const inputs = {
      logProbs: [[-0.5, -1, -2]],
      refLogProbs: [[-0.7, -0.9, -2.5]],
      probabilities: [0.8],
      mask: [[1, 1, 1]],
    };
    expect(run(nashMd(), inputs, ['logProbs']).loss).toBeCloseTo(0.95, 6);
    const even = { ...inputs, refLogProbs: inputs.logProbs, probabilities: [0.5] };
    const { loss, gradients } = run(nashMd(), even, ['logProbs']);
    expect([loss, ...(gradients[0] as number[])].every((x) => x === 0)).toBe(true);
  });

  test('responses of two tokens, enumerated: the credit to go and that of the sequence are unbiased, that of tokens not', () => {
    // π over the four responses ab of two binary tokens: logits x (a), y₀ and y₁ (b given a).
    const reference = [0.3, -0.4, 0.9];
    const wins = [0.9, 0.2, 0.6, 0.4];
    const logSigmoid = (z: number): number => -softplus(-z);
    const tokensOf = (z: ArrayLike<number>, a: number, b: number): [number, number] => {
      const y = z[1 + a] as number;
      return [logSigmoid(a === 1 ? (z[0] as number) : -(z[0] as number)), logSigmoid(b === 1 ? y : -y)];
    };
    const responses = [0, 1].flatMap((a) => [0, 1].map((b) => [a, b] as const));
    const exact = (z: ArrayLike<number>): number =>
      sum(
        responses.map(([a, b], i) => {
          const [lp, ref] = [sum(tokensOf(z, a, b)), sum(tokensOf(reference, a, b))];
          return Math.exp(lp) * (0.5 * (lp - ref) - (wins[i] as number));
        }),
      );
    const at = [0.2, 0.7, -1.1];
    const expected = finiteDifference(exact, at);
    const biasOf = (klCredit: 'token' | 'toGo' | 'sequence'): number => {
      const { gradients } = run(
        nashMd({ beta: 0.5, klCredit }),
        {
          logProbs: responses.map(([a, b]) => tokensOf(at, a, b)),
          refLogProbs: responses.map(([a, b]) => tokensOf(reference, a, b)),
          probabilities: wins,
          mask: responses.map(() => [1, 1]),
        },
        ['logProbs'],
        { sequences: 1 },
      );
      // Σ over responses of π(response) Σ_t ∂loss/∂ℓ_t ∇ℓ_t
      const total = [0, 1, 2].map((k) =>
        sum(
          responses.map(([a, b], i) => {
            const p = Math.exp(sum(tokensOf(at, a, b)));
            const jacobian = [0, 1].map(
              (t) => finiteDifference((z) => tokensOf(z, a, b)[t] as number, at)[k] as number,
            );
            return p * sum(jacobian.map((j, t) => j * (gradients[0]?.[2 * i + t] as number)));
          }),
        ),
      );
      return Math.max(...total.map((g, k) => Math.abs(g - (expected[k] as number))));
    };
    expect(biasOf('toGo')).toBeLessThan(1e-6);
    expect(biasOf('sequence')).toBeLessThan(1e-6);
    expect(biasOf('token')).toBeGreaterThan(1e-3);
  });

  test('a token of weight 2 counts as two, its own log-ratio once in each', () => {
    const two = { logProbs: [[-1, -1, -2]], refLogProbs: [[-0.5, -0.5, -3]], probabilities: [0.7], mask: [[1, 1, 1]] };
    const heavy = { logProbs: [[-1, -2]], refLogProbs: [[-0.5, -3]], probabilities: [0.7], mask: [[2, 1]] };
    for (const klCredit of ['token', 'sequence'] as const) {
      const [a, b] = [two, heavy].map((inputs) => run(nashMd({ klCredit }), inputs, ['logProbs']));
      expect(b?.loss).toBeCloseTo(a?.loss as number, 6);
      expect(b?.metrics).toEqual(a?.metrics);
    }
  });

  test('the mixture is the normalized product of powers', () => {
    const probabilities = tf.tidy(() =>
      Array.from(
        tf.softmax(geometricMixture(tf.tensor1d([1, 0, -1]), tf.tensor1d([0, 0, 2]), { mixture: 0.25 })).dataSync(),
      ),
    );
    expect(maxError(probabilities, [0.5434056, 0.2566868, 0.1999078], float32)).toBeLessThan(1);
    tf.tidy(() => {
      const [a, b] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 5])];
      expect([...geometricMixture(a, b, { mixture: 0 }).dataSync()]).toEqual([1, 2]);
      expect([...geometricMixture(a, b, { mixture: 1 }).dataSync()]).toEqual([3, 5]);
      expect(() => geometricMixture(a, b, { mixture: 2 })).toThrow(
        'geometricMixture: mixture must be in [0, 1]; got 2',
      );
      expect(() => geometricMixture(a, tf.scalar(1) as tf.Tensor as tf.Tensor1D)).toThrow(
        'refLogits must be float32 [2]',
      );
    });
  });

  test('refuses', () => {
    expect(() => nashMd({ beta: Number.NaN })).toThrow('nashMd: beta must be positive and finite; got NaN');
    expect(() => nashMd({ klCredit: 'constructor' as 'token' })).toThrow('nashMd: klCredit');
    expect(() => nashMd({ klCredit: 'none' as 'token' })).toThrow(
      "klCredit must be 'token', 'toGo' or 'sequence'; got \"none\"",
    );
    const inputs = { logProbs: [[0]], refLogProbs: [[0]], probabilities: [1, 0], mask: [[1]] };
    expect(() => run(nashMd(), inputs, ['logProbs'])).toThrow(
      'nashMd: probabilities must be float32 [1]; got float32 [2]',
    );
  });
});

describe('a2po', () => {
  const rows = fc.array(
    fc.record({
      now: logProb,
      ref: logProb,
      reward: fc.integer({ min: -8, max: 8 }).map((k) => k / 8),
      value: fc.integer({ min: -8, max: 8 }).map((k) => k / 8),
    }),
    { minLength: 1, maxLength: 5 },
  );

  test('is its definition, in value and gradient', () => {
    forAll([rows, beta], (batch, b) => {
      const value = (now: ArrayLike<number>): number =>
        mean(batch.map(({ ref, reward, value }, i) => (b * ((now[i] as number) - ref) - (reward - value)) ** 2));
      const at = batch.map(({ now }) => now);
      const { loss, gradients, metrics } = run(
        a2po({ beta: b }),
        {
          logProbs: at,
          refLogProbs: batch.map(({ ref }) => ref),
          rewards: batch.map(({ reward }) => reward),
          optimalValues: batch.map(({ value }) => value),
        },
        ['logProbs'],
      );
      expect(maxError([loss], [value(at)], float32)).toBeLessThan(1);
      expect(maxError(gradients[0] as number[], finiteDifference(value, at), float32)).toBeLessThan(1);
      expect(metrics['advantage']).toBeCloseTo(mean(batch.map((one) => one.reward - one.value)), 6);
      expect(metrics['logRatio']).toBeCloseTo(mean(batch.map(({ now, ref }) => now - ref)), 4);
    });
  });

  test('the optimal policy has loss 0 when V* is exact', () => {
    // Three answers: π* ∝ π_ref exp(R / β), V* = β log Σ π_ref exp(R / β); uniform π_ref is n samples, each once.
    const rewards = [1, 0.2, -0.5];
    const [value] = optimalValues(gridOf([rewards]), { beta: 0.3 });
    const logProbs = rewards.map((reward) => Math.log(1 / 3) + (reward - (value as number)) / 0.3);
    expect(sum(logProbs.map(Math.exp))).toBeCloseTo(1, 9);
    const inputs = {
      logProbs,
      refLogProbs: rewards.map(() => Math.log(1 / 3)),
      rewards,
      optimalValues: rewards.map(() => value as number),
    };
    expect(run(a2po({ beta: 0.3 }), inputs, ['logProbs']).loss).toBeLessThan(1e-12);
  });

  test('values: the number of the specification, between mean and best, and what the limits are', () => {
    expect(optimalValues(gridOf([[1, 0, 0, 1]]))[0]).toBeCloseTo(0.7168904, 7);
    const reward = fc.integer({ min: -999, max: 999 }).map((k) => k / 100);
    forAll([fc.array(reward, { minLength: 1, maxLength: 6 }), fc.constantFrom(0.01, 0.5, 3)], (rewards, b) => {
      const [value] = optimalValues(gridOf([rewards]), { beta: b }) as unknown as [number];
      expect(value).toBeLessThanOrEqual(Math.max(...rewards) + 1e-9);
      expect(value).toBeGreaterThanOrEqual(mean(rewards) - 1e-9);
      const direct = b * Math.log(mean(rewards.map((r) => Math.exp(r / b))));
      if (Number.isFinite(direct) && Math.min(...rewards) / b > -700) expect(value).toBeCloseTo(direct, 8);
      expect(optimalValues(gridOf([rewards]), { beta: 1e-4 })[0]).toBeCloseTo(Math.max(...rewards), 2);
      expect(optimalValues(gridOf([rewards]), { beta: 1e6 })[0]).toBeCloseTo(mean(rewards), 3);
    });
  });

  test('refuses', () => {
    expect(() => a2po({ beta: 0 })).toThrow('a2po: beta must be positive and finite; got 0');
    expect(() => optimalValues(gridOf([[1]]), { beta: 0 })).toThrow(
      'optimalValues: beta must be positive and finite; got 0',
    );
    expect(() => optimalValues(gridOf([[]]))).toThrow(
      'rewards must be [prompts, n], n at least 1; got [1, 0] with 0 numbers',
    );
    expect(() => optimalValues(gridOf([[1], [Infinity]]))).toThrow('rewards must be finite; got Infinity in row 1');
    const inputs = { logProbs: [0], refLogProbs: [0], rewards: [0, 1], optimalValues: [0] };
    expect(() => run(a2po(), inputs, ['logProbs'])).toThrow('a2po: rewards must be float32 [1] like logProbs');
  });
});

describe('inpo', () => {
  const names = [
    'chosenLogProbs',
    'rejectedLogProbs',
    'refChosenLogProbs',
    'refRejectedLogProbs',
    'oldChosenLogProbs',
    'oldRejectedLogProbs',
  ];
  const by = names.slice(0, 2);
  const rows = fc.array(fc.tuple(logProb, logProb, logProb, logProb, logProb, logProb), { minLength: 1, maxLength: 5 });
  type Row = readonly [number, number, number, number, number, number];
  const inputsOf = (batch: readonly Row[]) =>
    Object.fromEntries(names.map((name, i) => [name, batch.map((row) => row[i] as number)]));
  const etas = fc.constantFrom(0.05, 0.5);

  test('is its definition, in value and gradient', () => {
    forAll([rows, etas, fc.constantFrom(0, 1 / 3, 1)], (batch, eta, share) => {
      const count = batch.length;
      const errors = (x: ArrayLike<number>): number[] =>
        batch.map((_, i) => {
          const [w, l, refW, refL, oldW, oldL] = names.map((_name, k) => x[k * count + i] as number) as unknown as Row;
          return w - l - share * (refW - refL) - (1 - share) * (oldW - oldL) - 1 / (2 * eta);
        });
      const { loss, gradients } = run(inpo({ eta, tau: share * eta }), inputsOf(batch), by);
      const at = names.flatMap((_, k) => batch.map((row) => row[k] as number));
      expect(errorOf([loss], (x) => [mean(errors(x).map((e) => e ** 2))], at)).toBeLessThan(1);
      const slopes = (x: ArrayLike<number>): number[] =>
        [1, -1].flatMap((sign) => errors(x).map((e) => (sign * 2 * e) / count));
      expect(errorOf(gradients.flat(), slopes, at)).toBeLessThan(1);
    });
  });

  test('with tau = eta, and in the first iteration with any tau, it is IPO', () => {
    forAll([rows, etas], (batch, eta) => {
      const first = batch.map(([w, l, refW, refL]): Row => [w, l, refW, refL, refW, refL]);
      const ipo = (x: ArrayLike<number>): number[] => [
        mean(
          batch.map((_, i) => {
            const [w, l, refW, refL] = names.map((_name, k) => x[k * batch.length + i] as number) as unknown as Row;
            return (w - refW - (l - refL) - 1 / (2 * eta)) ** 2;
          }),
        ),
      ];
      const at = (of: readonly Row[]): number[] => names.flatMap((_, k) => of.map((row) => row[k] as number));
      expect(errorOf([run(inpo({ eta, tau: eta }), inputsOf(batch), by).loss], ipo, at(batch))).toBeLessThan(1);
      expect(errorOf([run(inpo({ eta }), inputsOf(first), by).loss], ipo, at(first))).toBeLessThan(1);
    });
  });

  test('the numbers of the specification', () => {
    const inputs = inputsOf([[-10, -12, -11, -11.5, -10.5, -11.8]]);
    const { loss, metrics } = run(inpo({ eta: 0.5 }), inputs, by);
    expect(metrics['margin']).toBeCloseTo(0.9666666667, 6);
    expect(loss).toBeCloseTo(0.00111111111, 6);
    expect(maxError([run(inpo(), inputs, by).loss], [9807.6011111], float32)).toBeLessThan(1);
    expect(metrics['accuracy']).toBe(1);
  });

  test('on a finite set its expectation is least at the exact step of mirror descent', () => {
    const [eta, tau] = [0.4, 0.1];
    const old = [0.4, 0.3, 0.2, 0.1];
    const ref = [0.1, 0.2, 0.3, 0.4];
    const P = [
      [0.5, 0.7, 0.4, 0.9],
      [0.3, 0.5, 0.8, 0.6],
      [0.6, 0.2, 0.5, 0.7],
      [0.1, 0.4, 0.3, 0.5],
    ];
    const step = old.map(
      (q, y) =>
        Math.exp(sum(old.map((p, z) => p * (P[y]?.[z] as number))) / eta) *
        (ref[y] as number) ** (tau / eta) *
        q ** (1 - tau / eta),
    );
    const exact = step.map((x) => Math.log(x / sum(step)));
    const pairs = old.flatMap((p, y) => old.map((q, z) => ({ y, z, weight: p * q * (P[y]?.[z] as number) })));
    // Gradient of the expected loss in the log-probs of the four answers.
    const { gradients } = run(
      inpo({ eta, tau }),
      inputsOf(
        pairs.map(
          ({ y, z }): Row => [
            exact[y] as number,
            exact[z] as number,
            Math.log(ref[y] as number),
            Math.log(ref[z] as number),
            Math.log(old[y] as number),
            Math.log(old[z] as number),
          ],
        ),
      ),
      by,
      { sequences: 1 },
    );
    for (let answer = 0; answer < 4; answer++) {
      const slope = sum(
        pairs.map(
          ({ y, z, weight }, i) =>
            weight *
            ((y === answer ? (gradients[0]?.[i] as number) : 0) + (z === answer ? (gradients[1]?.[i] as number) : 0)),
        ),
      );
      expect(Math.abs(slope)).toBeLessThan(1e-6);
    }
  });

  test('refuses', () => {
    expect(() => inpo({ eta: 0 })).toThrow('inpo: eta must be positive and finite; got 0');
    expect(() => inpo({ eta: 0.5, tau: 0.6 })).toThrow('inpo: tau must be in [0, 0.5], which is eta; got 0.6');
    const inputs = { ...inputsOf([[0, 0, 0, 0, 0, 0]]), oldRejectedLogProbs: [0, 0] };
    expect(() => run(inpo(), inputs, by)).toThrow('inpo: oldRejectedLogProbs must be float32 [1] like chosenLogProbs');
  });
});
