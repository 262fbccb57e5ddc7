import * as tf from '@tensorflow/tfjs-core';
import { createRng, type Grid, gridOf, StateError } from '@tsrl/core';
import { logComplement } from '@tsrl/rewards';
import { finiteDifference, float32, float64, forAll, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerEntropy, answerKl, answerLogProbs } from '../src/answers.ts';
import {
  type BinaryPpoColumns,
  type BinaryPpoOptions,
  binaryPpo,
  enumerateActions,
  logProbsOfActions,
  rewardsOfActions,
  sampleActions,
} from '../src/index.ts';
import { evaluate, f32 } from './evaluate.ts';
import { divergenceOf, oracleColumns, oracleTerms, sigmoid, sumOf } from './oracle.ts';

/** Log-probability of a valid answer under the behaviour policy, and how far it has moved since; never certain. */
const example = fc.record({
  y: fc.constantFrom<0 | 1>(0, 1),
  old: f32(-3, 3),
  oldMass: f32(-3, -0.05),
  v: f32(-2, 2),
  move: f32(-1, 1),
  massMove: f32(-0.8, 0.04),
  value: f32(-2, 2),
});
type Example = typeof example extends fc.Arbitrary<infer T> ? T : never;
const batch = fc.array(example, { minLength: 1, maxLength: 10 });

const unzip = (examples: readonly Example[]) => ({
  labels: Float64Array.from(examples, ({ y }) => y),
  old: Float64Array.from(examples, ({ old }) => old),
  oldMass: Float64Array.from(examples, ({ oldMass }) => oldMass),
  v: Float64Array.from(examples, ({ v }) => v),
  logits: Float64Array.from(examples, ({ old, move }) => Math.fround(old + move)),
  mass: Float64Array.from(examples, ({ oldMass, massMove }) => Math.fround(oldMass + massMove)),
  values: Float64Array.from(examples, ({ value }) => value),
});

const observationOf = (examples: readonly Example[], seed = 1) => {
  const { labels, old, oldMass, v } = unzip(examples);
  const refLogits = old.map((z, i) => Math.fround(0.5 * z - (v[i] as number)));
  const refLogMass = oldMass.map((x) => Math.fround(0.7 * x - 0.2));
  return { labels, logits: old, logMass: oldMass, values: v, refLogits, refLogMass, rng: createRng(seed) };
};

const policyOnly = { supervisedCoefficient: 0, entropyCoefficient: 0 } as const;
const threeRows = ({ data }: Grid): number[][] =>
  Array.from({ length: data.length / 3 }, (_, i) => Array.from(data.subarray(3 * i, 3 * i + 3)));

