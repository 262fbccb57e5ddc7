import { readFileSync } from 'node:fs';
import { createRng, gridOf, isTsrlError } from '@tsrl/core';
import { finiteDifference, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DenseFeatures,
  type LinearClassifier,
  linearProbabilities,
  logisticRegression,
  type SparseFeatures,
  selectRows,
} from '../src/index.ts';

interface Problem {
  readonly rows: number[][];
  readonly labels: number[];
  readonly weights: number[];
}
/** Multiples of 1/64: exact in float32. */
const entry = fc.integer({ min: -128, max: 128 }).map((k) => k / 64);
const often0 = fc.oneof(fc.constant(0), entry);
const problem: fc.Arbitrary<Problem> = fc.integer({ min: 1, max: 4 }).chain((size) =>
  fc
    .array(fc.tuple(fc.array(often0, { minLength: size, maxLength: size }), fc.nat({ max: 1 }), fc.nat({ max: 4 })), {
      minLength: 2,
      maxLength: 10,
    })
    .map((examples) => ({
      rows: examples.map(([row]) => row),
      // Both classes are there, with a weight each.
      labels: examples.map(([, label], i) => (i < 2 ? i : label)),
      weights: examples.map(([, , weight], i) => (i < 2 ? weight + 1 : weight) / 2),
    })),
);
const strength = fc.constantFrom(0.1, 0.5, 1, 4);
const numbers = ({ weights, bias }: LinearClassifier): number[] => [...weights, bias];
const close = (actual: LinearClassifier, expected: LinearClassifier): void => {
  expect(maxError(numbers(actual), numbers(expected), { absolute: 1e-7, relative: 1e-7 })).toBeLessThanOrEqual(1);
};

function sparse(rows: readonly (readonly number[])[]): SparseFeatures {
  const entries = rows.map((row) => row.flatMap((value, j) => (value === 0 ? [] : [[j, value] as const])));
  const starts = [0];
  for (const row of entries) starts.push((starts.at(-1) as number) + row.length);
  return {
    starts: Int32Array.from(starts),
    indices: Int32Array.from(entries.flat(), ([j]) => j),
    values: Float64Array.from(entries.flat(), ([, value]) => value),
    rows: rows.length,
    columns: rows[0]?.length ?? 0,
  };
}

/** F(w, b), as it stands in the doc comment; the last entry of x is b. */
const objective =
  ({ rows, labels, weights }: Problem, C: number) =>
  (x: ArrayLike<number>): number => {
    const size = x.length - 1;
    let sum = 0;
    for (let j = 0; j < size; j++) sum += (x[j] as number) ** 2 / 2;
    rows.forEach((row, i) => {
      let z = x[size] as number;
      for (let j = 0; j < size; j++) z += (row[j] as number) * (x[j] as number);
      const y = labels[i] === 1 ? 1 : -1;
      sum += C * (weights[i] as number) * Math.log1p(Math.exp(-y * z));
    });
    return sum;
  };

/** Plain gradient descent, with steps short enough for any curvature of F. */
function gradientDescent({ rows, labels, weights }: Problem, C: number): LinearClassifier {
  const size = rows[0]?.length as number;
  const w = new Array<number>(size).fill(0);
  let b = 0;
  let bound = 1;
  rows.forEach((row, i) => {
    bound += (C * (weights[i] as number) * (1 + row.reduce((sum, e) => sum + e * e, 0))) / 4;
  });
  for (let step = 0; step < 200_000; step++) {
    const gradient = w.slice();
    let slope = 0;
    rows.forEach((row, i) => {
      const z = row.reduce((sum, e, j) => sum + e * (w[j] as number), b);
      const pull = C * (weights[i] as number) * (1 / (1 + Math.exp(-z)) - (labels[i] as number));
      row.forEach((e, j) => {
        gradient[j]! += pull * e;
      });
      slope += pull;
    });
    gradient.forEach((g, j) => {
      w[j]! -= g / bound;
    });
    b -= slope / bound;
    if (Math.hypot(slope, ...gradient) < 1e-11) break;
  }
  return { weights: Float64Array.from(w), bias: b };
}

