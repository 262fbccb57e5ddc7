import { type Grid, gridOf, isTsrlError, zeros } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cutpointStarts,
  fixedStarts,
  gae,
  grpo,
  monteCarloValue,
  placeOutcome,
  probabilityMask,
  proverAdvantage,
  rloo,
  type SegmentTree,
  segmentSpo,
  segmentStates,
  treeAdvantages,
  treeValues,
  type ValuedNode,
  whiten,
} from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-11 };
const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = tight): void => {
  expect(maxError(actual, expected, tolerance)).toBeLessThanOrEqual(1);
};
const unit = fc.double({ min: 0, max: 1, noNaN: true });
const rowOf = (...row: number[]): Grid => gridOf([row]);

interface Token {
  readonly valid: boolean;
  readonly start: boolean;
  readonly value: number;
}
const token: fc.Arbitrary<Token> = fc.record({ valid: fc.boolean(), start: fc.boolean(), value: unit });
const tokens = fc.array(token, { minLength: 1, maxLength: 12 });

const inputsOf = (row: readonly Token[], reward: number) => ({
  rewards: [reward],
  starts: gridOf([row.map(({ start }) => (start ? 1 : 0))]),
  values: gridOf([row.map(({ value }) => value)]),
  mask: gridOf([row.map(({ valid }) => (valid ? 1 : 0))]),
});

/** Every token looks for the segment that it is in and for the one after it. */
function oracle(row: readonly Token[], reward: number, prompt?: number): number[] {
  const isCut = ({ valid, start }: Token): boolean => valid && start;
  return row.map(({ valid }, at) => {
    if (!valid) return 0;
    const own = row.slice(0, at + 1).findLast(isCut)?.value ?? prompt;
    const next = row.slice(at + 1).find(isCut)?.value ?? reward;
    return own === undefined ? 0 : next - own;
  });
}