describe('the whole of 2.8 and 2.9 over three actions against loops in float64', () => {
  const variants: Record<string, BinaryPpoOptions> = {
    stable: {},
    'an invalid answer costs nothing': { invalidReward: 0 },
    'value head, whitened': { baseline: 'valueHead', normalize: 'whiten', invalidReward: -3 },
    sampled: { actions: 'sample' },
    'five draws, a value head': { actions: 'sample', samplesPerExample: 5, baseline: 'valueHead', normalize: 'none' },
    'clip higher, dual clip': { clipLow: 0.1, clipHigh: 0.28, dualClip: 1.5, normalize: 'none' },
    'all terms large': { supervisedCoefficient: 3, entropyCoefficient: 2 },
    'the action of the label': { actions: 'label' },
    'mean of the batch': { baseline: 'batchMean', rewardClip: 0.7 },
    'no baseline, clipped and scaled': { baseline: 'none', advantageClip: 0.9, advantageScale: 3 },
    'values held near the old ones': { baseline: 'valueHead', valueClip: 4.5 },
    'near a reference': { klCoefficient: 0.7 },
    'near a reference, reversed': { klCoefficient: 2, klDirection: 'reverse' },
  };

  test.each(Object.entries(variants))('%s', async (_, given) => {
    const options = { invalidReward: -1, ...given };
    const { actions, samplesPerExample = 1, clipLow = 0.2, clipHigh = clipLow, dualClip, valueClip } = options;
    const { supervisedCoefficient = 0.1, entropyCoefficient = 0.01, klCoefficient = 0, klDirection } = options;
    const method = binaryPpo(options);
    const coefficients = {
      ...{ clipLow, clipHigh, dualClip, valueClip, klDirection },
      alpha: options.baseline === 'valueHead' ? 0.5 : 0,
      beta: supervisedCoefficient as number,
      gamma: entropyCoefficient as number,
      kl: klCoefficient as number,
    };

    await forAllAsync(
      [batch],
      async (examples) => {
        const { labels, old, oldMass, v, logits, mass, values } = unzip(examples);
        const observation = observationOf(examples);
        const columns = method.prepare(observation);
        const counts = threeRows(columns.weights).map((row) => row.map((w) => Math.round(w * samplesPerExample)));
        const expected = oracleColumns(labels, old, v, {
          ...(options as object),
          mass: oldMass.map(Math.exp),
          imitate: actions === 'label',
          ...(actions === 'sample' && { counts }),
        });
        for (const name of ['weights', 'advantages', 'returns', 'oldLogProbs'] as const) {
          expect(maxError(columns[name].data, expected[name].data, float64)).toBeLessThanOrEqual(1);
        }
        for (const row of threeRows(columns.weights)) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 14);

        // A kink of the clipping is no place for a difference quotient.
        const probabilities = (z: ArrayLike<number>, x: ArrayLike<number>): number[][] =>
          Array.from(z, (at, i) => {
            const m = Math.exp(x[i] as number);
            return [m * sigmoid(-at), m * sigmoid(at), 1 - m];
          });
        const before = probabilities(old, oldMass).flat();
        const now = probabilities(logits, mass);
        const kinks = [1 - clipLow, 1 + clipHigh, dualClip ?? 1 + clipHigh];
        const ratios = now.flat().map((p, i) => p / (before[i] as number));
        fc.pre(ratios.every((ratio) => kinks.every((kink) => Math.abs(ratio - kink) > 1e-4)));

        const { refLogits, refLogMass } = observation;
        const fixed = { ...expected, oldValues: v, refLogits, refLogMass };
        const terms = oracleTerms(logits, values, fixed, coefficients, mass);
        const total = (z: ArrayLike<number>, at: ArrayLike<number>, x: ArrayLike<number>): number =>
          sumOf(oracleTerms(z, at, fixed, coefficients, x));
        const result = await evaluate(method, columns, logits, values, {}, mass);
        for (const [name, term] of Object.entries(terms)) {
          const metric = result.metrics[`${name}/loss`];
          if (metric === undefined) expect(term).toBe(0);
          else expect(maxError([metric], [term], float32)).toBeLessThanOrEqual(1);
        }
        const ours = [result.slopes, result.valueSlopes, result.massSlopes].map((slopes) => slopes ?? []);
        const slopes = [
          finiteDifference((z) => total(z, values, mass), logits),
          finiteDifference((at) => total(logits, at, mass), values),
          finiteDifference((x) => total(logits, values, x), mass),
        ];
        expect(
          maxError(
            ours.flatMap((x) => [...x]),
            slopes.flatMap((x) => [...x]),
            float32,
          ),
        ).toBeLessThanOrEqual(1);

        const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b) / labels.length;
        const kl = mean(probabilities(old, oldMass).map((from, i) => divergenceOf(from, now[i] as number[])));
        const reported = [result.metrics['policy/kl'], result.metrics['mass']] as number[];
        expect(maxError(reported, [kl, mean([...mass].map(Math.exp))], float32)).toBeLessThanOrEqual(1);
      },
      { runs: 25 },
    );
  });
});

