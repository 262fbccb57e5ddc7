import * as tf from '@tensorflow/tfjs-core';
import { createRng, linear } from '@tsrl/core';
import { tokenMean, valueAndGrads } from '@tsrl/tensor';
import { float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type BinaryCrossEntropyInputs,
  binaryCrossEntropy,
  type EntropyBonusInputs,
  entropyBonus,
  type InputsOf,
  type KlInputs,
  kl,
  type Loss,
  type LossResult,
  objective,
  type PpoClipInputs,
  ppoClip,
  ppoClipEntry,
  scale,
  type TokenInputs,
} from '../src/index.ts';

const number = (x: tf.Scalar | undefined): number => x?.dataSync()[0] as number;

/** A term that is worth what the input says. */
const worth: Loss<{ readonly x: tf.Scalar }> = ({ x }) => ({ loss: tf.clone(x), metrics: { seen: tf.clone(x) } });
const brevity = ({ logProbs, mask }: TokenInputs): LossResult => ({
  loss: tokenMean(tf.square(logProbs), mask),
  metrics: {},
});

describe('the type of an objective', () => {
  test('needs what all its terms need', () => {
    const loss = objective({ policy: ppoClip(), kl: scale(0.1, kl()), entropy: scale(0.01, entropyBonus()), brevity });
    expectTypeOf<Parameters<typeof loss>[0]>().toExtend<PpoClipInputs & KlInputs & EntropyBonusInputs>();
    expectTypeOf<PpoClipInputs & KlInputs & EntropyBonusInputs>().toExtend<Parameters<typeof loss>[0]>();
    // Forgetting refLogProbs, or entropy, does not compile.
    expectTypeOf<PpoClipInputs & EntropyBonusInputs>().not.toExtend<Parameters<typeof loss>[0]>();
    expectTypeOf<PpoClipInputs & KlInputs>().not.toExtend<Parameters<typeof loss>[0]>();
  });

  test('nests, and mixes losses over tokens with losses over examples', () => {
    const inner = objective({ policy: ppoClip(), kl: kl() });
    const outer = objective({ inner, supervised: binaryCrossEntropy() });
    type All = InputsOf<{ inner: typeof inner; supervised: Loss<BinaryCrossEntropyInputs> }>;
    expectTypeOf<Parameters<typeof outer>[0]>().toEqualTypeOf<All>();
    expectTypeOf<PpoClipInputs & KlInputs & BinaryCrossEntropyInputs>().toExtend<All>();
    expectTypeOf<PpoClipInputs & KlInputs>().not.toExtend<All>();
  });

  test('takes no term without the shape of a loss', () => {
    expectTypeOf<{ a: (x: number) => number }>().not.toExtend<Parameters<typeof objective>[0]>();
  });
});