describe('the minimum', () => {
  test('of plain gradient descent', () => {
    forAll(
      [problem, strength],
      (data, C) => {
        const features = gridOf(data.rows);
        const fit = logisticRegression({ ...data, features }, { inverseRegularization: C });
        close(fit, gradientDescent(data, C));
      },
      { runs: 10 },
    );
  });

  test('has no slope and is below every point around it; dense, sparse and float32 alike', () => {
    const around = fc.array(often0, { minLength: 5, maxLength: 5 }); // not so near that F has no digits for it
    forAll([problem, strength, around], (data, C, offsets) => {
      const grid = gridOf(data.rows);
      const { labels, weights } = data;
      const fit = logisticRegression({ features: grid, labels, weights }, { inverseRegularization: C });
      const f = objective(data, C);
      const at = numbers(fit);
      // The differences of F have ten digits.
      expect(
        maxError(finiteDifference(f, at), new Float64Array(at.length), { absolute: 1e-7, relative: 0 }),
      ).toBeLessThan(1);
      expect(f(at.map((x, j) => x + (offsets[j] as number)))).toBeGreaterThanOrEqual(f(at));
      const single = { ...grid, data: Float32Array.from(grid.data) };
      for (const features of [sparse(data.rows), single]) {
        close(logisticRegression({ features, labels, weights }, { inverseRegularization: C }), fit);
      }
    });
  });

  test('is sharp: at the default tolerance the gradient is 1e-10 of that at 0', () => {
    const rng = createRng(4);
    const rows = Array.from({ length: 300 }, () => Array.from({ length: 40 }, () => rng.normal()));
    const labels = rows.map((row) => ((row[0] as number) + rng.normal() > 0 ? 1 : 0));
    const slope = ({ weights, bias }: LinearClassifier): number => {
      const p = rows.map(
        (row) => 1 / (1 + Math.exp(-row.reduce((sum, e, j) => sum + e * (weights[j] as number), bias))),
      );
      const parts = Array.from(weights, (w, j) =>
        rows.reduce((sum, row, i) => sum + ((p[i] as number) - (labels[i] as number)) * (row[j] as number), w),
      );
      return Math.hypot(
        ...parts,
        p.reduce((sum, q, i) => sum + q - (labels[i] as number), 0),
      );
    };
    const start = slope({ weights: new Float64Array(40), bias: 0 });
    const features = gridOf(rows);
    expect(slope(logisticRegression({ features, labels }))).toBeLessThan(1.1e-10 * start);
    const coarse = slope(logisticRegression({ features, labels }, { tolerance: 1e-2 }));
    expect(coarse).toBeLessThan(1e-2 * start);
    expect(coarse).toBeGreaterThan(1e-7 * start);
  });
});

