import { createRng } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BinaryLabel,
  balanceBeliefs,
  balancedIndices,
  classCounts,
  flipLabels,
  sharedIndices,
  shuffledIndices,
  stratifiedFolds,
  stratifiedSplit,
  subsampleToImbalance,
} from '../src/index.ts';

interface Numbered {
  readonly text: string;
  readonly label: BinaryLabel;
  readonly id: number;
}
const numbered = (labels: readonly BinaryLabel[]): Numbered[] =>
  labels.map((label, id) => ({ text: `text ${id}`, label, id }));
const count = <T>(values: Iterable<T>, value: T): number => [...values].filter((each) => each === value).length;
const ascending = (ids: readonly number[]): boolean => ids.every((id, i) => i === 0 || id > (ids[i - 1] as number));

const anyLabel = fc.constantFrom<BinaryLabel>(0, 1);
const labelsWith = (least: number) =>
  fc
    .array(anyLabel, { minLength: 2 * least, maxLength: 60 })
    .filter((labels) => count(labels, 0) >= least && count(labels, 1) >= least);
const seed = fc.integer();

test('classCounts counts', () => {
  expect(classCounts([])).toEqual([0, 0]);
  expect(classCounts(numbered([1, 0, 1, 1]))).toEqual([1, 3]);
});

