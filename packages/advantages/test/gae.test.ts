import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { discountedReturns, type GaeInputs, gae, placeOutcome, whiten } from '../src/index.ts';

const tight = { absolute: 1e-12, relative: 1e-12 };
const real = fc.double({ min: -5, max: 5, noNaN: true });
const unit = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));
const bit = fc.constantFrom(0, 1);

const gridFrom = (rows: number, columns: number, of: fc.Arbitrary<number>): fc.Arbitrary<Grid> =>
  fc
    .array(of, { minLength: rows * columns, maxLength: rows * columns })
    .map((data) => ({ data: Float64Array.from(data), rows, columns }));

interface Full extends GaeInputs {
  readonly bootstrap: Float64Array;
  readonly terminal: Grid;
}

/** Rewards and values are drawn at masked positions too. */
const batches: fc.Arbitrary<Full> = fc
  .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 0, max: 7 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rewards: gridFrom(rows, columns, real),
      values: gridFrom(rows, columns, real),
      mask: gridFrom(rows, columns, bit),
      terminal: gridFrom(rows, columns, fc.constantFrom(0, 0, 0, 1)),
      bootstrap: fc.array(real, { minLength: rows, maxLength: rows }).map((data) => Float64Array.from(data)),
    }),
  );

const row = (grid: Grid, i: number): number[] => Array.from(grid.data.slice(i * grid.columns, (i + 1) * grid.columns));

/** Row by row from the double sum of the definition: A_i = sum over k of (γλ)^k δ_{i+k}, no recursion. */
function oracle({ rewards, values, mask, bootstrap, terminal }: Full, gamma: number, lambda: number, zero: boolean) {
  const advantages: number[] = [];
  const returns: number[] = [];
  for (let b = 0; b < mask.rows; b++) {
    const m = row(mask, b);
    const end = m.lastIndexOf(1) + 1;
    // The steps that the recursion walks over: all up to the last valid one (zero), or the valid ones (skip).
    const steps = m.flatMap((valid, t) => (t < end && (zero || valid === 1) ? [t] : []));
    const r = steps.map((t) => (row(mask, b)[t] === 1 ? (row(rewards, b)[t] as number) : 0));
    const v = steps.map((t) => (m[t] === 1 ? (row(values, b)[t] as number) : 0));
    const ends = steps.map((t) => m[t] === 1 && row(terminal, b)[t] === 1);
    const outA = m.map(() => 0);
    const outR = m.map(() => 0);
    steps.forEach((t, i) => {
      if (m[t] !== 1) return;
      let sum = 0;
      for (let k = i; k < steps.length; k++) {
        const after = ends[k] ? 0 : k + 1 < steps.length ? (v[k + 1] as number) : (bootstrap[b] as number);
        sum += (gamma * lambda) ** (k - i) * ((r[k] as number) + gamma * after - (v[k] as number));
        if (ends[k]) break;
      }
      outA[t] = sum;
      outR[t] = sum + (v[i] as number);
    });
    advantages.push(...outA);
    returns.push(...outR);
  }
  return { advantages, returns };
}

const only = (values: readonly number[]): Grid => gridOf([values]);
const ones = (n: number): Grid => only(Array.from({ length: n }, () => 1));