describe('laws', () => {
  const fitOf = ({ rows, labels, weights }: Problem, inverseRegularization: number): LinearClassifier =>
    logisticRegression({ features: gridOf(rows), labels, weights }, { inverseRegularization });

  test('a constant feature gets weight 0 and changes nothing: the free bias does its work', () => {
    forAll([problem, strength, entry], (data, C, constant) => {
      const { weights, bias } = fitOf({ ...data, rows: data.rows.map((row) => [...row, constant]) }, C);
      expect(Math.abs(weights.at(-1) as number)).toBeLessThan(1e-8);
      close({ weights: weights.slice(0, -1), bias }, fitOf(data, C));
    });
  });

  test('shifted features move the bias alone', () => {
    forAll([problem, strength, entry], (data, C, by) => {
      const { weights, bias } = fitOf(data, C);
      const shifted = fitOf({ ...data, rows: data.rows.map((row) => row.map((e) => e + by)) }, C);
      close(shifted, { weights, bias: bias - by * weights.reduce((a, b) => a + b) });
    });
  });

  test('twice the data is twice C, or twice the weights; weight 0 is not there', () => {
    forAll([problem, strength], (data, C) => {
      const double = fitOf(data, 2 * C);
      close(fitOf({ ...data, weights: data.weights.map((c) => 2 * c) }, C), double);
      const { rows, labels, weights } = data;
      const copies = { rows: [...rows, ...rows], labels: [...labels, ...labels], weights: [...weights, ...weights] };
      close(fitOf(copies, C), double);
      const rest = [...labels.keys()].filter((i) => weights[i] !== 0);
      const pick = <T>(values: readonly T[]): T[] => rest.map((i) => values[i] as T);
      close(fitOf({ rows: pick(rows), labels: pick(labels), weights: pick(weights) }, 2 * C), double);
    });
  });

  test('the order of examples and of features does not matter; other labels, other signs', () => {
    forAll([problem, strength], (data, C) => {
      const fit = fitOf(data, C);
      const { rows, labels, weights } = data;
      close(fitOf({ rows: rows.toReversed(), labels: labels.toReversed(), weights: weights.toReversed() }, C), fit);
      const mirror = fitOf({ ...data, rows: rows.map((row) => row.toReversed()) }, C);
      close({ ...mirror, weights: mirror.weights.toReversed() }, fit);
      const other = fitOf({ ...data, labels: labels.map((y) => 1 - y) }, C);
      close({ weights: other.weights.map((w) => -w), bias: -other.bias }, fit);
    });
  });

  test('balanced: both classes weigh half, and the probabilities of each miss by as much', () => {
    forAll([problem, strength], ({ rows, labels, weights }, C) => {
      const features = gridOf(rows);
      const total = weights.reduce((a, b) => a + b);
      const ofClass = [0, 1].map((y) => weights.reduce((sum, c, i) => sum + (labels[i] === y ? c : 0), 0));
      const explicit = weights.map((c, i) => (c * total) / (2 * (ofClass[labels[i] as number] as number)));
      const fit = logisticRegression(
        { features, labels, weights },
        { inverseRegularization: C, classWeights: 'balanced' },
      );
      close(fit, logisticRegression({ features, labels, weights: explicit }, { inverseRegularization: C }));
      const p = linearProbabilities(fit, features);
      const pull = explicit.reduce((sum, c, i) => sum + c * ((p[i] as number) - (labels[i] as number)), 0);
      expect(Math.abs(pull)).toBeLessThan(1e-8);
    });
  });

  test('the more the data weighs, the longer the weights', () => {
    forAll([problem], (data) => {
      const norms = [0.01, 0.1, 1, 10].map((C) => Math.hypot(...fitOf(data, C).weights));
      norms.slice(1).forEach((norm, k) => {
        expect(norm).toBeGreaterThanOrEqual((norms[k] as number) - 1e-9);
      });
    });
  });
});

describe('linearProbabilities', () => {
  test('sigmoid(w·x + b), dense and sparse, also far out', () => {
    const classifier = { weights: Float64Array.of(2, 0, -1, 0.5, 3), bias: 0.25 };
    const rows = [
      [1, 5, 0, 0, 0],
      [0, 0, 0, 0, 0],
      [-1000, 1, 1, 1, 1],
      [0, 0, -900, 2, 0],
      [0.25, 0, 1, 0, 0.5],
    ];
    const logits = rows.map((row) => row.reduce((sum, e, j) => sum + e * (classifier.weights[j] as number), 0.25));
    const expected = logits.map((z) => 1 / (1 + Math.exp(-z)));
    for (const features of [gridOf(rows), sparse(rows), { ...gridOf(rows), data: Float32Array.from(rows.flat()) }]) {
      const p = linearProbabilities(classifier, features);
      expect(maxError(p, expected, { absolute: 1e-300, relative: 1e-15 })).toBeLessThanOrEqual(1);
    }
  });
});

