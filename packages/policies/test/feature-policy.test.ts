import * as tf from '@tensorflow/tfjs-core';
import { createRng, DataError, type Rng, ShapeError, StateError } from '@tsrl/core';
import { type BinaryScores, valueAndGrads } from '@tsrl/tensor';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type FeaturePolicyOptions,
  type Features,
  featurePolicy,
  headPolicy,
  headWeights,
  sequenceFeatures,
  textFeatures,
  tiny,
} from '../src/index.ts';
import { toBatch } from './small.ts';

const draw = (rng: Rng, rows: number, columns: number): Features => ({
  data: Float32Array.from({ length: rows * columns }, () => rng.normal()),
  rows,
  columns,
});
const filled = (rng: Rng) => (_: string, shape: readonly number[]) =>
  Float32Array.from({ length: shape[0]! * (shape[1] ?? 1) }, () => rng.normal());

type Weights = Record<string, ArrayLike<number>>;

/** z and V of the chosen rows in float64. */
function oracle({ data, columns }: Features, weights: Weights, chosen: readonly number[], name: string): number[] {
  return chosen.map((row) => {
    let sum = weights[`${name}.bias`]![0]!;
    for (let i = 0; i < columns; i++) sum += weights[`${name}.weight`]![i]! * data[row * columns + i]!;
    return sum;
  });
}

/** Σ cᵢ zᵢ + ½ zᵢ² + ½ Vᵢ² − cᵢ Vᵢ */
const oracleLoss = (z: readonly number[], v: readonly number[], c: readonly number[]): number =>
  z.reduce((sum, zi, i) => sum + c[i]! * zi + zi ** 2 / 2 + v[i]! ** 2 / 2 - c[i]! * v[i]!, 0);
const loss = ({ logits, values }: BinaryScores, c: readonly number[]): tf.Scalar =>
  tf.sum(
    tf.addN([
      tf.mul(logits, [...c]),
      tf.mul(0.5, tf.square(logits)),
      tf.mul(0.5, tf.square(values!)),
      tf.neg(tf.mul(values!, [...c])),
    ]),
  );

test('scores and gradients of any rows, in any order, some of them twice, are those of the oracle', async () => {
  await forAllAsync(
    [
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 7 }),
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 6 }),
      fc.nat(),
    ],
    async (rows, columns, picks, seed) => {
      const rng = createRng(seed);
      const features = draw(rng.fork('features'), rows, columns);
      const policy = featurePolicy(features, { valueHead: true, weights: filled(rng.fork('head')) });
      const chosen = picks.map((pick) => pick % rows);
      const c = chosen.map(() => rng.normal());
      const base: Record<string, Float64Array> = {};
      for (const [name, variable] of policy.head) base[name] = Float64Array.from(await variable.data());
      const batch = toBatch(chosen.map(policy.encode));
      const scores = policy.score(batch, { values: true });
      const [z, v] = [oracle(features, base, chosen, 'score'), oracle(features, base, chosen, 'value')];

      // What float32 rounds: every product and sum by its own size, as many times as there are of them.
      const sizes: Features = { ...features, data: features.data.map(Math.abs) };
      const absolutes = Object.fromEntries(Object.entries(base).map(([name, x]) => [name, x.map(Math.abs)]));
      const reach = ['score', 'value'].map((name) => Math.max(...oracle(sizes, absolutes, chosen, name)));
      const rounding = (terms: number, largest: number) => ({
        absolute: 1e-6 + terms * 2 ** -23 * largest,
        relative: 2e-5,
      });
      const ofScores = rounding(columns + 1, Math.max(...reach));
      expect(maxError(await scores.logits.data(), z, ofScores)).toBeLessThanOrEqual(1);
      expect(maxError(await scores.values!.data(), v, ofScores)).toBeLessThanOrEqual(1);

      const { loss: value, grads } = valueAndGrads(
        () => ({ loss: loss(policy.score(batch, { values: true }), c), metrics: {} }),
        policy.variables,
      );
      expect(Object.keys(grads)).toEqual(['score.weight', 'score.bias', 'value.weight', 'value.bias']);
      const largest = (Math.max(...reach) + Math.max(...c.map(Math.abs))) * chosen.length * Math.max(1, ...sizes.data);
      for (const [name, grad] of Object.entries(grads)) {
        const expected = finiteDifference((x) => {
          const moved = { ...base, [name]: x };
          return oracleLoss(oracle(features, moved, chosen, 'score'), oracle(features, moved, chosen, 'value'), c);
        }, base[name]!);
        const bound = rounding(columns + 1 + chosen.length, largest);
        expect(maxError(await grad.data(), expected, bound), name).toBeLessThanOrEqual(1);
      }
      tf.dispose([{ ...scores }, value, grads, batch.ids, batch.lengths] as tf.TensorContainer);
      policy.dispose();
    },
  );
});

