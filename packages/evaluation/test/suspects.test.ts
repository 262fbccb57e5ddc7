import { createRng, isTsrlError, sigmoid } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { confidentNoiseRates, type Suspect, suspects } from '../src/index.ts';

type Example = readonly [label: 0 | 1, p1: number];
/** Multiples of 1/1024: 1 − p is exact, and ties happen. */
const dyadic = fc.integer({ min: 0, max: 1024 }).map((k) => k / 1024);
const examples: fc.Arbitrary<Example[]> = fc.oneof(
  fc.array(fc.tuple(fc.constantFrom(0 as const, 1 as const), dyadic), { minLength: 1, maxLength: 60 }),
  fc.array(fc.tuple(fc.constantFrom(0 as const, 1 as const), fc.constantFrom(0, 0.25, 0.5, 0.75, 1)), {
    minLength: 1,
    maxLength: 12,
  }),
);
const listOf = (of: readonly Example[]): Suspect[] =>
  suspects({ labels: of.map(([label]) => label), probabilities: of.map(([, p]) => p) });
const positionsOf = (of: readonly Example[]): number[] => listOf(of).map(({ position }) => position);

/** The definition, over matrices of any number of classes, by repeatedly looking for the least. */
function pruneByNoiseRate(of: readonly Example[]): number[] {
  const p = of.map(([, p1]) => [1 - p1, p1]);
  const classes = [0, 1];
  const members = classes.map((j) => of.flatMap(([label], i) => (label === j ? [i] : [])));
  const thresholds = classes.map((j) => {
    const own = members[j]!.map((i) => p[i]![j]!);
    return Math.min(own.reduce((a, b) => a + b, 0) / own.length, Math.max(...own));
  });
  const counts = [
    [0, 0],
    [0, 0],
  ];
  of.forEach(([label], i) => {
    const likely = classes.filter((j) => members[j]!.length > 0 && p[i]![j]! >= thresholds[j]!);
    likely.sort((a, b) => p[i]![b]! - p[i]![a]! || Number(b === label) - Number(a === label));
    if (likely[0] !== undefined) counts[label]![likely[0]]! += 1;
  });
  const found: number[] = [];
  for (const i of classes) {
    const total = counts[i]![0]! + counts[i]![1]!;
    let left = total === 0 ? 0 : Math.round((counts[i]![1 - i]! * members[i]!.length) / total);
    const rest = new Set(members[i]);
    for (; left > 0; left--) {
      const least = Math.min(...[...rest].map((k) => p[k]![i]!));
      const next = [...rest].find((k) => p[k]![i] === least) as number;
      rest.delete(next);
      if (least < 0.5) found.push(next);
    }
  }
  const own = (k: number): number => p[k]![of[k]![0]]!;
  return found.sort((a, b) => own(a) - own(b) || a - b);
}

test('is its definition, ties included, and says why', () => {
  forAll([examples], (of) => {
    const list = listOf(of);
    expect(list.map(({ position }) => position)).toEqual(pruneByNoiseRate(of));
    for (const { position, label, probability, threshold, why } of list) {
      const [observed, p1] = of[position] as Example;
      expect([label, probability]).toEqual([observed, observed === 1 ? p1 : 1 - p1]);
      expect(why).toBe(
        `labelled ${label}, to which the model gives a probability of ${probability.toFixed(3)}; ` +
          `examples labelled ${label} get ${threshold.toFixed(3)} in the mean`,
      );
    }
  });
});

test('the thresholds are those of confidentNoiseRates, and its counts bound the list', () => {
  forAll([examples], (of) => {
    const input = { labels: of.map(([label]) => label), probabilities: of.map(([, p]) => p) };
    let rates: ReturnType<typeof confidentNoiseRates>;
    try {
      rates = confidentNoiseRates(input);
    } catch (error) {
      if (!isTsrlError(error, 'data')) throw error;
      return; // a class is missing, or the rates say nothing
    }
    const list = suspects(input);
    for (const label of [0, 1] as const) {
      const listed = list.filter((suspect) => suspect.label === label);
      expect(listed.length).toBeLessThanOrEqual(Math.round(rates.joint[label][1 - label]! * of.length + 1e-9));
      for (const { threshold } of listed) expect(threshold).toBe(rates.thresholds[label]);
    }
  });
});

test('self-confidence, normalised margin and loss rank alike; other names of the classes and another order change nothing', () => {
  forAll([examples, fc.nat({ max: 59 })], (of, by) => {
    const list = listOf(of);
    const margins = list.map(({ probability: p }) => p - (1 - p));
    const losses = list.map(({ probability: p }) => -Math.log(p));
    expect([...margins].sort((a, b) => a - b)).toEqual(margins);
    expect([...losses].sort((a, b) => b - a)).toEqual(losses);
    const mirrored = positionsOf(of.map(([label, p]) => [label === 1 ? 0 : 1, 1 - p]));
    expect(mirrored).toEqual(list.map(({ position }) => position));
    const shift = by % of.length;
    const turned = listOf([...of.slice(shift), ...of.slice(0, shift)]);
    // Which of equals come first depends on the order, their probabilities do not.
    expect(turned.map(({ probability }) => probability)).toEqual(list.map(({ probability }) => probability));
  });
});