describe('laws of the third action', () => {
  const modes = fc.constantFrom<BinaryPpoOptions>(
    {},
    { baseline: 'valueHead', normalize: 'whiten' },
    { baseline: 'batchMean' },
    { baseline: 'none', normalize: 'none' },
    { actions: 'sample', samplesPerExample: 3 },
    { actions: 'label', klCoefficient: 1 },
    { klCoefficient: 0.5, klDirection: 'reverse', dualClip: 2 },
  );

  test('where answers are always valid it is the form with two actions', async () => {
    await forAllAsync([batch, modes, fc.integer()], async (examples, mode, seed) => {
      const { logits, values } = unzip(examples);
      const certain = new Float64Array(examples.length);
      const observation = observationOf(examples, seed);
      const [two, three] = [binaryPpo(mode), binaryPpo({ ...mode, invalidReward: -2 })];
      const plain = two.prepare(observation);
      const columns = three.prepare({
        ...observation,
        logMass: certain,
        refLogMass: certain,
        rng: createRng(seed),
      });
      for (const name of ['weights', 'advantages', 'returns', 'oldLogProbs'] as const) {
        const valid = threeRows(columns[name]).flatMap((row) => row.slice(0, 2));
        expect(maxError(valid, plain[name].data)).toBeLessThanOrEqual(1);
      }
      expect(threeRows(columns.weights).every(([, , invalid]) => invalid === 0)).toBe(true);
      const here = await evaluate(two, plain, logits, values);
      const there = await evaluate(three, columns, logits, values, {}, certain);
      expect(maxError([there.loss], [here.loss], float32)).toBeLessThanOrEqual(1);
      expect(maxError(there.slopes, here.slopes, float32)).toBeLessThanOrEqual(1);
      expect(maxError(there.valueSlopes ?? [], here.valueSlopes ?? [], float32)).toBeLessThanOrEqual(1);
      for (const [name, metric] of Object.entries(here.metrics)) {
        expect(maxError([there.metrics[name] ?? Number.NaN], [metric], float32)).toBeLessThanOrEqual(1);
      }
      expect(there.metrics['mass']).toBeCloseTo(1, 6);
    });
  });

  test('at the behaviour policy the gradient is that of the expected reward, in z and in the log-mass', async () => {
    const reward = logComplement();
    const options = { reward, invalidReward: -1.5, normalize: 'none', ...policyOnly } as const;
    await forAllAsync([batch], async (examples) => {
      const { old, oldMass, labels } = unzip(examples);
      const rewards = threeRows(rewardsOfActions(reward, { labels, logits: old, invalidReward: -1.5 }));
      const expectation = (z: ArrayLike<number>, x: ArrayLike<number>): number =>
        rewards.reduce((sum, [r0, r1, invalid], i) => {
          const [p, m] = [sigmoid(z[i] as number), Math.exp(x[i] as number)];
          const valid = m * ((1 - p) * (r0 as number) + p * (r1 as number));
          return sum + (valid + (1 - m) * (invalid as number)) / labels.length;
        }, 0);
      const { slopes, massSlopes } = await evaluate(
        binaryPpo(options),
        binaryPpo(options).prepare(observationOf(examples)),
        old,
        undefined,
        {},
        oldMass,
      );
      const gain = [
        ...finiteDifference((z) => -expectation(z, oldMass), old),
        ...finiteDifference((x) => -expectation(old, x), oldMass),
      ];
      expect(maxError([...slopes, ...(massSlopes ?? [])], gain, float32)).toBeLessThanOrEqual(1);
    });
  });

  test('swapping the classes changes nothing', async () => {
    await forAllAsync([batch, modes], async (examples, mode) => {
      if (mode.actions === 'sample') return; // the draws would have to be swapped too
      const method = binaryPpo({ ...mode, invalidReward: -1 });
      const mirror = examples.map((e): Example => ({ ...e, y: e.y === 1 ? 0 : 1, old: -e.old, move: -e.move }));
      const [here, there] = [examples, mirror].map((of) => {
        const observation = observationOf(of);
        const refLogits = observation.logits.map((z) => z / 2);
        return method.prepare({ ...observation, refLogits });
      }) as [BinaryPpoColumns, BinaryPpoColumns];
      for (const name of ['weights', 'advantages', 'returns'] as const) {
        const swapped = threeRows(here[name]).flatMap(([a, b, c]) => [b, a, c] as number[]);
        expect(maxError(there[name].data, swapped)).toBeLessThanOrEqual(1);
      }
      const { logits, mass, values } = unzip(examples);
      const first = await evaluate(method, here, logits, values, {}, mass);
      const second = await evaluate(method, there, unzip(mirror).logits, values, {}, mass);
      expect(maxError([second.loss], [first.loss], float32)).toBeLessThanOrEqual(1);
      expect(
        maxError(
          second.slopes.map((x) => -x),
          first.slopes,
          float32,
        ),
      ).toBeLessThanOrEqual(1);
      expect(maxError(second.massSlopes ?? [], first.massSlopes ?? [], float32)).toBeLessThanOrEqual(1);
    });
  });

  test('parts with the size of the whole add up to it', async () => {
    const options = { baseline: 'valueHead', klCoefficient: 0.5, invalidReward: -1, entropyCoefficient: 0.4 } as const;
    const method = binaryPpo(options);
    await forAllAsync([fc.array(example, { minLength: 4, maxLength: 9 })], async (examples) => {
      const { logits, values, mass } = unzip(examples);
      const n = examples.length;
      const columns = method.prepare(observationOf(examples));
      const whole = await evaluate(method, columns, logits, values, { sequences: n }, mass);
      const part = (from: number, to: number) => {
        const cut = Object.fromEntries(
          Object.entries(columns).map(([name, column]) => [
            name,
            column instanceof Float64Array
              ? column.slice(from, to)
              : { data: column.data.slice(3 * from, 3 * to), rows: to - from, columns: 3 },
          ]),
        ) as unknown as BinaryPpoColumns;
        const at = [logits, values, mass].map((x) => x.slice(from, to)) as [Float64Array, Float64Array, Float64Array];
        return evaluate(method, cut, at[0], at[1], { sequences: n }, at[2]);
      };
      const parts = [await part(0, 1), await part(1, 3), await part(3, n)];
      const sum = (of: (from: (typeof parts)[number]) => number): number => parts.reduce((s, p) => s + of(p), 0);
      expect(maxError([sum(({ loss }) => loss)], [whole.loss], float32)).toBeLessThanOrEqual(1);
      for (const name of Object.keys(whole.metrics).filter((key) => key.endsWith('/loss'))) {
        const total = sum(({ metrics }) => metrics[name] as number);
        expect(maxError([total], [whole.metrics[name] as number], float32)).toBeLessThanOrEqual(1);
      }
      for (const name of ['slopes', 'valueSlopes', 'massSlopes'] as const) {
        const joined = parts.flatMap((p) => [...(p[name] ?? [])]);
        expect(maxError(joined, whole[name] ?? [], float32)).toBeLessThanOrEqual(1);
      }
    });
  });
});