describe('stratifiedFolds', () => {
  test('deals every class evenly, and all examples too; repeats', () => {
    forAll([labelsWith(6), fc.integer({ min: 2, max: 6 }), seed], (labels, folds, from) => {
      const fold = [...stratifiedFolds(labels, folds, createRng(from))];
      const even = (some: readonly number[]): void => {
        const sizes = Array.from({ length: folds }, (_, f) => count(some, f));
        expect(sizes.reduce((a, b) => a + b)).toBe(some.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      };
      even(fold);
      for (const label of [0, 1]) even(fold.filter((_, i) => labels[i] === label));
      expect([...stratifiedFolds(labels, folds, createRng(from))]).toEqual(fold);
    });
  });

  test('every example falls into every fold equally often', () => {
    const labels: BinaryLabel[] = [0, 0, 0, 0, 1, 1, 1];
    const draws = 6000;
    const times = labels.map(() => [0, 0, 0]);
    const rng = createRng(11);
    for (let draw = 0; draw < draws; draw++) {
      stratifiedFolds(labels, 3, rng).forEach((f, i) => {
        (times[i] as number[])[f] = (times[i]?.[f] ?? 0) + 1;
      });
    }
    // Of the four zeros, fold 0 takes two; the ones are dealt one to a fold.
    const expected = (i: number, f: number): number => (i < 4 && f === 0 ? 1 / 2 : i < 4 ? 1 / 4 : 1 / 3);
    times.forEach((row, i) => {
      row.forEach((n, f) => {
        const p = expected(i, f);
        expect(Math.abs(n - draws * p)).toBeLessThan(4.5 * Math.sqrt(draws * p * (1 - p)));
      });
    });
  });

  test('errors', () => {
    for (const folds of [1, 2.5, Number.NaN]) {
      expect(() => stratifiedFolds([0, 1], folds, createRng(1))).toThrow(
        `stratifiedFolds: folds must be an integer of at least 2; got ${folds}`,
      );
    }
    expect(() => stratifiedFolds([0, 0, 0, 1, 1], 3, createRng(1))).toThrow(
      'stratifiedFolds: labels must be at least 3 examples of each class; got [3,2]',
    );
    expect(() => stratifiedFolds([0, 2], 2, createRng(1))).toThrow(
      'stratifiedFolds: labels must be of the classes 0 and 1; got 2',
    );
  });
});

describe('stratifiedSplit', () => {
  const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });

  test('partitions, class by class, in order, and repeats', () => {
    forAll([labelsWith(2), share, seed], (labels, heldOutShare, from) => {
      const examples = numbered(labels);
      const [rest, heldOut] = stratifiedSplit(examples, heldOutShare, createRng(from));
      expect([...rest, ...heldOut].sort((a, b) => a.id - b.id)).toEqual(examples);
      expect(ascending(rest.map(({ id }) => id)) && ascending(heldOut.map(({ id }) => id))).toBe(true);
      for (const label of [0, 1] as const) {
        const n = count(labels, label);
        const held = classCounts(heldOut)[label];
        expect(classCounts(rest)[label]).toBeGreaterThanOrEqual(1);
        expect(held).toBeGreaterThanOrEqual(1);
        // Nearest to share · n among 1 … n − 1.
        for (let other = 1; other < n; other++) {
          expect(Math.abs(held - heldOutShare * n)).toBeLessThanOrEqual(Math.abs(other - heldOutShare * n) + 1e-9);
        }
      }
      expect(stratifiedSplit(examples, heldOutShare, createRng(from))).toEqual([rest, heldOut]);
    });
  });

  test('every example is held out equally often', () => {
    const rng = createRng(1);
    const examples = numbered([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    const times = new Array<number>(10).fill(0);
    const runs = 4000;
    for (let run = 0; run < runs; run++) {
      for (const { id } of stratifiedSplit(examples, 0.5, rng)[1]) times[id] = (times[id] as number) + 1;
    }
    // 4 sigma of a binomial with p = 1/2
    for (const each of times) expect(Math.abs(each - runs / 2)).toBeLessThan(4 * Math.sqrt(runs / 4));
  });

  test('refuses what cannot be split', () => {
    for (const bad of [0, 1, -0.1, Number.NaN]) {
      expect(() => stratifiedSplit(numbered([0, 0, 1, 1]), bad, createRng(1))).toThrow(
        `stratifiedSplit: share must be in (0, 1); got ${bad}`,
      );
    }
    expect(() => stratifiedSplit(numbered([0, 0, 1]), 0.5, createRng(1))).toThrow(
      'stratifiedSplit: examples must be at least 2 examples of each class; got [2,1]',
    );
  });
});

describe('balancedIndices', () => {
  test('oversample shows each class equally often, all of the data, and repeats evenly', () => {
    forAll([labelsWith(1), seed], (labels, from) => {
      const drawn = balancedIndices(labels, createRng(from));
      const sizes = [count(labels, 0), count(labels, 1)];
      const largest = Math.max(...sizes);
      expect(drawn.length).toBe(2 * largest);
      labels.forEach((label, i) => {
        const size = sizes[label] as number;
        const times = count(drawn, i);
        expect(times === Math.floor(largest / size) || times === Math.ceil(largest / size)).toBe(true);
      });
      expect(
        count(
          Array.from(drawn, (i) => labels[i]),
          1,
        ),
      ).toBe(largest);
      expect(balancedIndices(labels, createRng(from), { mode: 'oversample' })).toEqual(drawn);
    });
  });

  test('undersample shows nothing twice and all of the smaller class', () => {
    forAll([labelsWith(1), seed], (labels, from) => {
      const drawn = balancedIndices(labels, createRng(from), { mode: 'undersample' });
      const least = Math.min(count(labels, 0), count(labels, 1));
      expect(new Set(drawn).size).toBe(2 * least);
      expect(drawn.length).toBe(2 * least);
      expect(
        count(
          Array.from(drawn, (i) => labels[i]),
          1,
        ),
      ).toBe(least);
    });
  });

  test('the extra repeats and the order are random', () => {
    const rng = createRng(2);
    const labels = [1, 1, 1, 0, 0, 0, 0];
    const runs = 6000;
    const twice = [0, 0, 0];
    let oneFirst = 0;
    for (let run = 0; run < runs; run++) {
      const drawn = balancedIndices(labels, rng);
      for (const i of [0, 1, 2]) twice[i] = (twice[i] as number) + (count(drawn, i) === 2 ? 1 : 0);
      oneFirst += labels[drawn[0] as number] as number;
    }
    // 4 sigma of binomials with p = 1/3 and 1/2
    for (const each of twice) expect(Math.abs(each - runs / 3)).toBeLessThan(4 * Math.sqrt((runs * 2) / 9));
    expect(Math.abs(oneFirst - runs / 2)).toBeLessThan(4 * Math.sqrt(runs / 4));
  });

  test('refuses a single class, another label and another mode', () => {
    expect(() => balancedIndices([1, 1], createRng(1))).toThrow(
      'balancedIndices: labels must be at least 1 example of each class; got [0,2]',
    );
    expect(() => balancedIndices([0, 2], createRng(1))).toThrow(
      'balancedIndices: labels must be of the classes 0 and 1; got 2',
    );
    const mode = 'both' as 'oversample';
    expect(() => balancedIndices([0, 1], createRng(1), { mode })).toThrow(
      `balancedIndices: mode must be 'oversample' or 'undersample'; got "both"`,
    );
  });

  test('shuffledIndices is a permutation', () => {
    forAll([fc.integer({ min: 0, max: 50 }), seed], (n, from) => {
      expect([...shuffledIndices(n, createRng(from))].sort((a, b) => a - b)).toEqual(
        Array.from({ length: n }, (_, i) => i),
      );
    });
  });
});

describe('flipLabels', () => {
  const rates = fc
    .tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.double({ min: 0, max: 0.999, noNaN: true }))
    .filter(([a, b]) => a + b < 1);

  test('flips exactly round(e n) of each class, says which, and touches nothing else', () => {
    forAll([fc.array(anyLabel, { maxLength: 60 }), rates, seed], (labels, [falseNegative, falsePositive], from) => {
      const examples = numbered(labels);
      const copy = structuredClone(examples);
      const noisy = flipLabels(examples, { falseNegative, falsePositive }, createRng(from));
      expect(examples).toEqual(copy);
      expect(ascending([...noisy.flipped])).toBe(true);
      const wrong = new Set(noisy.flipped);
      noisy.examples.forEach((example, i) => {
        expect(example).toEqual({ ...examples[i], label: wrong.has(i) ? 1 - (labels[i] as number) : labels[i] });
      });
      const flippedOf = (label: BinaryLabel) =>
        count(
          Array.from(wrong, (i) => labels[i]),
          label,
        );
      expect(flippedOf(1)).toBe(Math.round(falseNegative * count(labels, 1)));
      expect(flippedOf(0)).toBe(Math.round(falsePositive * count(labels, 0)));
      expect(flipLabels(examples, { falseNegative, falsePositive }, createRng(from))).toEqual(noisy);
    });
  });

  test('one rate is both rates; rate 0 changes nothing', () => {
    forAll([labelsWith(1), fc.double({ min: 0, max: 0.499, noNaN: true }), seed], (labels, rate, from) => {
      const examples = numbered(labels);
      expect(flipLabels(examples, { rate }, createRng(from))).toEqual(
        flipLabels(examples, { falseNegative: rate, falsePositive: rate }, createRng(from)),
      );
      expect(flipLabels(examples, { rate: 0 }, createRng(from))).toEqual({ examples, flipped: new Int32Array() });
    });
  });

  test('positions above 9 are in numeric order', () => {
    const { flipped } = flipLabels(numbered(new Array<BinaryLabel>(200).fill(0)), { rate: 0.4 }, createRng(3));
    expect(flipped.length).toBe(80);
    expect([...flipped]).toEqual([...flipped].sort((a, b) => a - b));
  });

  test('refuses rates that turn the label around', () => {
    const flip = (noise: Parameters<typeof flipLabels>[1]) => () => flipLabels(numbered([0, 1]), noise, createRng(1));
    expect(flip({ rate: 0.5 })).toThrow('flipLabels: rate must be in [0, 0.5); got 0.5');
    expect(flip({ rate: -0.1 })).toThrow('flipLabels: rate must be in [0, 0.5); got -0.1');
    expect(flip({ rate: Number.NaN })).toThrow('flipLabels: rate must be in [0, 0.5); got NaN');
    expect(flip({ falseNegative: 1, falsePositive: 0 })).toThrow('flipLabels: falseNegative must be in [0, 1); got 1');
    expect(flip({ falseNegative: 0, falsePositive: -1 })).toThrow(
      'flipLabels: falsePositive must be in [0, 1); got -1',
    );
    expect(flip({ falseNegative: 0.5, falsePositive: 0.5 })).toThrow(
      'flipLabels: falseNegative + falsePositive must be less than 1; got 1',
    );
  });
});