describe('selectRows', () => {
  test('rows in the order of the positions, also twice; dense and sparse alike', () => {
    const data = fc
      .integer({ min: 1, max: 4 })
      .chain((columns) =>
        fc.array(fc.array(often0, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 6 }),
      );
    forAll([data, fc.array(fc.nat({ max: 99 }), { maxLength: 8 })], (rows, draws) => {
      const positions = draws.map((k) => k % rows.length);
      const columns = rows[0]?.length as number;
      const expected = positions.map((i) => rows[i] as number[]);
      const single = { data: Float32Array.from(rows.flat()), rows: rows.length, columns };
      for (const dense of [gridOf(rows), single]) {
        const selected = { data: Float64Array.from(expected.flat()), rows: expected.length, columns };
        expect(selectRows(dense, positions)).toEqual(selected);
      }
      expect(selectRows(sparse(rows), Int32Array.from(positions))).toEqual({ ...sparse(expected), columns });
    });
  });
});

const fixture = JSON.parse(readFileSync(new URL('fixtures/scikit-learn.json', import.meta.url), 'utf8')) as {
  texts: string[];
  labels: number[];
  newTexts: string[];
  sampleWeights: number[];
  tfIdf: { oneAndTwo: { terms: string[]; rows: Record<string, number>[]; new: Record<string, number>[] } };
  fits: Record<'plain' | 'balancedC10' | 'weightedC03', { weights: number[]; bias: number; probabilities: number[] }>;
};

describe('scikit-learn 1.9.1 (fixtures/scikit-learn.py)', () => {
  const { labels, sampleWeights, fits, tfIdf } = fixture;
  const rowsOf = (rows: readonly Record<string, number>[]): number[][] =>
    rows.map((row) => tfIdf.oneAndTwo.terms.map((term) => row[term] ?? 0));
  test.each([
    ['plain', undefined, {}],
    ['balancedC10', undefined, { inverseRegularization: 10, classWeights: 'balanced' }],
    ['weightedC03', sampleWeights, { inverseRegularization: 0.3 }],
  ] as const)('%s', (name, weights, options) => {
    const features = sparse(rowsOf(tfIdf.oneAndTwo.rows));
    const fit = logisticRegression({ features, labels, ...(weights && { weights }) }, options);
    const expected = fits[name];
    expect(maxError(numbers(fit), [...expected.weights, expected.bias])).toBeLessThanOrEqual(1);
    const probabilities = linearProbabilities(fit, gridOf(rowsOf(tfIdf.oneAndTwo.new)));
    expect(maxError(probabilities, expected.probabilities)).toBeLessThanOrEqual(1);
  });
});