describe('objective', () => {
  test('is the sum of its terms, and so are its metrics `name/loss` of the top level', () => {
    const weights = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 4 });
    forAll([weights, fc.double({ min: -4, max: 4, noNaN: true })], (factors, x) => {
      tf.tidy(() => {
        const nested = objective({ one: worth, two: scale(2, worth) });
        const terms = Object.fromEntries(factors.map((factor, i) => [`term${i}`, scale(factor, nested)]));
        const { loss, metrics } = objective(terms)({ x: tf.scalar(x) });
        const expected = factors.reduce((sum, factor) => sum + 3 * factor * x, 0);
        const tolerance = { absolute: 1e-5, relative: 2e-5 }; // sums of up to four terms of size 48
        expect(maxError([number(loss)], [expected], tolerance)).toBeLessThan(1);
        const top = Object.entries(metrics).filter(([name]) => /^[^/]+\/loss$/.test(name));
        expect(top).toHaveLength(factors.length);
        const sum = top.reduce((total, [, y]) => total + number(y), 0);
        expect(maxError([number(loss)], [sum], tolerance)).toBeLessThan(1);
      });
    });
  });

  test('names what its terms report', () => {
    tf.tidy(() => {
      const { loss, metrics } = objective({ a: worth, b: scale(3, objective({ c: scale(2, worth) })) })({
        x: tf.scalar(5),
      });
      expect(Object.fromEntries(Object.entries(metrics).map(([name, x]) => [name, number(x)]))).toEqual({
        'a/seen': 5,
        'a/loss': 5,
        'b/unscaled': 10,
        'b/c/seen': 5,
        'b/c/unscaled': 5,
        'b/c/loss': 10,
        'b/loss': 30,
      });
      expect(number(loss)).toBe(35);
    });
  });

  test('a metric called loss cannot pass for the term', () => {
    tf.tidy(() => {
      const liar: Loss<object> = () => ({ loss: tf.scalar(1), metrics: { loss: tf.scalar(7) } });
      expect(number(objective({ liar })({}).metrics['liar/loss'])).toBe(1);
    });
  });

  test('keeps its loss and metrics and nothing else', () => {
    const inputs = ppoClipEntry.example({ sequences: 2, tokens: 3 }, createRng(0));
    const before = tf.memory().numTensors;
    const loss = objective({ policy: ppoClip(), kl: scale(0.1, kl()), brevity });
    const result = loss({ ...inputs, refLogProbs: inputs.oldLogProbs });
    const kept = new Set([result.loss, ...Object.values(result.metrics)]);
    expect(tf.memory().numTensors).toBe(before + kept.size);
    tf.dispose([...kept, ...Object.values(inputs)]);
  });

  test('has the gradient of the sum, through valueAndGrads', () => {
    const inputs = ppoClipEntry.example({ sequences: 3, tokens: 4 }, createRng(1));
    const logProbs = tf.variable(inputs.logProbs);
    const gradientOf = (loss: Loss<PpoClipInputs & KlInputs>): Float32Array => {
      const batch = { ...inputs, logProbs: logProbs as unknown as tf.Tensor2D, refLogProbs: inputs.oldLogProbs };
      const { loss: value, metrics, grads } = valueAndGrads(() => loss(batch), [logProbs]);
      const data = Float32Array.from(grads[logProbs.name]?.dataSync() ?? []);
      tf.dispose([value, metrics, grads]);
      return data;
    };
    const policy = gradientOf(ppoClip());
    const penalty = gradientOf(kl());
    const together = gradientOf(objective({ policy: ppoClip(), kl: scale(0.5, kl()) }));
    expect(
      maxError(
        together,
        policy.map((x, i) => x + 0.5 * (penalty[i] as number)),
        float32,
      ),
    ).toBeLessThan(1);
    tf.dispose([logProbs, ...Object.values(inputs)]);
  });

  test('says what is wrong', () => {
    expect(() => objective({})).toThrow('objective: terms must be at least one loss; got {}');
    expect(() => objective({ 'a/b': worth })).toThrow(
      'objective: the name of a term must be not empty and without "/"; got "a/b"',
    );
    expect(() => objective({ '': worth })).toThrow('got ""');
  });
});

describe('scale', () => {
  test('follows a schedule, and needs the step for it', () => {
    tf.tidy(() => {
      const loss = scale(linear(1, 0, 10), worth);
      expect([0, 5, 10, 20].map((step) => number(loss({ x: tf.scalar(4) }, { step }).loss))).toEqual([4, 2, 0, 0]);
      expect(() => loss({ x: tf.scalar(1) })).toThrow(
        'scale: context.step must be given for a weight on a schedule; got undefined',
      );
    });
  });

  test('reports the loss before any weight, through scales of scales', () => {
    tf.tidy(() => {
      const { loss, metrics } = scale(3, scale(2, worth))({ x: tf.scalar(5) });
      expect([number(loss), number(metrics['unscaled'])]).toEqual([30, 5]);
    });
  });

  test('passes the context on', () => {
    tf.tidy(() => {
      const counting: Loss<object> = (_inputs, context) => ({ loss: tf.scalar(context?.tokens ?? 0), metrics: {} });
      expect(number(objective({ term: scale(2, counting) })({}, { tokens: 21 }).loss)).toBe(42);
    });
  });

  test('says what is wrong', () => {
    expect(() => scale(Number.NaN, worth)).toThrow('scale: weight must be finite; got NaN');
    expect(() => scale(Infinity, worth)).toThrow('scale: weight must be finite; got Infinity');
  });
});
