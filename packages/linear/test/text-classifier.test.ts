import { readFileSync } from 'node:fs';
import { createRng, gridOf, isTsrlError, permutation } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fitTextClassifier,
  linearProbabilities,
  logisticRegression,
  outOfFoldProbabilities,
  selectRows,
  type TextClassifierModel,
  textClassifier,
} from '../src/index.ts';

const fixture = JSON.parse(readFileSync(new URL('fixtures/scikit-learn.json', import.meta.url), 'utf8')) as {
  texts: string[];
  labels: number[];
  newTexts: string[];
  fits: Record<'plain' | 'balancedC10', { bias: number; probabilities: number[] }>;
};
const { texts, labels, newTexts, fits } = fixture;

describe('fitTextClassifier, textClassifier', () => {
  test.each([
    ['plain', {}],
    ['balancedC10', { inverseRegularization: 10, classWeights: 'balanced' }],
  ] as const)('scikit-learn 1.9.1 (fixtures/scikit-learn.py): %s, before and after JSON', (name, options) => {
    const model = fitTextClassifier({ texts, labels }, options);
    expect(Math.abs(model.bias - fits[name].bias)).toBeLessThan(1e-9);
    for (const read of [model, JSON.parse(JSON.stringify(model)) as TextClassifierModel]) {
      expect(maxError(textClassifier(read)(newTexts), fits[name].probabilities)).toBeLessThanOrEqual(1);
    }
  });

  test('a text without a known word gets sigmoid(bias)', () => {
    const model = fitTextClassifier({ texts, labels });
    expect(textClassifier(model)(['', 'zzz'])[1]).toBeCloseTo(1 / (1 + Math.exp(-model.bias)), 15);
  });

  test('the options of both parts arrive', () => {
    const model = fitTextClassifier({ texts, labels }, { ngramRange: [1, 1], sublinear: false });
    expect(model.tfIdf).toMatchObject({ ngramRange: [1, 1], sublinear: false });
    expect(() => fitTextClassifier({ texts, labels }, { inverseRegularization: -1 })).toThrow('got -1');
  });
});

describe('outOfFoldProbabilities', () => {
  const folding = fc
    .tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 0, max: 20 }), fc.integer())
    .map(([count, more, seed]) => {
      const order = permutation(count + more, createRng(seed));
      return Int32Array.from(order, (at) => at % count);
    });

  test('every example once, by the fit that has all others but those of its fold, in order', () => {
    forAll([folding], (folds) => {
      const seen: number[] = [];
      const probabilities = outOfFoldProbabilities({
        folds,
        fit: (train) => (heldOut) => {
          const fold = folds[heldOut[0] as number];
          const all = [...folds.keys()];
          expect([...heldOut]).toEqual(all.filter((i) => folds[i] === fold));
          expect([...train]).toEqual(all.filter((i) => folds[i] !== fold));
          seen.push(fold as number);
          return heldOut.map((i) => i).length === 0 ? [] : Array.from(heldOut, (i) => i / folds.length);
        },
      });
      expect([...probabilities]).toEqual(Array.from(folds, (_, i) => i / folds.length));
      expect(seen).toEqual([...new Set(folds)].sort((a, b) => a - b));
    });
  });

  test('a model that learns its labels by heart knows nothing of those held out', () => {
    const known = Int32Array.from({ length: 40 }, (_, i) => i % 2);
    const probabilities = outOfFoldProbabilities({
      folds: known.map((_, i) => Math.floor(i / 10)),
      fit: (train) => {
        const memory = new Map(Array.from(train, (i) => [i, known[i] as number]));
        return (heldOut) => Float64Array.from(heldOut, (i) => memory.get(i) ?? 0.5);
      },
    });
    expect([...probabilities]).toEqual(Array<number>(40).fill(0.5));
  });

  test('texts and vectors', () => {
    const folds = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0];
    const pick = <T>(values: readonly T[], positions: Int32Array): T[] => Array.from(positions, (i) => values[i] as T);
    const ofTexts = outOfFoldProbabilities({
      folds,
      fit: (train) => {
        const classify = textClassifier(fitTextClassifier({ texts: pick(texts, train), labels: pick(labels, train) }));
        return (heldOut) => classify(pick(texts, heldOut));
      },
    });
    const odd = [1, 3, 5, 7, 9, 10].map((i) => texts[i] as string);
    const even = [0, 2, 4, 6, 8, 11];
    const model = fitTextClassifier({
      texts: even.map((i) => texts[i] as string),
      labels: even.map((i) => labels[i] as number),
    });
    expect([1, 3, 5, 7, 9, 10].map((i) => ofTexts[i])).toEqual([...textClassifier(model)(odd)]);

    const rng = createRng(1);
    const features = gridOf(labels.map((label) => [label + rng.normal(), rng.normal()]));
    const ofVectors = outOfFoldProbabilities({
      folds,
      fit: (train) => {
        const fit = logisticRegression({ features: selectRows(features, train), labels: pick(labels, train) });
        return (heldOut) => linearProbabilities(fit, selectRows(features, heldOut));
      },
    });
    expect(ofVectors.every((p) => p > 0 && p < 1)).toBe(true);
  });
});

describe('errors', () => {
  const model = fitTextClassifier({ texts, labels });
  const constant = () => (heldOut: Int32Array) => Array.from(heldOut, () => 0.5);
  test.each([
    [
      'shape',
      () => fitTextClassifier({ texts, labels: [1] }),
      'fitTextClassifier: labels must be of length 12; got length 1',
    ],
    [
      'data',
      () => fitTextClassifier({ texts: ['tea', 'boat'], labels: [1, 1] }),
      'logisticRegression: examples of both classes are needed; none of the 2 is of class 0',
    ],
    [
      'state',
      () => textClassifier({ ...model, weights: [1] }),
      `textClassifier: the model must have a finite weight for each of its ${model.weights.length} terms`,
    ],
    [
      'state',
      () => textClassifier({ ...model, bias: Number.NaN }),
      'textClassifier: the model must have a finite weight',
    ],
    [
      'option',
      () => outOfFoldProbabilities({ folds: [0, 0, 0], fit: constant }),
      'outOfFoldProbabilities: folds must be at least two; got 1',
    ],
    [
      'option',
      () => outOfFoldProbabilities({ folds: [], fit: constant }),
      'outOfFoldProbabilities: folds must be at least two; got 0',
    ],
    [
      'option',
      () => outOfFoldProbabilities({ folds: [0, 2, 0], fit: constant }),
      'outOfFoldProbabilities: folds must be without a gap from 0 to 2; got "no 1"',
    ],
    [
      'option',
      () => outOfFoldProbabilities({ folds: [0, -1], fit: constant }),
      'outOfFoldProbabilities: folds[1] must be a whole number from 0 to 1; got -1',
    ],
    [
      'option',
      () => outOfFoldProbabilities({ folds: [0, 0.5], fit: constant }),
      'folds[1] must be a whole number from 0 to 1; got 0.5',
    ],
    [
      'shape',
      () => outOfFoldProbabilities({ folds: [0, 1], fit: () => () => [] }),
      'outOfFoldProbabilities: the probabilities of fold 0 must be of length 1; got length 0',
    ],
    [
      'data',
      () => outOfFoldProbabilities({ folds: [0, 1], fit: () => () => [1.5] }),
      'outOfFoldProbabilities: the probability of example 0 must be in [0, 1]; got 1.5',
    ],
    ['data', () => outOfFoldProbabilities({ folds: [0, 1], fit: () => () => [Number.NaN] }), 'got NaN'],
  ] as const)('%s, case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toContain(message);
  });
});