test('cleanlab 2.9.0 (find_label_issues, prune_by_noise_rate, self_confidence) lists the same', () => {
  const labels = [0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0];
  const probabilities = [
    0.29, 0.68, 0.69, 0.74, 0.37, 0.38, 0.31, 0.34, 0.43, 0.52, 0.28, 0.77, 0.5, 0.75, 0.37, 0.67, 0.52, 0.59, 0.78,
    0.5, 0.73, 0.56, 0.35, 0.42, 0.28, 0.73, 0.39, 0.42, 0.29, 0.31,
  ];
  const list = suspects({ labels, probabilities });
  expect(list.map(({ position }) => position)).toEqual([28, 6, 2, 1, 17]);
  expect(list[0]?.why).toBe(
    'labelled 1, to which the model gives a probability of 0.290; examples labelled 1 get 0.623 in the mean',
  );
});

describe('of a known posterior, with injected flips', () => {
  const rng = createRng(7);
  const truth = Array.from({ length: 4000 }, () => (rng.uniform() < 0.2 ? 1 : 0));
  // N(±8, 16) is its own log-likelihood ratio: log-odds of classes that weigh alike, of which 2.3 % lie on the wrong side.
  const probabilities = truth.map((y) => sigmoid((y === 1 ? 8 : -8) + 4 * rng.normal()));
  test.each([
    ['both classes', 0.2, 0.2],
    ['positives only', 0.3, 0],
    ['negatives only', 0, 0.2],
  ])('%s: the head is wrong labels, and the list as long as they are many', (_, ofOnes, ofZeros) => {
    const flipped = truth.map((y) => rng.uniform() < (y === 1 ? ofOnes : ofZeros));
    const labels = truth.map((y, i) => (flipped[i] ? 1 - y : y));
    const list = suspects({ labels, probabilities });
    const head = list.slice(0, 100).filter(({ position }) => flipped[position]).length;
    expect(head).toBeGreaterThanOrEqual(95);
    const wrong = flipped.filter(Boolean).length;
    const right = list.filter(({ position }) => flipped[position]).length;
    expect(right / wrong).toBeGreaterThan(0.9);
    expect(right / list.length).toBeGreaterThan(0.8);
  });
});

describe('edges', () => {
  test('one class only, agreement, equal probabilities: nobody; all contradicted: everybody', () => {
    expect(positionsOf([[1, 0.1]])).toEqual([]);
    expect(
      positionsOf([
        [0, 0.9],
        [0, 0.1],
      ]),
    ).toEqual([]);
    expect(
      positionsOf([
        [0, 0.2],
        [1, 0.9],
        [0, 0.4],
        [1, 0.7],
      ]),
    ).toEqual([]);
    expect(
      positionsOf([
        [0, 0.5],
        [1, 0.5],
      ]),
    ).toEqual([]);
    expect(
      positionsOf([
        [0, 1],
        [1, 0],
      ]),
    ).toEqual([0, 1]);
  });

  test('who has the mean probability of a class is confidently of it', () => {
    const own = [1, 0.75, 0.5, 0.25, 0];
    // Of the five labelled 0, three reach their mean ½, and one the mean 1 of the other class: round(5 / 4) are listed.
    expect(positionsOf([...own.map((p): Example => [0, 1 - p]), [1, 1]])).toEqual([4]);
  });

  test('also where the mean of equal numbers is rounded up', () => {
    const ones = Array<Example>(6).fill([1, 0.7]);
    expect(ones.reduce((sum, [, p]) => sum + p, 0) / ones.length).toBeGreaterThan(0.7);
    expect(positionsOf([...ones, [0, 0.7], [0, 0.1]])).toEqual([6]);
  });

  test.each([
    ['data', [], [], 'suspects: there is no example to evaluate'],
    ['data', [0, 2], [0.5, 0.5], 'suspects: labels[1] must be 0 or 1; got 2'],
    ['data', [0, 1], [0.5, Number.NaN], 'suspects: probabilities[1] must be in [0, 1]; got NaN'],
    ['shape', [0, 1], [0.5], 'suspects: probabilities must be of length 2; got length 1'],
  ] as const)('%s, case %#', (code, labels, probabilities, message) => {
    let thrown: unknown;
    try {
      suspects({ labels, probabilities });
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toBe(message);
  });
});