describe('segmentSpo', () => {
  test('is its definition, with and without the value of the prompt', () => {
    forAll([tokens, unit, unit], (row, reward, prompt) => {
      const inputs = inputsOf(row, reward);
      expectClose(segmentSpo(inputs).advantages.data, oracle(row, reward));
      expectClose(segmentSpo({ ...inputs, promptValues: [prompt] }).advantages.data, oracle(row, reward, prompt));
    });
  });

  test('telescopes: the segments of a row sum to the reward less the value of the prompt', () => {
    forAll([tokens, unit, unit], (row, reward, prompt) => {
      if (!row.some(({ valid }) => valid)) return;
      const { advantages } = segmentSpo({ ...inputsOf(row, reward), promptValues: [prompt] });
      const valid = row.flatMap((one, at) => (one.valid ? [{ ...one, advantage: advantages.data[at] as number }] : []));
      const sum = valid.reduce((s, { advantage, start }, i) => (i === 0 || start ? s + advantage : s), 0);
      const root = valid[0]?.start ? (valid[0].value as number) : prompt;
      expectClose([sum], [reward - root]);
    });
  });

  test('one segment and the mean of the group as value: Dr. GRPO on every token', () => {
    forAll([fc.array(unit, { minLength: 1, maxLength: 6 })], (rewards) => {
      const mean = rewards.reduce((s, r) => s + r, 0) / rewards.length;
      const mask = gridOf(rewards.map((_, i) => [1, 1, i % 2]));
      const { advantages, metrics } = segmentSpo({
        rewards,
        starts: zeros(mask.rows, 3),
        values: zeros(mask.rows, 3),
        mask,
        promptValues: rewards.map(() => mean),
      });
      const { advantages: centered } = grpo({ rewards, groups: rewards.map(() => 0) }, { scale: 'none' });
      expectClose(
        advantages.data,
        mask.data.map((m, at) => m * (centered[Math.floor(at / 3)] as number)),
      );
      expect(metrics).toEqual({ segments: rewards.length, uncutRows: rewards.length, emptyRows: 0 });
    });
  });

  test('segments of one token: one-step advantages, GAE with λ = 0', () => {
    forAll([tokens, unit], (row, reward) => {
      const inputs = inputsOf(row, reward);
      const { mask, values } = inputs;
      const { advantages } = segmentSpo({ ...inputs, starts: fixedStarts(mask, { tokens: 1 }) });
      const oneStep = gae({ rewards: placeOutcome([reward], mask), values, mask }, { gamma: 1, lambda: 0 });
      expectClose(advantages.data, oneStep.advantages.data);
    });
  });

  test('with a cut at the first token, the value of the prompt does not matter', () => {
    const inputs = {
      rewards: [1],
      starts: rowOf(0, 1, 0, 1),
      values: rowOf(9, 0.25, 9, 0.5),
      mask: rowOf(0, 1, 1, 1),
    };
    expect([...segmentSpo(inputs).advantages.data]).toEqual([0, 0.25, 0.25, 0.5]);
    expect(segmentSpo({ ...inputs, promptValues: [Number.NaN] })).toEqual(segmentSpo(inputs));
  });

  test('edge cases: no start, no token, no column', () => {
    const starts = gridOf([
      [0, 0],
      [1, 0],
    ]);
    const mask = gridOf([
      [1, 1],
      [0, 0],
    ]);
    const none = segmentSpo({ rewards: [1, Number.NaN], starts, values: zeros(2, 2), mask });
    expect([...none.advantages.data]).toEqual([0, 0, 0, 0]);
    expect(none.metrics).toEqual({ segments: 0, uncutRows: 1, emptyRows: 1 });
    const prompt = segmentSpo({ rewards: [1, Number.NaN], starts, values: zeros(2, 2), mask, promptValues: [0.25, 7] });
    expect([...prompt.advantages.data]).toEqual([0.75, 0.75, 0, 0]);
    expect(prompt.metrics['segments']).toBe(1);
    const empty = zeros(2, 0);
    expect(segmentSpo({ rewards: [1, 1], starts: empty, values: empty, mask: empty }).metrics['emptyRows']).toBe(2);
  });
});

describe('segment starts', () => {
  const logProb = fc.double({ min: -0.4, max: 0, noNaN: true });
  const scored = fc.array(fc.record({ valid: fc.boolean(), lp: logProb }), { minLength: 1, maxLength: 20 });

  test('cutpoints: every k-th token below the threshold, from the first', () => {
    forAll([scored, fc.integer({ min: 1, max: 4 }), fc.double({ min: 0.7, max: 1.1, noNaN: true })], (row, k, p) => {
      const mask = gridOf([row.map(({ valid }) => (valid ? 1 : 0))]);
      const oldLogProbs = gridOf([row.map(({ valid, lp }) => (valid ? lp : Number.NaN))]);
      const starts = cutpointStarts({ oldLogProbs, mask }, { threshold: p, interval: k });
      let seen = 0;
      const expected = row.map(({ valid, lp }) => {
        if (!valid || Math.exp(lp) >= p) return 0;
        seen += 1;
        return (seen - 1) % k === 0 ? 1 : 0;
      });
      expect([...starts.data]).toEqual(expected);
    });
  });

  test('golden: the defaults are 0.9 and 5', () => {
    const probabilities = [0.9, 0.5, 0.4, 0.89, 0.3, 0.2, 0.1, 0.99, 0.6];
    const oldLogProbs = gridOf([probabilities.map(Math.log)]);
    const mask = gridOf([probabilities.map(() => 1)]);
    expect([...cutpointStarts({ oldLogProbs, mask }).data]).toEqual([0, 1, 0, 0, 0, 0, 1, 0, 0]);
  });

  test('fixed: every M valid tokens, the last segment shorter', () => {
    expect([...fixedStarts(rowOf(0, 1, 1, 0, 1, 1, 1), { tokens: 2 }).data]).toEqual([0, 1, 0, 0, 1, 0, 1]);
    expect([...fixedStarts(rowOf(0, 0), { tokens: 3 }).data]).toEqual([0, 0]);
  });

  test('so many segments: lengths that differ by at most 1, the longer first', () => {
    const starts = (length: number, segments: number): number[] =>
      [...fixedStarts(gridOf([Array.from({ length }, () => 1)]), { segments }).data].flatMap((s, at) =>
        s ? [at] : [],
      );
    expect(starts(12, 4)).toEqual([0, 3, 6, 9]);
    expect(starts(10, 4)).toEqual([0, 3, 6, 8]);
    expect(starts(6, 4)).toEqual([0, 2, 4, 5]);
    expect(starts(3, 4)).toEqual([0, 1, 2]);
    const holes = gridOf([
      [0, 1, 0, 1, 1],
      [1, 1, 1, 1, 0],
      [0, 0, 0, 0, 0],
    ]);
    const expected = [0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    expect([...fixedStarts(holes, { segments: 2 }).data]).toEqual(expected);
    forAll([fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 })], (length, segments) => {
      const at = starts(length, segments);
      const lengths = at.map((start, i) => (at[i + 1] ?? length) - start);
      expect(lengths).toHaveLength(Math.min(length, segments));
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
      expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
    });
  });
});