describe('golden values of the specification', () => {
  const rewards = only([0, 0, 0, 1]);
  const values = only([0.1, 0.2, 0.3, 0.4]);
  const mask = ones(4);
  test.each([
    [{}, [0.799675, 0.7365, 0.67, 0.6]],
    [{ lambda: 1 }, [0.9, 0.8, 0.7, 0.6]],
    [{ lambda: 0 }, [0.1, 0.1, 0.1, 0.6]],
    [{ gamma: 0.99, lambda: 0.95 }, [0.7732904271, 0.71801215, 0.6603, 0.6]],
  ])('%j', (options, expected) => {
    const { advantages, returns } = gae({ rewards, values, mask }, options);
    expect(maxError(advantages.data, expected, { absolute: 6e-11, relative: 0 })).toBeLessThanOrEqual(1);
    const targets = expected.map((a, t) => a + (values.data[t] as number));
    expect(maxError(returns.data, targets, { absolute: 6e-11, relative: 0 })).toBeLessThanOrEqual(1);
  });

  test('returns', () => {
    expect(maxError(gae({ rewards, values, mask }).returns.data, [0.899675, 0.9365, 0.97, 1], tight)).toBeLessThan(1);
  });

  test('a hole, skipped: nothing at it is read', () => {
    const holes = { rewards: only([0, 9, 0, 1]), values: only([0.1, 7, 0.3, 0.4]), mask: only([1, 0, 1, 1]) };
    const { advantages, metrics } = gae(holes);
    expect(maxError(advantages.data, [0.8365, 0, 0.67, 0.6], tight)).toBeLessThan(1);
    expect(metrics).toEqual({ tokens: 3, emptyRows: 0, droppedRewards: 1 });
    const nan = { ...holes, rewards: only([0, Number.NaN, 0, 1]), values: only([0.1, Number.NaN, 0.3, 0.4]) };
    expect(gae(nan).advantages).toEqual(advantages);
    expect(gae(nan, { masked: 'zero' }).advantages).toEqual(gae(holes, { masked: 'zero' }).advantages);
  });

  test('whitened', () => {
    const whitened = whiten(gae({ rewards, values, mask }).advantages, mask);
    const expected = [1.1418370222, 0.4067444408, -0.3670372238, -1.1815442392];
    expect(maxError(whitened.data, expected, { absolute: 6e-11, relative: 0 })).toBeLessThanOrEqual(1);
  });

  test('a hole, as a state of value 0', () => {
    // δ3 = 1 − 0.4; δ2 = 0.5·0.4 − 0.3; hole: δ1 = 0.5·0.3; δ0 = −0.1, with γλ = 0.25
    const inputs = { rewards: only([0, 9, 0, 1]), values: only([0.1, 7, 0.3, 0.4]), mask: only([1, 0, 1, 1]) };
    const { advantages } = gae(inputs, { gamma: 0.5, lambda: 0.5, masked: 'zero' });
    const a2 = -0.1 + 0.25 * 0.6;
    expect(maxError(advantages.data, [-0.1 + 0.25 * (0.15 + 0.25 * a2), 0, a2, 0.6], tight)).toBeLessThan(1);
  });
});