describe('probabilities near 0 and 1', () => {
  const extremes = Float64Array.from([-100, -30, -1e-3, -1e-6, -1e-9, 0, 1e-7], Math.fround);

  test('the loss and its gradient are numbers, from wherever to wherever the policy moves', async () => {
    const pairs = [...extremes].flatMap((from) => [...extremes].map((to) => [from, to] as const));
    const n = pairs.length;
    const fill = (x: number): Float64Array => new Float64Array(n).fill(x);
    const [oldMass, mass] = [0, 1].map((side) => Float64Array.from(pairs, (pair) => pair[side] as number)) as [
      Float64Array,
      Float64Array,
    ];
    for (const direction of ['forward', 'reverse'] as const) {
      const method = binaryPpo({
        invalidReward: -1,
        klCoefficient: 0.1,
        klDirection: direction,
        baseline: 'valueHead',
      });
      const columns = method.prepare({
        labels: Float64Array.from(pairs, (_, i) => i % 2),
        logits: fill(0.3),
        logMass: oldMass,
        refLogits: fill(-0.2),
        refLogMass: oldMass,
        values: fill(0),
        rng: createRng(1),
      });
      const { loss, metrics, slopes, valueSlopes, massSlopes } = await evaluate(
        method,
        columns,
        fill(0.5),
        fill(0.1),
        {},
        mass,
      );
      const numbers = [loss, ...Object.values(metrics), ...slopes, ...(valueSlopes ?? []), ...(massSlopes ?? [])];
      expect(numbers.filter((x) => !Number.isFinite(x))).toEqual([]);
    }
  });

  test('log-probabilities, entropy and divergence keep their digits', async () => {
    await forAllAsync([fc.array(f32(-20, -1e-5), { minLength: 3, maxLength: 3 }), f32(-5, 5)], async (masses, z) => {
      const logits = masses.map((_, i) => Math.fround(z + i));
      const host = logProbsOfActions(logits, masses);
      const invalid = masses.map((x) => Math.log(-Math.expm1(x)));
      const p = threeRows(host).map((row) => row.map(Math.exp));
      expect(
        maxError(
          threeRows(host).map((row) => row[2] as number),
          invalid,
        ),
      ).toBeLessThanOrEqual(1);
      expect(maxError(enumerateActions(logits, masses).data, p.flat())).toBeLessThanOrEqual(1);
      const [logProbs, entropy, kl] = tf.tidy(() => {
        const answers = { logits: tf.tensor1d(logits), logMass: tf.tensor1d(masses) };
        const other = { logits: tf.reverse1d(answers.logits), logMass: tf.reverse1d(answers.logMass) };
        return [answerLogProbs(answers), answerEntropy(answers), answerKl(answers, other)] as const;
      });
      expect(maxError(await logProbs.data(), host.data, float32)).toBeLessThanOrEqual(1);
      const entropies = p.map((row) => -row.reduce((sum, q) => sum + q * Math.log(q), 0));
      expect(maxError(await entropy.data(), entropies, float32)).toBeLessThanOrEqual(1);
      const divergences = p.map((row, i) => divergenceOf(row, p[2 - i] as number[]));
      expect(maxError(await kl.data(), divergences, float32)).toBeLessThanOrEqual(1);
      tf.dispose([logProbs, entropy, kl]);
    });
  });

  test('a certain answer has no invalid part on the host, and a finite logarithm', () => {
    const logits = [0.3, 0.3];
    expect(enumerateActions(logits, [0, 1e-7]).data[2]).toBe(0);
    expect(enumerateActions(logits, [0, 1e-7]).data[5]).toBe(0);
    expect(logProbsOfActions(logits, [0, 1e-7]).data[2]).toBeCloseTo(-25 * Math.LN2, 6);
    expect(() => enumerateActions(logits, [0])).toThrow('enumerateActions: logMass must be of length 2; got length 1');
  });

  test('draws have the shares of their probabilities, and never what cannot be', () => {
    const probabilities = enumerateActions([0.5, -1, 2], [-0.4, -2, 0]);
    const samples = 20_000;
    const counts = sampleActions(probabilities, samples, createRng(2));
    counts.data.forEach((count, i) => {
      const p = probabilities.data[i] as number;
      expect(Math.abs(count - samples * p)).toBeLessThan(4 * Math.sqrt(samples * p * (1 - p)) + 1e-9);
    });
    // Probabilities that add up to less than 1, and a generator that gives the largest number below it.
    const short = gridOf([[0.5, 0.4999, 0]]);
    const rng = { ...createRng(1), uniform: () => 1 - 2 ** -53 };
    expect([...sampleActions(short, 3, rng).data]).toEqual([0, 3, 0]);
  });

  test('every draw keeps its share of the advantage over all three actions', () => {
    forAll([batch, fc.integer()], (examples, seed) => {
      const method = binaryPpo({ actions: 'sample', invalidReward: -1, normalize: 'none' });
      const { weights, advantages } = method.prepare(observationOf(examples, seed));
      threeRows(weights).forEach((row, i) => {
        expect([...row].sort()).toEqual([0, 0, 1]);
        row.forEach((w, a) => {
          if (w === 0) expect(threeRows(advantages)[i]?.[a]).toBe(0);
        });
      });
    });
  });
});