describe('probabilityMask', () => {
  const mask = rowOf(1, 1, 0, 1);
  const oldLogProbs = gridOf([[0.95, 0.9, Number.NaN, 0.3].map(Math.log)]);

  test('keeps what is below the threshold, all above 1, and all when nothing is left', () => {
    const at = (threshold: number): number[] => [...probabilityMask({ oldLogProbs, mask }, { threshold }).data];
    expect([...probabilityMask({ oldLogProbs, mask }).data]).toEqual([0, 0, 0, 1]);
    expect(at(0.92)).toEqual([0, 1, 0, 1]);
    expect(at(1.01)).toEqual([1, 1, 0, 1]);
    expect(at(0.1)).toEqual([1, 1, 0, 1]);
    expect([...probabilityMask({ oldLogProbs: rowOf(-1, -9), mask: rowOf(1, 0) }).data]).toEqual([1, 0]);
    expect(probabilityMask({ oldLogProbs: zeros(1, 4), mask: zeros(1, 4) })).toEqual(zeros(1, 4));
  });

  test('whitening over it: mean 0 over the tokens that are kept, 0 elsewhere', () => {
    const kept = probabilityMask({ oldLogProbs, mask }, { threshold: 0.92 });
    const white = whiten(rowOf(3, 1, 7, 5), kept);
    expectClose(white.data, [0, -Math.SQRT1_2, 0, Math.SQRT1_2], { absolute: 1e-8, relative: 0 });
  });
});

describe('monteCarloValue', () => {
  test('golden: three successes of five; none', () => {
    const { value, std, standardError, samples } = monteCarloValue([1, 0, 0, 1, 1, null]);
    expectClose([value, std, standardError, samples], [0.6, Math.sqrt(0.24), Math.sqrt(0.24 / 5), 5]);
    expect(monteCarloValue([])).toEqual({ value: 0, std: 0, standardError: 0, samples: 0 });
    expect(monteCarloValue([null])).toEqual({ value: 0, std: 0, standardError: 0, samples: 0 });
  });
});