describe('gae', () => {
  test('is the discounted sum of one-step errors, in both conventions', () => {
    forAll([batches, unit, unit, fc.boolean()], (inputs, gamma, lambda, zero) => {
      const expected = oracle(inputs, gamma, lambda, zero);
      const actual = gae(inputs, { gamma, lambda, masked: zero ? 'zero' : 'skip' });
      expect(maxError(actual.advantages.data, expected.advantages, tight)).toBeLessThanOrEqual(1);
      expect(maxError(actual.returns.data, expected.returns, tight)).toBeLessThanOrEqual(1);
      expect(actual.metrics).toEqual({
        tokens: inputs.mask.data.filter((m) => m === 1).length,
        emptyRows: Array.from({ length: inputs.mask.rows }, (_, i) => row(inputs.mask, i)).filter((m) => !m.includes(1))
          .length,
        droppedRewards: inputs.rewards.data.filter((r, i) => r !== 0 && inputs.mask.data[i] === 0).length,
      });
    });
  });

  test('without terminal and bootstrap, is the same as with zeros for them', () => {
    forAll([batches], ({ rewards, values, mask, terminal, bootstrap }) => {
      const zeros = { terminal: { ...terminal, data: terminal.data.fill(0) }, bootstrap: bootstrap.fill(0) };
      expect(gae({ rewards, values, mask })).toEqual(gae({ rewards, values, mask, ...zeros }));
    });
  });

  test('lambda 1: discounted reward to go with the bootstrap, minus the value; returns know no value', () => {
    forAll([batches, unit], ({ rewards, values, mask, bootstrap }, gamma) => {
      const { advantages, returns } = gae({ rewards, values, mask, bootstrap }, { gamma, lambda: 1 });
      const toGo = discountedReturns({ rewards, mask }, { gamma }).data.map((r, at) => {
        const end = (Math.floor(at / mask.columns) + 1) * mask.columns;
        const left = mask.data.slice(at, end).reduce((n, m) => n + m, 0);
        const b = Math.floor(at / mask.columns);
        return mask.data[at] === 1 ? r + gamma ** left * (bootstrap[b] as number) : 0;
      });
      expect(maxError(returns.data, toGo, { absolute: 1e-11, relative: 0 })).toBeLessThanOrEqual(1);
      const expected = toGo.map((r, at) => (mask.data[at] === 1 ? r - (values.data[at] as number) : 0));
      expect(maxError(advantages.data, expected, { absolute: 1e-11, relative: 0 })).toBeLessThanOrEqual(1);
    });
  });

  test('values 0 and lambda 1: the reward to go, in both conventions', () => {
    forAll([batches, unit, fc.constantFrom('skip', 'zero')], ({ rewards, mask }, gamma, masked) => {
      const values = { ...mask, data: mask.data.map(() => 0) };
      const { advantages } = gae({ rewards, values, mask }, { gamma, lambda: 1, masked });
      expect(maxError(advantages.data, discountedReturns({ rewards, mask }, { gamma, masked }).data, tight)).toBe(0);
    });
  });

  test('one token (T = 1): r − V for any gamma and lambda', () => {
    forAll([real, real, unit, unit], (reward, value, gamma, lambda) => {
      const inputs = { rewards: only([reward]), values: only([value]), mask: only([1]) };
      expect(gae(inputs, { gamma, lambda }).advantages.data[0]).toBe(reward - value);
    });
  });

  test('linear in rewards, values and bootstrap together', () => {
    forAll([batches, batches, real, unit, unit], (x, y, factor, gamma, lambda) => {
      const fits = x.mask.rows === y.mask.rows && x.mask.columns === y.mask.columns;
      const second = fits ? y : x;
      const mix = (a: Float64Array, b: Float64Array): Float64Array => a.map((v, i) => v + factor * (b[i] as number));
      const grid = (a: Grid, b: Grid): Grid => ({ ...a, data: mix(a.data, b.data) });
      const { mask, terminal } = x;
      const of = (i: Pick<Full, 'rewards' | 'values' | 'bootstrap'>): Grid =>
        gae({ ...i, mask, terminal }, { gamma, lambda }).advantages;
      const mixed = of({
        rewards: grid(x.rewards, second.rewards),
        values: grid(x.values, second.values),
        bootstrap: mix(x.bootstrap, second.bootstrap),
      });
      expect(maxError(mixed.data, grid(of(x), of(second)).data, { absolute: 1e-11, relative: 0 })).toBeLessThanOrEqual(
        1,
      );
    });
  });

  test('deleting the masked tokens changes nothing at the others (skip); suffix padding is alike in both', () => {
    forAll([batches, unit, unit], ({ rewards, values, mask, terminal, bootstrap }, gamma, lambda) => {
      const { advantages } = gae({ rewards, values, mask, terminal, bootstrap }, { gamma, lambda });
      for (let b = 0; b < mask.rows; b++) {
        const keep = (grid: Grid): Grid => only(row(grid, b).filter((_, t) => row(mask, b)[t] === 1));
        const dense = { rewards: keep(rewards), values: keep(values), terminal: keep(terminal), mask: keep(mask) };
        const boot = bootstrap.slice(b, b + 1);
        const expected = gae({ ...dense, bootstrap: boot }, { gamma, lambda }).advantages;
        expect(keep(advantages)).toEqual(expected);
        const pad = (grid: Grid, filler: number): Grid => only([...row(grid, 0), filler, filler]);
        const padded = {
          rewards: pad(dense.rewards, 3),
          values: pad(dense.values, Number.NaN),
          terminal: pad(dense.terminal, 1),
          mask: pad(dense.mask, 0),
          bootstrap: boot,
        };
        expect(gae(padded, { gamma, lambda, masked: 'zero' })).toMatchObject({ advantages: pad(expected, 0) });
        expect(gae(padded, { gamma, lambda })).toMatchObject({ advantages: pad(expected, 0) });
      }
    });
  });

  test('potential-based shaping leaves the advantages', () => {
    forAll([batches, unit, unit, fc.infiniteStream(real)], (x, gamma, lambda, stream) => {
      const potential = x.mask.data.map(() => stream.next().value as number);
      const after = x.bootstrap.map(() => stream.next().value as number);
      const shaped = { ...x.rewards, data: x.rewards.data.slice() };
      for (let b = 0; b < x.mask.rows; b++) {
        let next = after[b] as number;
        for (let at = (b + 1) * x.mask.columns - 1; at >= b * x.mask.columns; at--) {
          if (x.mask.data[at] === 0) continue;
          const flows = x.terminal.data[at] === 1 ? 0 : next; // the potential of an end is 0
          shaped.data[at] = (shaped.data[at] as number) + gamma * flows - (potential[at] as number);
          next = potential[at] as number;
        }
      }
      const values = { ...x.values, data: x.values.data.map((v, i) => v - (potential[i] as number)) };
      const bootstrap = x.bootstrap.map((v, i) => v - (after[i] as number));
      const actual = gae({ ...x, rewards: shaped, values, bootstrap }, { gamma, lambda }).advantages;
      const expected = gae(x, { gamma, lambda }).advantages;
      expect(maxError(actual.data, expected.data, { absolute: 1e-11, relative: 0 })).toBeLessThanOrEqual(1);
    });
  });

  test('a terminal token ends an episode: what follows is another row', () => {
    forAll([batches, batches, unit, unit], (x, y, gamma, lambda) => {
      if (x.mask.rows === 0 || y.mask.rows === 0 || x.mask.columns === 0) return;
      const join = (of: (i: Full) => Grid): Grid => only([...row(of(x), 0), ...row(of(y), 0)]);
      const last = x.mask.columns - 1;
      const end = (g: Grid, value: number): Grid => only(row(g, 0).map((v, t) => (t === last ? value : v)));
      const terminal = only([...row(end(x.terminal, 1), 0), ...row(y.terminal, 0)]);
      const mask = only([...row(end(x.mask, 1), 0), ...row(y.mask, 0)]);
      const inputs = { rewards: join((i) => i.rewards), values: join((i) => i.values), terminal, mask };
      const both = gae({ ...inputs, bootstrap: y.bootstrap.slice(0, 1) }, { gamma, lambda }).advantages;
      const first = gae(
        {
          ...x,
          mask: { ...x.mask, data: x.mask.data.map((m, i) => (i === last ? 1 : m)) },
          bootstrap: x.bootstrap.map((v, b) => (b === 0 ? 0 : v)),
        },
        { gamma, lambda },
      );
      const expected = [...row(first.advantages, 0), ...row(gae(y, { gamma, lambda }).advantages, 0)];
      expect(maxError(both.data, expected, tight)).toBe(0);
    });
  });

  test('an all-zero mask gives zeros, whatever stands there', () => {
    const nan = only([Number.NaN, Number.POSITIVE_INFINITY]);
    const { advantages, returns, metrics } = gae({
      rewards: nan,
      values: nan,
      mask: only([0, 0]),
      bootstrap: [Number.NaN],
    });
    expect([...advantages.data, ...returns.data]).toEqual([0, 0, 0, 0]);
    expect(metrics).toEqual({ tokens: 0, emptyRows: 1, droppedRewards: 2 });
  });

  test('no entry that counts hides when it is not finite, whatever follows; those that do not count never matter', () => {
    const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const where = fc.tuple(fc.constantFrom('rewards' as const, 'values' as const), fc.nat());
    const options = fc.record({ gamma: unit, lambda: unit, masked: fc.constantFrom('skip' as const, 'zero' as const) });
    forAll([batches, where, bad, options], (inputs, [name, pick], value, options) => {
      const { mask } = inputs;
      if (mask.data.length === 0) return;
      const at = pick % mask.data.length;
      const spoilt = { ...inputs, [name]: { ...mask, data: inputs[name].data.with(at, value) } };
      if (mask.data[at] === 0) {
        expect(gae(spoilt, options).returns).toEqual(gae(inputs, options).returns);
        return;
      }
      const entry = `[${Math.floor(at / mask.columns)}, ${at % mask.columns}]`;
      expect(() => gae(spoilt, options)).toThrow(`gae: ${name}${entry} must be finite, for it counts; got ${value}`);
    });
    forAll([batches, fc.nat(), bad, options], (inputs, pick, value, options) => {
      if (inputs.mask.rows === 0) return;
      const b = pick % inputs.mask.rows;
      const call = () => gae({ ...inputs, bootstrap: inputs.bootstrap.with(b, value) }, options);
      if (row(inputs.mask, b).includes(1)) expect(call).toThrow(`gae: bootstrap[${b}] must be finite; got ${value}`);
      else expect(call()).toEqual(gae(inputs, options));
    });
    forAll([batches, fc.nat(), fc.constantFrom(0.5, 2, -1, Number.NaN), options], (inputs, pick, value, options) => {
      const { mask } = inputs;
      if (mask.data.length === 0) return;
      const at = pick % mask.data.length;
      const entry = `[${Math.floor(at / mask.columns)}, ${at % mask.columns}]`;
      const call = () => gae({ ...inputs, mask: { ...mask, data: mask.data.with(at, value) } }, options);
      expect(call).toThrow(`gae: mask${entry} must be 0 or 1; got ${value}`);
    });
  });

  test('the first fault in the order mask, rewards, values, bootstrap is the one named', () => {
    const inf = only([Number.POSITIVE_INFINITY, 1]);
    const all = { rewards: inf, values: inf, mask: only([1, 3]), bootstrap: [Number.NaN] };
    expect(() => gae(all)).toThrow('mask[0, 1]');
    expect(() => gae({ ...all, mask: ones(2) })).toThrow('rewards[0, 0]');
    expect(() => gae({ ...all, mask: ones(2), rewards: ones(2) })).toThrow('values[0, 0]');
    expect(() => gae({ ...all, mask: ones(2), rewards: ones(2), values: ones(2) })).toThrow('bootstrap[0]');
  });

  test('finite inputs whose sum overflows are no fault', () => {
    const huge = only([1e308, 1e308]);
    const { advantages } = gae({ rewards: huge, values: only([0, 0]), mask: ones(2), bootstrap: [0] }, { lambda: 1 });
    expect([...advantages.data]).toEqual([Number.POSITIVE_INFINITY, 1e308]);
  });

  test('does not touch its arguments', () => {
    forAll([batches], (inputs) => {
      const before = structuredClone(inputs);
      gae(inputs);
      expect(inputs).toEqual(before);
    });
  });
});