describe('a head over features and on the model that gave them', () => {
  const texts = ['win a free prize now', 'call me when you are home', 'free cash, call now', 'see you at home, ok?'];

  test('say the same, when one starts from the other', async () => {
    const language = tiny({ texts, hiddenSize: 16, layers: 1, vocabularySize: 300 }, createRng(1));
    const data = await textFeatures(language, texts, { maxLength: 8 });
    const features: Features = { data, rows: texts.length, columns: 16 };
    const options: FeaturePolicyOptions = { rng: createRng(3), valueHead: true, bias: 0.4 };
    const learned = featurePolicy(features, options);
    const rows = toBatch(texts.map((_, row) => learned.encode(row)));
    const step = (): void => {
      const { loss: value, grads } = valueAndGrads(
        () => ({ loss: loss(learned.score(rows, { values: true }), [3, -4, 2, -1]), metrics: {} }),
        learned.variables,
      );
      for (const variable of learned.variables) {
        const moved = tf.tidy(() => tf.sub(variable, tf.mul(0.02, grads[variable.name]!)));
        variable.assign(moved);
        moved.dispose();
      }
      tf.dispose([value, grads] as tf.TensorContainer);
    };
    for (let i = 0; i < 5; i++) step();

    const policy = headPolicy(language, {
      trainable: 'head',
      valueHead: true,
      scope: 'model/',
      weights: await headWeights(learned),
    });
    const batch = toBatch(texts.map((text) => policy.encode(text, 8)));
    const [here, there] = [learned.score(rows, { values: true }), policy.score(batch, { values: true })];
    expect([...policy.head.keys()]).toEqual([...learned.head.keys()]);
    const z = await there.logits.data();
    expect(Math.max(...z.map(Math.abs))).toBeGreaterThan(0.5);
    expect(maxError(await here.logits.data(), Array.from(z), float32)).toBeLessThanOrEqual(1);
    expect(maxError(await here.values!.data(), Array.from(await there.values!.data()), float32)).toBeLessThanOrEqual(1);

    // And back: the head of a model goes on over its features.
    const again = featurePolicy(features, { valueHead: true, scope: 'again/', weights: await headWeights(policy) });
    const third = again.score(rows);
    expect(await third.logits.data()).toEqual(await here.logits.data());
    expect(again.variables.map(({ name }) => name)).toContain('again/score.weight');
    tf.dispose([{ ...here }, { ...there }, third.logits, rows.ids, rows.lengths, batch.ids, batch.lengths]);
    again.dispose();
    policy.dispose();

    const plain = featurePolicy(features, { scope: 'plain/' });
    const source = await headWeights(plain);
    plain.dispose();
    learned.dispose();
    const before = tf.memory().numTensors;
    expect(() => headPolicy(language, { valueHead: true, weights: source })).toThrow(
      new StateError('headWeights', 'there is no value.weight among ["score.weight","score.bias"]'),
    );
    expect(tf.memory().numTensors).toBe(before);
    language.model.dispose();
  });

  test('sequenceFeatures of what a policy encodes are textFeatures', async () => {
    const language = tiny({ texts, hiddenSize: 16, layers: 1, vocabularySize: 300 }, createRng(1));
    const policy = headPolicy(language);
    const sequences = texts.map((text) => policy.encode(text, 6));
    const seen: number[] = [];
    const features = await sequenceFeatures(language, sequences, { batchSize: 3, onProgress: (n) => seen.push(n) });
    expect(features).toEqual(await textFeatures(language, texts, { maxLength: 6, batchSize: 3 }));
    expect(seen).toEqual([3, 4]);
    expect(await sequenceFeatures(language, [])).toHaveLength(0);
    const before = tf.memory().numTensors;
    await expect(sequenceFeatures(language, [sequences[0]!, new Int32Array()])).rejects.toThrow(
      new ShapeError('sequenceFeatures', 'sequence 1', 'at least one token', 'none'),
    );
    await expect(sequenceFeatures(language, [new Int32Array(513)])).rejects.toThrow('at most 512 tokens long');
    await expect(sequenceFeatures(language, sequences, { batchSize: 1.5 })).rejects.toThrow(
      'sequenceFeatures: batchSize must be a positive integer; got 1.5',
    );
    expect(tf.memory().numTensors).toBe(before);
    policy.dispose();
    language.model.dispose();
  });
});