describe('errors', () => {
  const two = gridOf([[1], [2]]);
  const labels = [0, 1];
  const holes = {
    ...sparse([
      [1, 0],
      [0, 2],
    ]),
    indices: Int32Array.of(0, 2),
  };
  const short = {
    ...sparse([
      [1, 0],
      [0, 2],
    ]),
    starts: Int32Array.of(0, 2),
  };
  const falling = {
    ...sparse([
      [1, 0],
      [0, 2],
      [0, 0],
    ]),
    starts: Int32Array.of(0, 3, 1, 2),
  };
  const wild: DenseFeatures = { rows: 2, columns: 2, data: Float32Array.of(1, 2, 3, Number.POSITIVE_INFINITY) };
  const classifier = { weights: Float64Array.of(1), bias: 0 };
  test.each([
    [
      'option',
      () => logisticRegression({ features: two, labels }, { inverseRegularization: 0 }),
      'logisticRegression: inverseRegularization must be positive and finite; got 0',
    ],
    ['option', () => logisticRegression({ features: two, labels }, { inverseRegularization: Number.NaN }), 'got NaN'],
    [
      'option',
      () => logisticRegression({ features: two, labels }, { classWeights: 'even' as 'none' }),
      "logisticRegression: classWeights must be 'none' or 'balanced'; got \"even\"",
    ],
    [
      'option',
      () => logisticRegression({ features: two, labels }, { tolerance: 0 }),
      'logisticRegression: tolerance must be between 0 and 1; got 0',
    ],
    [
      'shape',
      () => logisticRegression({ features: two, labels: [1] }),
      'logisticRegression: labels must be of length 2; got length 1',
    ],
    [
      'shape',
      () => logisticRegression({ features: two, labels, weights: [1] }),
      'logisticRegression: weights must be of length 2; got length 1',
    ],
    [
      'shape',
      () => logisticRegression({ features: { ...two, rows: 3 }, labels }),
      'logisticRegression: features must be [3, 1] = 3 numbers; got 2 numbers',
    ],
    [
      'shape',
      () => logisticRegression({ features: short, labels }),
      'logisticRegression: features must be sparse rows [2, 2]: 3 starts from 0 to the end; got 2 starts, 2 indices and 2 values',
    ],
    ['shape', () => logisticRegression({ features: falling, labels }), '4 starts from 0 to the end; got 4 starts'],
    [
      'shape',
      () => logisticRegression({ features: holes, labels }),
      'logisticRegression: every index must be a column of [2, 2]; got 2',
    ],
    [
      'data',
      () => logisticRegression({ features: two, labels: [0, 2] }),
      'logisticRegression: labels[1] must be 0 or 1; got 2',
    ],
    [
      'data',
      () => logisticRegression({ features: two, labels: [1, 1] }),
      'logisticRegression: examples of both classes are needed; none of the 2 is of class 0',
    ],
    ['data', () => logisticRegression({ features: gridOf([]), labels: [] }), 'none of the 0 is of class 0'],
    [
      'data',
      () => logisticRegression({ features: two, labels, weights: [1, 0] }),
      'none of the 2 is of class 1 with a weight above 0',
    ],
    [
      'data',
      () => logisticRegression({ features: two, labels, weights: [1, -1] }),
      'logisticRegression: weights[1] must be finite and at least 0; got -1',
    ],
    [
      'data',
      () =>
        logisticRegression({
          features: gridOf([
            [1, 2],
            [Number.NaN, 0],
          ]),
          labels,
        }),
      'logisticRegression: features must be finite; got NaN in row 1, column 0',
    ],
    [
      'data',
      () => logisticRegression({ features: wild, labels }),
      'features must be finite; got Infinity in row 1, column 1',
    ],
    [
      'data',
      () =>
        logisticRegression({
          features: sparse([
            [0, 0, 1],
            [0, Number.NaN, 0],
          ]),
          labels,
        }),
      'features must be finite; got NaN in row 1, column 1',
    ],
    [
      'divergence',
      () => logisticRegression({ features: gridOf([[1e200], [-1e200]]), labels }),
      'logisticRegression: no minimum was found within 100 Newton steps; scale the points down',
    ],
    [
      'shape',
      () => linearProbabilities(classifier, gridOf([[1, 2]])),
      'linearProbabilities: features must be [N, 1]; got [1, 2]',
    ],
    [
      'shape',
      () => linearProbabilities(classifier, { ...two, rows: 1 }),
      'linearProbabilities: features must be [1, 1] = 1 numbers; got 2 numbers',
    ],
    [
      'data',
      () => linearProbabilities(classifier, gridOf([[Number.NaN]])),
      'linearProbabilities: features must be finite; got NaN in row 0, column 0',
    ],
    ['data', () => selectRows(two, [0, 2]), 'selectRows: positions[1] must be a row from 0 to 1; got 2'],
    ['data', () => selectRows(two, [0.5]), 'selectRows: positions[0] must be a row from 0 to 1; got 0.5'],
    [
      'shape',
      () => selectRows({ ...two, rows: 3 }, [0]),
      'selectRows: features must be [3, 1] = 3 numbers; got 2 numbers',
    ],
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