describe('segmentStates', () => {
  test('asks for every state once', () => {
    const { states, segments, prompts } = segmentStates({
      groups: ['p', 'q', 'p'],
      tokens: gridOf([
        [5, 6, 7, 8],
        [5, 6, 7, 8],
        [5, 6, 9, 8],
      ]),
      starts: gridOf([
        [1, 0, 1, 1],
        [0, 1, 0, 0],
        [0, 0, 1, 1],
      ]),
      mask: gridOf([
        [1, 1, 1, 1],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
      ]),
    });
    expect(states).toEqual([
      { row: 0, column: 0 },
      { row: 0, column: 2 },
      { row: 0, column: 3 },
      { row: 1, column: 0 },
      { row: 1, column: 1 },
      { row: 2, column: 3 },
    ]);
    expect([...prompts]).toEqual([0, 3, 0]);
    expect([...segments]).toEqual([0, -1, 1, 2, -1, 4, -1, -1, -1, -1, 1, 5]);
  });

  test('two segments share a state exactly when prompt and tokens before them are the same', () => {
    const small = fc.array(fc.record({ id: fc.integer({ min: 0, max: 1 }), start: fc.boolean() }), {
      minLength: 4,
      maxLength: 4,
    });
    const rows = fc.array(fc.record({ group: fc.integer({ min: 0, max: 1 }), row: small }), {
      minLength: 1,
      maxLength: 5,
    });
    forAll([rows], (batch) => {
      const result = segmentStates({
        groups: batch.map(({ group }) => group),
        tokens: gridOf(batch.map(({ row }) => row.map(({ id }) => id))),
        starts: gridOf(batch.map(({ row }) => row.map(({ start }) => (start ? 1 : 0)))),
        mask: gridOf(batch.map(({ row }) => row.map(() => 1))),
      });
      const name = (at: number, column: number): string => {
        const { group, row } = batch[at] as (typeof batch)[number];
        return `${group}: ${row.slice(0, column).map(({ id }) => id)}`;
      };
      const names = result.states.map(({ row, column }) => name(row, column));
      expect(new Set(names).size).toBe(names.length);
      batch.forEach(({ row }, i) => {
        expect(names[result.prompts[i] as number]).toBe(name(i, 0));
        row.forEach(({ start }, column) => {
          const state = result.segments[4 * i + column] as number;
          expect(state < 0 ? undefined : names[state]).toBe(start ? name(i, column) : undefined);
        });
      });
    });
  });

  test('a tool answers differently: another state; padding on the left is none', () => {
    const { states, prompts, segments } = segmentStates({
      groups: [1, 1, 1],
      tokens: gridOf([
        [4, 8, 5],
        [4, 9, 5],
        [0, 4, 5],
      ]),
      starts: gridOf([
        [1, 0, 1],
        [1, 0, 1],
        [0, 1, 0],
      ]),
      mask: gridOf([
        [1, 0, 1],
        [1, 0, 1],
        [0, 1, 1],
      ]),
    });
    expect(states).toHaveLength(3);
    expect([...prompts]).toEqual([0, 0, 0]);
    expect([...segments]).toEqual([0, -1, 1, 0, -1, 2, -1, 0, -1]);
  });
});

/** A tree from nested lists: a number is the reward of a leaf. */
type Nested = number | readonly Nested[];
const treeOf = (nested: Nested, name = 'p'): SegmentTree<string> =>
  typeof nested === 'number'
    ? { segment: name, reward: nested }
    : { segment: name, children: nested.map((child, i) => treeOf(child, `${name}${i}`)) };

const { nested } = fc.letrec<{ nested: Nested; leaf: number }>((tie) => ({
  leaf: fc.integer({ min: 0, max: 6 }).map((n) => n / 6),
  nested: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('nested'), { minLength: 1, maxLength: 4 }),
  ),
}));
const trees = nested.filter((one) => typeof one !== 'number');

const valueAt = (one: Nested): number =>
  typeof one === 'number' ? one : one.reduce<number>((s, child) => s + valueAt(child), 0) / one.length;
const at = (root: Nested, path: readonly number[]): Nested =>
  path.reduce<Nested>((one, i) => (one as readonly Nested[])[i] as Nested, root);
const deviation = (values: readonly number[]): number => {
  const mean = values.reduce((s, v) => s + v, 0) / values.length;
  return Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);
};