describe('subsampleToImbalance', () => {
  test('keeps order and majority, and as much of the minority as the ratio says', () => {
    forAll(
      [labelsWith(1), fc.double({ min: 1, max: 100, noNaN: true }), anyLabel, seed],
      (labels, ratio, minority, from) => {
        const examples = numbered(labels);
        const rarer = subsampleToImbalance(examples, { ratio, minority }, createRng(from));
        expect(ascending(rarer.map(({ id }) => id))).toBe(true);
        for (const each of rarer) expect(each).toBe(examples[each.id]);
        const before = classCounts(examples);
        const after = classCounts(rarer);
        const majority = (1 - minority) as BinaryLabel;
        expect(after[majority]).toBe(before[majority]);
        const wanted = Math.max(1, Math.round(before[majority] / ratio));
        expect(after[minority]).toBe(Math.min(before[minority], wanted));
        expect(subsampleToImbalance(examples, { ratio, minority }, createRng(from))).toEqual(rarer);
      },
    );
  });

  test('class 1 becomes rare by default', () => {
    const examples = numbered(Array.from({ length: 200 }, (_, i) => (i % 2) as BinaryLabel));
    expect(classCounts(subsampleToImbalance(examples, { ratio: 10 }, createRng(1)))).toEqual([100, 10]);
  });

  test('refuses a ratio below 1, another class, and a missing class', () => {
    const subsample =
      (options: Parameters<typeof subsampleToImbalance>[1], labels: BinaryLabel[] = [0, 1]) =>
      () =>
        subsampleToImbalance(numbered(labels), options, createRng(1));
    expect(subsample({ ratio: 0.5 })).toThrow('subsampleToImbalance: ratio must be a number of at least 1; got 0.5');
    expect(subsample({ ratio: Number.POSITIVE_INFINITY })).toThrow(
      'ratio must be a number of at least 1; got Infinity',
    );
    expect(subsample({ ratio: 2, minority: 2 as BinaryLabel })).toThrow('minority must be 0 or 1; got 2');
    expect(subsample({ ratio: 2 }, [0, 0])).toThrow(
      'subsampleToImbalance: examples must be at least 1 example of each class; got [2,0]',
    );
  });
});