describe('discountedReturns and placeOutcome', () => {
  test('gamma 1: the first valid token has the whole sum; gamma 0: the rewards', () => {
    forAll([batches], ({ rewards, mask }) => {
      const returns = discountedReturns({ rewards, mask });
      for (let b = 0; b < mask.rows; b++) {
        const first = row(mask, b).indexOf(1);
        if (first < 0) continue;
        const sum = row(rewards, b).reduce((s, r, t) => (row(mask, b)[t] === 1 ? s + r : s), 0);
        expect(row(returns, b)[first]).toBeCloseTo(sum, 10);
      }
      const now = discountedReturns({ rewards, mask }, { gamma: 0 }).data;
      expect(
        maxError(
          now,
          rewards.data.map((r, i) => (mask.data[i] === 1 ? r : 0)),
          tight,
        ),
      ).toBe(0);
    });
  });

  test('a hole does not discount (skip) or does (zero)', () => {
    const inputs = { rewards: only([0, 5, 0, 1]), mask: only([1, 0, 1, 1]) };
    expect([...discountedReturns(inputs, { gamma: 0.5 }).data]).toEqual([0.25, 0, 0.5, 1]);
    expect([...discountedReturns(inputs, { gamma: 0.5, masked: 'zero' }).data]).toEqual([0.125, 0, 0.5, 1]);
  });

  test('the outcome stands on the last valid token', () => {
    const mask = gridOf([
      [1, 1, 0],
      [0, 0, 0],
      [1, 0, 1],
    ]);
    expect([...placeOutcome([2, Number.NaN, -3], mask).data]).toEqual([0, 2, 0, 0, 0, 0, 0, 0, -3]);
  });

  test('placed outcomes, undiscounted, reach every valid token', () => {
    forAll([batches], ({ mask, bootstrap: outcomes }) => {
      const returns = discountedReturns({ rewards: placeOutcome(outcomes, mask), mask });
      const expected = mask.data.map((m, at) => (m === 1 ? (outcomes[Math.floor(at / mask.columns)] as number) : 0));
      expect(maxError(returns.data, expected, tight)).toBe(0);
    });
  });
});