describe('treeAdvantages', () => {
  test('is its definition', () => {
    const scales = fc.constantFrom('none', 'siblings');
    forAll([trees, scales, fc.constantFrom('mean', 'leave-one-out')], (root, scale, baseline) => {
      const { edges, metrics } = treeAdvantages(treeOf(root), { scale, baseline, keepZero: true });
      for (const { path, value, parentValue, advantage, segment, prefix } of edges) {
        const siblings = (at(root, path.slice(0, -1)) as readonly Nested[]).map(valueAt);
        const own = siblings[path.at(-1) as number] as number;
        const others = siblings.filter((_, i) => baseline === 'mean' || i !== path.at(-1));
        const mean = others.reduce((s, v) => s + v, 0) / others.length;
        const std = deviation(siblings);
        const difference = siblings.length === 1 ? 0 : own - mean;
        const divided = std < 1e-6 ? 0 : difference / (std + 1e-8);
        expectClose([advantage], [scale === 'none' ? difference : divided], { absolute: 1e-11, relative: 1e-9 });
        expectClose([value, parentValue], [own, valueAt(at(root, path.slice(0, -1)))]);
        expect(segment).toBe(`p${path.join('')}`);
        expect(prefix).toEqual(path.map((_, depth) => `p${path.slice(0, depth).join('')}`));
      }
      expect(metrics['edges']).toBe(edges.length);
    });
  });

  test('telescopes along every path, sums to 0 over siblings', () => {
    forAll([trees], (root) => {
      const { edges } = treeAdvantages(treeOf(root), { keepZero: true });
      const advantageAt = new Map(edges.map(({ path, advantage }) => [path.join(), advantage]));
      for (const { path, value } of edges) {
        const along = path.reduce((s, _, depth) => s + (advantageAt.get(path.slice(0, depth + 1).join()) as number), 0);
        expectClose([along], [value - valueAt(root)], { absolute: 1e-11, relative: 0 });
        const parent = path.slice(0, -1);
        const siblings = (at(root, parent) as readonly Nested[]).map((_, i) => advantageAt.get([...parent, i].join()));
        expect(Math.abs(siblings.reduce<number>((s, a) => s + (a as number), 0))).toBeLessThan(1e-11);
      }
    });
  });

  test('one level is a group: Dr. GRPO, GRPO with the population deviation, RLOO', () => {
    forAll([fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 6 })], (rewards) => {
      const inputs = { rewards, groups: rewards.map(() => 0) };
      const of = (options: Parameters<typeof treeAdvantages>[1]): number[] =>
        treeAdvantages(treeOf(rewards), { ...options, keepZero: true }).edges.map(({ advantage }) => advantage);
      expectClose(of({}), grpo(inputs, { scale: 'none' }).advantages);
      expectClose(of({ scale: 'siblings' }), grpo(inputs, { variance: 'population', epsilon: 1e-8 }).advantages);
      expectClose(of({ baseline: 'leave-one-out' }), rloo(inputs).advantages);
    });
  });

  test('permutes with siblings', () => {
    forAll([trees], (root) => {
      const mirror = (one: Nested): Nested => (typeof one === 'number' ? one : one.map(mirror).toReversed());
      const sorted = (one: Nested): number[] =>
        treeAdvantages(treeOf(one), { keepZero: true })
          .edges.map(({ advantage }) => advantage)
          .sort((a, b) => a - b);
      expectClose(sorted(mirror(root)), sorted(root));
    });
  });

  test('drops what teaches nothing, and counts it', () => {
    const { edges, metrics } = treeAdvantages(treeOf([[0, 0], [1, 0], []]));
    expect(edges.map(({ path }) => path.join())).toEqual(['0', '1', '1,0', '1,1', '2']);
    expect(metrics).toEqual({ edges: 7, zeroEdges: 2, childlessNodes: 1 });
    expect(edges[0]).toEqual({
      path: [0],
      prefix: ['p'],
      segment: 'p0',
      value: 0,
      parentValue: 0.5 / 3,
      advantage: -0.5 / 3,
    });
    // The mean of three times 0.1 is not 0.1.
    expect((0.1 + 0.1 + 0.1) / 3).not.toBe(0.1);
    expect(treeAdvantages(treeOf([0.1, 0.1, 0.1])).edges).toEqual([]);
    expect(treeAdvantages(treeOf([0.1, 0.1, 0.1]), { keepZero: true }).edges.map((edge) => edge.advantage)).toEqual([
      0, 0, 0,
    ]);
    // Differences that are real, but too small to be divided by their deviation.
    const near = treeOf([0.5, 0.5 + 1e-7]);
    expect(treeAdvantages(near).edges).toHaveLength(2);
    expect(treeAdvantages(near, { scale: 'siblings' }).edges).toEqual([]);
    expect(treeAdvantages(treeOf([0.5]), { baseline: 'leave-one-out', keepZero: true }).edges[0]?.advantage).toBe(0);
    // Thirds: means that are equal but for rounding.
    const thirds = treeAdvantages(treeOf([[1, 0, 0], [0, 1, 0], [0, 0, 1], 1 / 3, [1 / 3], [1 / 3, 1 / 3]]));
    expect(thirds.edges.filter(({ path }) => path.length === 1)).toEqual([]);
    expect(treeAdvantages(treeOf([[1, 1], [1]]))).toMatchObject({ edges: [], metrics: { zeroEdges: 5 } });
    expect(treeAdvantages(treeOf(1)).edges).toEqual([]);
  });

  test('values: reward of a leaf, mean of the children, 0 of a node that has neither', () => {
    const tree = treeValues(treeOf([0, [0, 1, 0], []]));
    expectClose([tree.value, tree.std], [1 / 9, deviation([0, 1 / 3, 0])]);
    const [leaf, inner, childless] = tree.children as [ValuedNode, ValuedNode, ValuedNode];
    expect(leaf).toEqual({ segment: 'p0', value: 0, std: 0, leaf: true, children: [] });
    expectClose([inner.value, inner.std], [1 / 3, Math.SQRT2 / 3]);
    expect(childless).toEqual({ segment: 'p2', value: 0, std: 0, leaf: false, children: [] });
  });
});

