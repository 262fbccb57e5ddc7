import type { Json } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  boxIou,
  codeTests,
  cosineLength,
  groupLength,
  historyLength,
  jsonEqual,
  multisetJaccard,
  type ProblemSample,
  repetitionPenalty,
  setF1,
  shortestLengths,
  softOverlong,
  type ToolCall,
  targetLength,
  toolCalls,
  toolError,
} from '../src/index.ts';

const close = (actual: readonly (number | null)[], expected: readonly number[]): void => {
  expect(
    maxError(
      actual.map((x) => x ?? Number.NaN),
      expected,
    ),
  ).toBeLessThanOrEqual(1);
};
const lengths = fc.integer({ min: 0, max: 300 });

describe('length', () => {
  test('cosineLength: golden values, ends, monotone in between', () => {
    const reward = cosineLength({ maxLength: 100 });
    const at = (correct: boolean | null) => (length: number) => ({ length, correct });
    close(reward([0, 50, 100, 200].map(at(true))), [1, 0.75, 0.5, 0.5]);
    close(reward([0, 50, 100, 200].map(at(false))), [-1, -0.75, -0.5, -0.5]);
    expect(reward([at(null)(3)])).toEqual([null]);
    expect(cosineLength({ maxLength: 100, exceeded: -10 })([at(true)(99), at(true)(100)])[1]).toBe(-10);
    forAll([lengths, lengths], (a, b) => {
      const [short, long] = reward([at(true)(Math.min(a, b)), at(true)(Math.max(a, b))]) as [number, number];
      expect(short).toBeGreaterThanOrEqual(long);
    });
    expect(() => cosineLength({ maxLength: 0 })).toThrow('cosineLength: maxLength must be positive and finite; got 0');
    expect(() => cosineLength({ maxLength: 1, correct: [Number.NaN, 0] })).toThrow(
      'cosineLength: correct[0] must be finite',
    );
  });

  test('softOverlong: golden values, variants, the piecewise form of the paper', () => {
    const of = (options: object, ...ns: number[]): readonly (number | null)[] =>
      softOverlong({ maxLength: 100, cache: 20, ...options })(ns.map((length) => ({ length })));
    close(of({}, 80, 85, 90, 100, 101), [0, -0.25, -0.5, -1, -1]);
    close(of({ bounded: false }, 100, 110), [-1, -1.5]);
    close(of({ weight: 2 }, 90, 200), [-1, -2]);
    expect(of({ cache: 0 }, 99, 100, 101)).toEqual([0, 0, -1]);
    forAll([lengths, fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 })], (n, max, part) => {
      const cache = Math.min(max, part);
      const expected = n <= max - cache ? 0 : n <= max ? (max - cache - n) / cache : -1;
      close(softOverlong({ maxLength: max, cache })([{ length: n }]), [expected]);
    });
    const messages: [object, string][] = [
      [{ maxLength: 0 }, 'softOverlong: maxLength must be positive and finite; got 0'],
      [{ cache: 101 }, 'softOverlong: cache must be in [0, maxLength]; got 101'],
      [{ weight: 0 }, 'softOverlong: weight must be positive and finite; got 0'],
      [{ cache: 0, bounded: false }, 'softOverlong: cache must be positive where the penalty has no bound; got 0'],
    ];
    for (const [options, message] of messages) expect(() => of(options)).toThrow(message);
  });

  test('repetitionPenalty: an oracle over joined n-grams', () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 20 });
    forAll([tokens, fc.integer({ min: 1, max: 4 })], (ids, n) => {
      const grams = ids.slice(n - 1).map((_, i) => ids.slice(i, i + n).join());
      const expected = grams.length === 0 ? 0 : -0.5 * (1 - new Set(grams).size / grams.length);
      close(repetitionPenalty({ ngram: n, maxPenalty: -0.5 })([{ tokens: ids }]), [expected]);
      const covered = ids.map((_, t) =>
        grams.some((gram, i) => i <= t && t < i + n && grams.indexOf(gram) < i) ? 1 : 0,
      );
      const share = ids.length === 0 ? 0 : covered.reduce<number>((sum, c) => sum + c, 0) / ids.length;
      close(repetitionPenalty({ ngram: n, share: 'tokens' })([{ tokens: ids }]), [grams.length === 0 ? 0 : -share]);
    });
    expect(repetitionPenalty({ ngram: 2 })([{ tokens: [5, 5, 5, 5, 5] }, { tokens: [1, 2, 3] }])).toEqual([-0.75, 0]);
    expect(() => repetitionPenalty({ maxPenalty: 0.1 })).toThrow(
      'repetitionPenalty: maxPenalty must be finite and at most 0',
    );
    expect(() => repetitionPenalty({ ngram: 0 })).toThrow('repetitionPenalty: ngram must be a positive integer; got 0');
    expect(() => repetitionPenalty({ share: 'x' as 'tokens' })).toThrow(
      "repetitionPenalty: share must be 'ngrams' or 'tokens'",
    );
  });

  test('groupLength: the golden group, one length, the sigmoid', () => {
    const group = [100, 200, 300].map((length) => ({ length, correct: true, group: 'a' }));
    const other = { length: 5, correct: false, group: 'b' };
    expect(groupLength()([...group, other])).toEqual([0.5, 0, -0.5, 0]);
    expect(groupLength()(group.map((sample) => ({ ...sample, correct: false })))).toEqual([0, 0, -0.5]);
    const alpha = 0.4;
    const sigmoid = groupLength({ kind: 'sigmoid', alpha })([...group, other]);
    const std = Math.sqrt(20_000 / 3);
    const expected = [-100, 0, 100].map((d) => 1 - alpha / (1 + Math.exp(-d / std)));
    close(sigmoid, [...expected, 0]);
    expect(groupLength({ kind: 'sigmoid', alpha })([group[0]!])).toEqual([0.8]);
    expect(() => groupLength({ alpha: 2 })).toThrow('groupLength: alpha must be in [0, 1]; got 2');
    expect(() => groupLength({ kind: 'x' as 'range' })).toThrow(
      "groupLength: kind must be 'range' or 'sigmoid'; got \"x\"",
    );
  });

  test('targetLength', () => {
    const sample = { length: 600, correct: true, target: 500 };
    close(targetLength()([sample, { ...sample, correct: false }]), [1 - 0.03, -0.03]);
    close(
      targetLength({ kind: 'maximum' })([sample, { ...sample, length: 9000 }, { ...sample, correct: false }]),
      [0.47, 0, 0],
    );
    expect(targetLength()([{ ...sample, correct: null }])).toEqual([null]);
    expect(() => targetLength({ alpha: -1 })).toThrow('targetLength: alpha must be at least 0; got -1');
    expect(() => targetLength({ delta: 2 })).toThrow('targetLength: delta must be in [0, 1]; got 2');
    expect(() => targetLength({ kind: 'x' as 'exact' })).toThrow(
      "targetLength: kind must be 'exact' or 'maximum'; got \"x\"",
    );
  });

  test('historyLength: golden values, order of right and wrong, its tracker', () => {
    const at =
      (correct: boolean) =>
      (length: number): ProblemSample => ({ length, correct, problem: 'p' });
    const reward = historyLength({ shortest: { p: 100 } });
    const ns = [0, 50, 100, 150, 200, 400];
    const half = Math.SQRT1_2;
    close(reward(ns.map(at(true))), [2, 1 + half, 1, 0.3, 0.3, 0.3]);
    close(reward(ns.map(at(false))), [0, 0, 0, -half, -1, -1]);
    const line = historyLength({ shortest: { p: 100 }, kind: 'linear' });
    close(line([50, 105, 150, 300].map(at(true))), [1.5, 1, 0.6, 0.3]);
    close(line([50, 105, 150, 300].map(at(false))), [0, 0, -0.4, -1]);
    expect(historyLength({ shortest: {} })([at(true)(5), at(false)(5)])).toEqual([1, 0]);
    forAll([lengths, lengths, fc.double({ min: 0, max: 1, noNaN: true })], (a, b, weight) => {
      const weighted = historyLength({ shortest: { p: 100 }, weight });
      expect(weighted([at(true)(a)])[0]).toBeGreaterThan(weighted([at(false)(b)])[0] as number);
    });
    forAll([fc.array(fc.tuple(lengths, fc.boolean()), { maxLength: 8 })], (samples) => {
      const batch = samples.map(([length, correct]) => at(correct)(length));
      const state = shortestLengths.update({ p: 150 }, batch);
      expect(state).toEqual(shortestLengths.update({ p: 150 }, batch.toReversed()));
      expect(state['p']).toBe(Math.min(150, ...samples.filter(([, right]) => right).map(([length]) => length)));
    });
    expect(() => historyLength({ shortest: {}, weight: 2 })).toThrow('historyLength: weight must be in [0, 1]; got 2');
    expect(() => historyLength({ shortest: {}, kind: 'x' as 'linear' })).toThrow(
      "historyLength: kind must be 'cosine' or 'linear'",
    );
  });
});