describe('errors', () => {
  const two = only([1, 2]);
  const good = { rewards: two, values: two, mask: ones(2) };
  test.each([
    ['option', () => gae(good, { gamma: 1.1 }), 'gae: gamma must be in [0, 1]; got 1.1'],
    ['option', () => gae(good, { lambda: Number.NaN }), 'gae: lambda must be in [0, 1]; got NaN'],
    ['option', () => gae(good, { masked: 'drop' as 'skip' }), `gae: masked must be 'skip' or 'zero'; got "drop"`],
    ['shape', () => gae({ ...good, values: ones(3) }), 'gae: values must be [1, 2] like rewards; got [1, 3]'],
    ['shape', () => gae({ ...good, terminal: ones(3) }), 'gae: terminal must be [1, 2] like rewards; got [1, 3]'],
    ['shape', () => gae({ ...good, bootstrap: [1, 2] }), 'gae: bootstrap must be of length 1; got length 2'],
    ['data', () => gae({ ...good, mask: only([1, 0.5]) }), 'gae: mask[0, 1] must be 0 or 1; got 0.5'],
    ['data', () => gae({ ...good, mask: only([Number.NaN, 1]) }), 'gae: mask[0, 0] must be 0 or 1; got NaN'],
    [
      'data',
      () => gae({ ...good, rewards: only([1, Number.NaN]) }),
      'gae: rewards[0, 1] must be finite, for it counts; got NaN',
    ],
    [
      'data',
      () => gae({ ...good, values: only([Number.POSITIVE_INFINITY, 1]) }),
      'gae: values[0, 0] must be finite, for it counts; got Infinity',
    ],
    ['data', () => gae({ ...good, bootstrap: [Number.NaN] }), 'gae: bootstrap[0] must be finite; got NaN'],
    ['option', () => discountedReturns(good, { gamma: -1 }), 'discountedReturns: gamma must be in [0, 1]; got -1'],
    ['shape', () => placeOutcome([1, 2], ones(2)), 'placeOutcome: outcomes must be of length 1; got length 2'],
    ['data', () => placeOutcome([Number.NaN], ones(2)), 'placeOutcome: outcomes[0] must be finite; got NaN'],
  ] as const)('%s: case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(isTsrlError(thrown, code)).toBe(true);
    expect((thrown as Error).message).toBe(message);
  });
});