describe('proverAdvantage', () => {
  test('is the advantage of the best of K, the advantage itself for K = 1, of the same sign for any', () => {
    forAll([unit, unit, fc.integer({ min: 1, max: 8 })], (value, parentValue, attempts) => {
      const best = (v: number): number => 1 - (1 - v) ** attempts;
      expectClose([proverAdvantage({ value, parentValue }, { attempts })], [best(value) - best(parentValue)]);
      expectClose([proverAdvantage({ value, parentValue }, { attempts: 1 })], [value - parentValue]);
      expect(proverAdvantage({ value, parentValue }) * (value - parentValue)).toBeGreaterThanOrEqual(0);
    });
    expect(proverAdvantage({ value: 0, parentValue: 0.25 })).toBe(-0.68359375);
  });
});

describe('errors', () => {
  const one = rowOf(1);
  const chain = { rewards: [1], starts: one, values: one, mask: one };
  const scored = { oldLogProbs: one, mask: one };
  const states = { groups: [0], tokens: one, starts: one, mask: one };
  test.each([
    ['shape', () => segmentSpo({ ...chain, rewards: [] }), 'segmentSpo: rewards must be of length 1; got length 0'],
    [
      'shape',
      () => segmentSpo({ ...chain, promptValues: [] }),
      'segmentSpo: promptValues must be of length 1; got length 0',
    ],
    [
      'shape',
      () => segmentSpo({ ...chain, values: rowOf(1, 2) }),
      'segmentSpo: values must be [1, 1] like mask; got [1, 2]',
    ],
    ['data', () => segmentSpo({ ...chain, mask: rowOf(2) }), 'segmentSpo: mask[0, 0] must be 0 or 1; got 2'],
    ['data', () => segmentSpo({ ...chain, starts: rowOf(0.5) }), 'segmentSpo: starts[0, 0] must be 0 or 1; got 0.5'],
    [
      'data',
      () => segmentSpo({ ...chain, values: rowOf(Number.NaN) }),
      'segmentSpo: values[0, 0] must be finite; got NaN',
    ],
    [
      'data',
      () => segmentSpo({ ...chain, rewards: [Number.POSITIVE_INFINITY] }),
      'segmentSpo: rewards[0] must be finite; got Infinity',
    ],
    [
      'data',
      () => segmentSpo({ ...chain, starts: rowOf(0), promptValues: [Number.NaN] }),
      'segmentSpo: promptValues[0] must be finite; got NaN',
    ],
    [
      'option',
      () => cutpointStarts(scored, { threshold: 0 }),
      'cutpointStarts: threshold must be positive and finite; got 0',
    ],
    [
      'option',
      () => cutpointStarts(scored, { interval: 0 }),
      'cutpointStarts: interval must be a whole number of at least 1; got 0',
    ],
    [
      'data',
      () => cutpointStarts({ ...scored, oldLogProbs: rowOf(Number.NaN) }),
      'cutpointStarts: oldLogProbs[0, 0] must be finite, for it counts; got NaN',
    ],
    [
      'option',
      () => fixedStarts(one, { tokens: 0 }),
      'fixedStarts: tokens must be a whole number of at least 1; got 0',
    ],
    [
      'option',
      () => fixedStarts(one, { segments: 1.5 }),
      'fixedStarts: segments must be a whole number of at least 1; got 1.5',
    ],
    ['data', () => fixedStarts(rowOf(3), { tokens: 1 }), 'fixedStarts: mask[0, 0] must be 0 or 1; got 3'],
    [
      'option',
      () => probabilityMask(scored, { threshold: Number.NaN }),
      'probabilityMask: threshold must be positive and finite; got NaN',
    ],
    [
      'shape',
      () => probabilityMask({ ...scored, oldLogProbs: rowOf(1, 2) }),
      'probabilityMask: mask must be [1, 2] like oldLogProbs; got [1, 1]',
    ],
    [
      'data',
      () => monteCarloValue([1, Number.NaN]),
      'monteCarloValue: rewards[1] must be finite, or null where it does not apply; got NaN',
    ],
    [
      'shape',
      () => segmentStates({ ...states, groups: [] }),
      'segmentStates: groups must be of length 1; got length 0',
    ],
    ['data', () => segmentStates({ ...states, mask: rowOf(2) }), 'segmentStates: mask[0, 0] must be 0 or 1; got 2'],
    [
      'data',
      () => treeAdvantages(treeOf([0, [1, Number.NaN]])),
      'treeAdvantages: the reward of the leaf at [1, 1] must be finite; got NaN',
    ],
    [
      'data',
      () => treeValues(treeOf(Number.POSITIVE_INFINITY)),
      'treeValues: the reward of the leaf at [] must be finite; got Infinity',
    ],
    [
      'option',
      () => treeAdvantages(treeOf([1]), { baseline: 'rloo' as 'mean' }),
      `treeAdvantages: baseline must be 'mean' or 'leave-one-out'; got "rloo"`,
    ],
    [
      'option',
      () => treeAdvantages(treeOf([1]), { scale: 'grpo' as 'none' }),
      `treeAdvantages: scale must be 'none' or 'siblings'; got "grpo"`,
    ],
    [
      'option',
      () => treeAdvantages(treeOf([1]), { epsilon: -1 }),
      'treeAdvantages: epsilon must be a finite number of at least 0; got -1',
    ],
    [
      'option',
      () => proverAdvantage({ value: 1, parentValue: 0 }, { attempts: 0 }),
      'proverAdvantage: attempts must be a whole number of at least 1; got 0',
    ],
  ] as const)('%s error, case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toBe(message);
    expect(isTsrlError(thrown, code)).toBe(true);
  });
});