describe('what featurePolicy refuses', () => {
  const features: Features = { data: Float32Array.of(1, 2, 3, 4, 5, 6), rows: 3, columns: 2 };

  test('features that are no matrix of numbers, and options out of range', () => {
    const before = tf.memory().numTensors;
    expect(() => featurePolicy({ ...features, rows: 2 })).toThrow(
      new ShapeError('featurePolicy', 'features', '[2, 2], both at least 1', '6 numbers'),
    );
    expect(() => featurePolicy({ data: new Float32Array(), rows: 0, columns: 2 })).toThrow('both at least 1');
    const data = Float32Array.of(1, 2, 3, 4, Number.NaN, 6);
    expect(() => featurePolicy({ ...features, data })).toThrow(
      new DataError('featurePolicy', 'row 2 of the features has NaN in it'),
    );
    expect(() => featurePolicy(features, { bias: Infinity })).toThrow(
      'featurePolicy: bias must be finite; got Infinity',
    );
    const policy = featurePolicy(features, { bias: -0.5 });
    expect(() => featurePolicy(features)).toThrow('a variable named score.weight exists already');
    policy.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a number that is no row', async () => {
    const policy = featurePolicy(features, { bias: -0.5 });
    expect([...policy.encode(2)]).toEqual([2]);
    for (const row of [-1, 3, 0.5, Number.NaN]) {
      expect(() => policy.encode(row)).toThrow(`featurePolicy: row must be an integer from 0 to 2; got ${row}`);
    }
    for (const row of [-1, 3]) {
      const batch = toBatch([[0], [row]]);
      const before = tf.memory().numTensors;
      expect(() => policy.score(batch)).toThrow(DataError);
      expect(() => policy.score(batch)).toThrow(
        `featurePolicy: a text must be the number of one of 3 rows: GatherV2: the index value ${row} is not in [0, 2]`,
      );
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([batch.ids, batch.lengths]);
    }
    const long = toBatch([[0, 1]]);
    expect(() => policy.score(long)).toThrow(
      new ShapeError('featurePolicy', 'ids', 'int32 [B, 1], the row of each text', 'int32 [1,2]'),
    );
    const batch = toBatch([[0], [2]]);
    expect(() => policy.score(batch, { values: true })).toThrow(
      'featurePolicy: valueHead must be true when values are asked for; got false',
    );
    const { logits } = policy.score(batch); // a fresh head is 0
    expect([...(await logits.data())]).toEqual([-0.5, -0.5]);
    tf.dispose([logits, batch.ids, batch.lengths, long.ids, long.lengths]);
    policy.dispose();
  });
});