describe('balanced beliefs', () => {
  const belief = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));
  const believed = fc.array(belief, { minLength: 1, maxLength: 60 }).filter((of) => {
    const ones = of.reduce((sum, q) => sum + q, 0);
    return ones > 1e-3 && of.length - ones > 1e-3;
  });

  test('each class has half of the shares, and each example what speaks for it', () => {
    forAll([believed], (beliefs) => {
      const { shares, targets } = balanceBeliefs(beliefs);
      const ones = beliefs.reduce((sum, q) => sum + q, 0);
      const sum = (of: (i: number) => number): number => beliefs.reduce((total, _, i) => total + of(i), 0);
      expect(sum((i) => shares[i]!)).toBeCloseTo(1, 9);
      expect(sum((i) => shares[i]! * targets[i]!)).toBeCloseTo(0.5, 9);
      for (const [i, q] of beliefs.entries()) {
        expect(shares[i]! * targets[i]!).toBeCloseTo(q / ones / 2, 9);
        expect(shares[i]! * (1 - targets[i]!)).toBeCloseTo((1 - q) / (beliefs.length - ones) / 2, 9);
      }
    });
  });

  test('labels are beliefs: as many of each as balancedIndices draws', () => {
    forAll([labelsWith(1), seed], (labels, from) => {
      const beliefs = balanceBeliefs(labels);
      expect([...beliefs.targets]).toEqual(labels);
      const plain = balancedIndices(labels, createRng(from));
      const drawn = sharedIndices(beliefs, plain.length, createRng(from));
      const each = plain.length / 2;
      for (const [i, label] of labels.entries()) {
        const often = each / count(labels, label);
        expect(Math.abs(count(drawn, i) - often)).toBeLessThan(1 + 1e-9);
        expect(Math.abs(count(drawn, i) - count(plain, i))).toBeLessThanOrEqual(1);
      }
      const ofOnes = (positions: Int32Array): number => positions.reduce((sum, i) => sum + labels[i]!, 0);
      expect(Math.abs(ofOnes(drawn) - ofOnes(plain))).toBeLessThanOrEqual(1);
    });
  });

  test('a position is drawn as often as its share says, to the next whole number, and exactly so in the mean', () => {
    forAll([believed, fc.integer({ min: 1, max: 200 }), seed], (beliefs, size, from) => {
      const balanced = balanceBeliefs(beliefs);
      const drawn = sharedIndices(balanced, size, createRng(from));
      expect(drawn.length).toBe(size);
      for (const [i, share] of balanced.shares.entries()) {
        expect(Math.abs(count(drawn, i) - size * share)).toBeLessThan(1 + 1e-9);
      }
      // Along the targets: their mean is that of the shares, but for what whole numbers cost at one end.
      const mean = [...drawn].reduce((sum, i) => sum + balanced.targets[i]!, 0) / size;
      expect(Math.abs(mean - 0.5)).toBeLessThanOrEqual(1 / size + 1e-9);
      expect([...sharedIndices(balanced, size, createRng(from))]).toEqual([...drawn]);
    });
    const beliefs = balanceBeliefs([0.9, 0.7, 0.05, 0.2, 0]);
    const draws = 20_000;
    const times = new Float64Array(5);
    const rng = createRng(5);
    for (let draw = 0; draw < draws; draw++) for (const i of sharedIndices(beliefs, 3, rng)) times[i]! += 1;
    for (const [i, share] of beliefs.shares.entries()) {
      expect(Math.abs(times[i]! / draws - 3 * share)).toBeLessThan(5 * Math.sqrt(0.25 / draws));
    }
  });

  test('what cannot be balanced', () => {
    expect(() => balanceBeliefs([0.5, 1.1])).toThrow('balanceBeliefs: beliefs[1] must be in [0, 1]; got 1.1');
    expect(() => balanceBeliefs([0.5, Number.NaN])).toThrow('balanceBeliefs: beliefs[1] must be in [0, 1]; got NaN');
    expect(() => balanceBeliefs([0, 0])).toThrow('balanceBeliefs: no example is believed to be of class 1');
    expect(balanceBeliefs([...Array.from({ length: 1000 }, () => 1), 1 - 1e-14]).shares[1000]).toBeCloseTo(0.5, 3);
    expect(() => balanceBeliefs([1, 1])).toThrow('balanceBeliefs: no example is believed to be of class 0');
    expect(() => sharedIndices(balanceBeliefs([0, 1]), 0, createRng(1))).toThrow(
      'sharedIndices: size must be a whole number of at least 1; got 0',
    );
  });
});