describe('what it asks for', () => {
  const labels = Float64Array.of(0, 1);
  const logits = Float64Array.of(0.5, -0.5);
  const logMass = Float64Array.of(-0.1, -0.2);
  const method = binaryPpo({ invalidReward: -1, klCoefficient: 1 });
  const rng = createRng(1);

  test('log-masses, with those of the reference', () => {
    expect(binaryPpo({ invalidReward: -1 }).observes).toEqual(['logits', 'logMass']);
    expect(method.observes).toEqual(['logits', 'logMass', 'refLogits']);
    expect(() => method.prepare({ labels, logits, rng })).toThrow(
      new StateError('binaryPpo', 'invalidReward needs logMass'),
    );
    expect(() => method.prepare({ labels, logits, logMass: logMass.slice(1), rng })).toThrow(
      'binaryPpo: logMass must be of length 2; got length 1',
    );
    expect(() => method.prepare({ labels, logits, logMass, refLogits: logits, rng })).toThrow(
      new StateError('binaryPpo', 'klCoefficient and invalidReward need refLogMass'),
    );
  });

  test('a policy that gives them to the loss; one that gives them unasked does no harm', async () => {
    const observation = { labels, logits, logMass, refLogits: logits, refLogMass: logMass, rng };
    await expect(evaluate(method, method.prepare(observation), logits)).rejects.toThrow(
      new StateError('binaryPpo', 'invalidReward needs a policy that gives logMass'),
    );
    const two = binaryPpo();
    const columns = two.prepare(observation);
    const unasked = {
      loss: (...[inputs, context]: Parameters<typeof two.loss>) =>
        two.loss({ ...inputs, logMass: inputs.logits }, context),
    };
    expect(await evaluate(unasked, columns, logits)).toEqual(await evaluate(two, columns, logits));
  });

  test.each([0.1, Number.NEGATIVE_INFINITY, Number.NaN])('an invalidReward of %d is refused', (invalidReward) => {
    expect(() => binaryPpo({ invalidReward })).toThrow(
      `binaryPpo: invalidReward must be at most 0 and finite; got ${invalidReward}`,
    );
  });
});