describe('what is no length', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('%d is refused by every reward of length', (length) => {
    const sample = { length, correct: true, target: 5, group: 'a', problem: 'p' };
    const message = `length must be finite and at least 0; got ${length}`;
    expect(() => softOverlong({ maxLength: 9, cache: 3 })([sample])).toThrow(`softOverlong: ${message}`);
    expect(() => cosineLength({ maxLength: 9 })([sample])).toThrow(`cosineLength: ${message}`);
    expect(() => targetLength()([sample])).toThrow(`targetLength: ${message}`);
    expect(() => targetLength()([{ ...sample, length: 3, target: length }])).toThrow(`targetLength: target must be`);
    expect(() => groupLength()([sample])).toThrow(`groupLength: ${message}`);
    expect(() => historyLength({ shortest: { p: 9 } })([sample])).toThrow(`historyLength: ${message}`);
    expect(() => shortestLengths.update({}, [sample])).toThrow(`shortestLengths: ${message}`);
  });

  test('a problem may have the name of what every object inherits', () => {
    for (const problem of ['constructor', '__proto__', 'toString']) {
      const sample = { problem, length: 7, correct: true };
      const shortest = shortestLengths.update(shortestLengths.update({}, [sample]), [{ ...sample, length: 9 }]);
      expect(Object.entries(shortest)).toEqual([[problem, 7]]);
      expect(historyLength({ shortest })([{ ...sample, length: 0 }])).toEqual([2]);
    }
  });
});

describe('tests and tools', () => {
  test('codeTests', () => {
    const tests = { compiled: true, runtimeError: false, timedOut: false, passed: 3, total: 4 };
    const of = (options: object, change: object): number | null | undefined =>
      codeTests(options)([{ tests: { ...tests, ...change } }])[0];
    expect([of({}, {}), of({}, { passed: 4 }), of({}, { total: 0, passed: 0 })]).toEqual([0, 1, null]);
    expect(of({ kind: 'fraction' }, {})).toBe(0.75);
    const ladder = { kind: 'ladder' };
    expect(of(ladder, { compiled: false })).toBe(-1);
    expect(of(ladder, { timedOut: true })).toBe(-0.6);
    expect(of(ladder, { runtimeError: true })).toBe(-0.6);
    expect(of(ladder, {})).toBe(-0.3);
    expect(of(ladder, { passed: 4 })).toBe(1);
    expect(of({ ...ladder, partial: 0.2 }, {})).toBeCloseTo(-0.15, 12);
    expect(codeTests()([{ tests: null }])).toEqual([null]);
    const count = fc.integer({ min: 0, max: 9 });
    forAll([count, count, fc.constantFrom('allPass', 'fraction', 'ladder')], (a, b, kind) => {
      const score = (passed: number): number => of({ kind, partial: 0.2 }, { passed, total: 9 }) as number;
      expect(score(Math.min(a, b))).toBeLessThanOrEqual(score(Math.max(a, b)));
    });
    expect(() => of({}, { passed: 5 })).toThrow('codeTests: passed must be a count of at most total; got 5 of 4');
    expect(() => codeTests({ partial: 0.3 })).toThrow('codeTests: partial must be in [0, 0.3); got 0.3');
    expect(() => codeTests({ kind: 'x' as 'ladder' })).toThrow(
      "codeTests: kind must be 'allPass', 'fraction' or 'ladder'",
    );
  });

  const f = (parameters: ToolCall['parameters'], name = 'f'): ToolCall => ({ name, parameters });

  test('toolCalls: golden values, matching, ends of the range', () => {
    const goldCalls = [f({ a: 1, b: 2 })];
    const of = (calls: readonly ToolCall[] | null, gold: readonly ToolCall[] = goldCalls): number | null | undefined =>
      toolCalls()([{ calls, goldCalls: gold }])[0];
    expect(of([f({ b: 2, a: 1 })])).toBe(3);
    expect(of([f({ a: 1, b: 3 })])).toBe(1.5);
    expect(of([f({ a: 1, b: 2 }, 'g')])).toBe(-3);
    expect([of(null), of([]), of([f({})], [])]).toEqual([-3, -3, 0]);
    const two = [f({ x: [1, { y: null }] }), f({ x: 2 })];
    expect(of(two.toReversed(), two)).toBe(3);
    expect(of([...two, ...two], two)).toBeLessThan(3);
    expect(() => toolCalls({ range: [1, 1] })).toThrow(
      'toolCalls: range must be two finite numbers in ascending order',
    );
  });

  test('toolError: every rung', () => {
    const tools = { f: ['a', 'b', 'c'], g: [] };
    const of = (call: ToolCall | null, goldCall: ToolCall | null = f({ a: 1, b: 2 })): number | null | undefined =>
      toolError()([{ call, goldCall, tools }])[0];
    expect(of(null)).toBe(-2);
    expect(of(f({}, 'h'))).toBe(-2);
    expect(of(f({}, '__proto__'))).toBe(-2);
    expect(of(f({}, 'g'))).toBe(-1.5);
    expect(of(f({ a: 1, c: 1, z: 1 }))).toBe(-1.8);
    expect(of(f({ a: 1, z: 1 }))).toBe(-1.3);
    expect(of(f({ a: 1, b: 2, c: 1, z: 1 }))).toBe(-1.3);
    expect(of(f({ a: 1, c: 1 }))).toBe(-1);
    expect(of(f({ a: 1, b: 2, z: 1 }))).toBe(-0.8);
    expect(of(f({ a: 1 }))).toBe(-0.5);
    expect(of(f({ a: 1, b: 2, c: 1 }))).toBe(-0.5);
    expect(of(f({ a: 1, b: 3 }))).toBe(-0.25);
    expect(of(f({ b: '2', a: '1' }))).toBe(1);
    expect(of(null, null)).toBeNull();
    expect(() => toolError({ identical: Number.NaN })).toThrow('toolError: identical must be finite; got NaN');
  });

  test('toolError: values that are lists or objects, in any order of keys and as deep as a text can be', () => {
    const of = (value: Json, gold: Json): number | null | undefined =>
      toolError()([
        {
          call: { name: 'f', parameters: { a: value } },
          goldCall: { name: 'f', parameters: { a: gold } },
          tools: { f: ['a'] },
        },
      ])[0];
    expect(of({ x: 1, y: [2] }, { y: [2], x: 1 })).toBe(1);
    expect(of({ x: 1 }, { x: '1' })).toBe(-0.25);
    expect(of('3', 3)).toBe(1);
    expect(of('true', true)).toBe(1);
    const deep = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)) as Json;
    expect(of(deep, [1])).toBe(-0.25);
    expect(of(deep, '[1]')).toBe(-0.25);
  });

  test('sets and boxes', () => {
    expect(setF1(['a', 'a', 'b'], ['b', 'c'])).toBe(0.5);
    expect(setF1([], [])).toBe(1);
    expect(multisetJaccard(['a', 'a', 'b'], ['a', 'b', 'c'])).toBe(0.5);
    expect(multisetJaccard([], [])).toBe(1);
    expect(boxIou([0, 0, 2, 2], [1, 1, 3, 3])).toBeCloseTo(1 / 7, 12);
    expect(boxIou([0, 0, 1, 1], [1, 0, 2, 1])).toBe(0);
    expect([boxIou([1, 1, 1, 1], [1, 1, 1, 1]), boxIou([1, 1, 1, 1], [0, 0, 2, 2])]).toEqual([1, 0]);
    const side = fc.integer({ min: 0, max: 9 });
    const box = fc
      .tuple(side, side, side, side)
      .map(([x, y, w, h]): [number, number, number, number] => [x, y, x + w, y + h]);
    forAll([box, box], (a, b) => {
      expect(boxIou(a, b)).toBe(boxIou(b, a));
      expect(boxIou(a, b) === 1).toBe(a.join() === b.join());
    });
    expect(() => boxIou([1, 0, 0, 1], [0, 0, 1, 1])).toThrow(
      'boxIou: a must be finite [left, top, right, bottom] in order',
    );
  });

  test('jsonEqual', () => {
    expect(jsonEqual({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toBe(true);
    expect(jsonEqual({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true);
    expect(jsonEqual([1, 2], [2, 1])).toBe(false);
    expect(jsonEqual([], {})).toBe(false);
    expect(jsonEqual({ a: 1 }, { a: 1, b: 1 })).toBe(false);
    expect(jsonEqual({ toString: 1 }, { a: 1 })).toBe(false);
    expect(jsonEqual(1, 1.5, (a, b) => Math.abs(a - b) < 1)).toBe(true);
    expect(jsonEqual('1', 1)).toBe(false);
  });
});
