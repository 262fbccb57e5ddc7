import { createRng } from '@tsrl/core';
import { maxError } from '@tsrl/testing';
import { describe, expect, test } from 'vitest';
import { createHeap } from '../src/arrays/heap.ts';
import { type Elements, instantiateElements } from '../src/elements.ts';

const heap = createHeap();
const elements = instantiateElements(heap);

/** Runs over arrays with a guard on either side, which must stay as it was. */
function run(inputs: (Float32Array | Uint8Array)[], lengths: number[], use: (...at: number[]) => void): number[] {
  const guard = 60; // so that vectors lie across lines of 16 bytes
  const arrays = [...inputs, ...lengths.map((length) => new Uint8Array(length).fill(77))];
  const addresses = arrays.map((array) => heap.allocate(array.byteLength + 2 * guard) + guard);
  const bytes = new Uint8Array(heap.memory.buffer);
  for (const [i, { buffer, byteOffset, byteLength }] of arrays.entries()) {
    const at = addresses[i]!;
    bytes.fill(99, at - guard, at + byteLength + guard);
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
  }
  use(...addresses);
  for (const [i, { byteLength }] of arrays.entries()) {
    const at = addresses[i]!;
    expect(bytes.slice(at - guard, at).every((byte) => byte === 99)).toBe(true);
    expect(bytes.slice(at + byteLength, at + byteLength + guard).every((byte) => byte === 99)).toBe(true);
  }
  for (const at of addresses) heap.free(at - guard);
  return addresses.slice(inputs.length);
}
const floats = (at: number, length: number): Float32Array => new Float32Array(heap.memory.buffer, at, length).slice();

const k3 = (d: Float32Array, bounds: Parameters<Elements['k3']>[2]): [Float32Array, Float32Array] => {
  const n = d.length;
  const [value, slope] = run([d], [4 * n, 4 * n], (d, value, slope) =>
    elements.k3({ d: d!, value: value!, slope: slope! }, n, bounds),
  );
  return [floats(value!, n), floats(slope!, n)];
};

/** exp(−d) − 1 + d, by its series where it would cancel. */
function excess(d: number): number {
  if (Math.abs(d) > 0.5) return Math.expm1(-d) + d;
  let [sum, term] = [0, (d * d) / 2];
  for (let k = 3; k < 30; k++) {
    sum += term;
    term *= -d / k;
  }
  return sum;
}
const open = { clamp: Infinity, maxValue: Infinity };
/** 0 where the numbers agree to three units in the last place of float32. */
const closest = { absolute: 1e-37, relative: 2.5e-7 };

test.each([1e-12, 1e-6, 1e-3, 0.3, 0.7, 3, 20, 87])(
  'k3 and its slope for |d| up to %d, to the last digits',
  (scale) => {
    const d = Float32Array.from({ length: 4003 }, (_, i) => (scale * (i - 2001)) / 2001);
    const [value, slope] = k3(d, open);
    expect(maxError(value, Array.from(d, excess), closest)).toBeLessThan(1);
    expect(
      maxError(
        slope,
        Array.from(d, (d) => -Math.expm1(-d)),
        closest,
      ),
    ).toBeLessThan(1);
    expect(value.every((value) => value >= 0)).toBe(true);
  },
);

test('k3 far out, and of what is no number', () => {
  const d = Float32Array.of(0, -0, Number.NaN, Infinity, -88.7, -88.8, 1e30, -1e30, 1e-30);
  const [value, slope] = k3(d, open);
  const huge = [excess(Math.fround(-88.7)), -Math.expm1(Math.fround(88.7))] as const;
  const want = [0, 0, Number.NaN, Infinity, huge[0], Infinity, Math.fround(1e30), Infinity, 0];
  expect(maxError([...value], want, { absolute: 1e-37, relative: 2e-6 })).toBeLessThan(1);
  const rise = [0, 0, Number.NaN, 1, huge[1], -Infinity, 1, -Infinity, Math.fround(1e-30)];
  expect(maxError([...slope], rise, { absolute: 1e-37, relative: 2e-6 })).toBeLessThan(1);
});

test('k3 is clamped twice, with slope 0 beyond and the slope itself on the bound', () => {
  const d = Float32Array.of(20, -20, 20.000002, -20.000002, Infinity, -Infinity, Number.NaN, 0.05, 0.25);
  const [value, slope] = k3(d, { clamp: 20, maxValue: Infinity });
  const [high, low] = [excess(20), excess(-20)];
  const want = [high, low, high, low, high, low, Number.NaN, excess(Math.fround(0.05)), excess(0.25)];
  expect(maxError(value, want, closest)).toBeLessThan(1);
  const rise = [-Math.expm1(-20), -Math.expm1(20), 0, 0, 0, 0, Number.NaN];
  expect(maxError(slope.slice(0, 7), rise, closest)).toBeLessThan(1);

  const [small, flat] = k3(d, { clamp: 0.0625, maxValue: 0.001 });
  const least = Math.fround(0.001);
  expect([...small]).toEqual([least, least, least, least, least, least, Number.NaN, least, least]);
  expect([...flat]).toEqual([0, 0, 0, 0, 0, 0, Number.NaN, 0, 0]);
  // The clamp decides where the polynomial holds, not d.
  expect(
    maxError(k3(d, { clamp: 0.0625, maxValue: 1 })[0].slice(2, 4), [0.0625, -0.0625].map(excess), closest),
  ).toBeLessThan(1);
});

const sizes = Array.from({ length: 71 }, (_, n) => n);
const odd = [1, -1, 0, -0, 2, Number.NaN, Infinity, -Infinity, 0.5];
const draw = (n: number, step: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => odd[(i * step) % odd.length]!);

test.each(['greater', 'greaterEqual'] as const)('compare: %s, of many with many and with one', (kind) => {
  const of = (x: number, y: number): boolean => (kind === 'greater' ? x > y : x >= y);
  for (const n of sizes) {
    for (const [aIsOne, bIsOne] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const) {
      const [a, b] = [draw(aIsOne ? 1 : n, 2), draw(bIsOne ? 1 : n, 5)];
      const [out] = run([a, b], [n], (a, b, out) => {
        elements.compare({ a: a!, b: b!, out: out!, aIsOne, bIsOne }, n, kind);
      });
      const want = Array.from({ length: n }, (_, i) => (of(a[aIsOne ? 0 : i]!, b[bIsOne ? 0 : i]!) ? 1 : 0));
      expect([...new Uint8Array(heap.memory.buffer, out, n)]).toEqual(want);
    }
  }
});

test.each(['maximum', 'minimum'] as const)('extreme: %s, NaN of either', (kind) => {
  const of = kind === 'maximum' ? Math.max : Math.min;
  for (const n of sizes) {
    for (const [aIsOne, bIsOne] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const) {
      const [a, b] = [draw(aIsOne ? 1 : n, 2), draw(bIsOne ? 1 : n, 5)];
      const [out] = run([a, b], [4 * n], (a, b, out) => {
        elements.extreme({ a: a!, b: b!, out: out!, aIsOne, bIsOne }, n, kind);
      });
      const want = Array.from({ length: n }, (_, i) => of(a[aIsOne ? 0 : i]!, b[bIsOne ? 0 : i]!));
      expect([...floats(out!, n)]).toEqual(want);
    }
  }
});

test('choose', () => {
  for (const n of sizes) {
    const truths = Uint8Array.from({ length: n }, (_, i) => [1, 0, 0, 1, 1, 255, 0][i % 7]!);
    const [yes, no] = [draw(n, 2), draw(n, 4)];
    const [out] = run([truths, yes, no], [4 * n], (truths, yes, no, out) =>
      elements.choose({ truths: truths!, yes: yes!, no: no!, out: out! }, n),
    );
    expect([...floats(out!, n)]).toEqual(Array.from(truths, (truth, i) => (truth ? yes[i]! : no[i]!)));
  }
});

test('clip, with NaN as it is', () => {
  for (const n of sizes) {
    const x = draw(n, 2);
    const [out] = run([x], [4 * n], (x, out) => elements.clip({ x: x!, out: out! }, n, { least: -0.5, most: 1.5 }));
    expect([...floats(out!, n)]).toEqual(Array.from(x, (x) => Math.max(-0.5, Math.min(x, 1.5))));
  }
});

test('both and not', () => {
  for (const n of sizes) {
    const [a, b] = [2, 3].map((step) => Uint8Array.from({ length: n }, (_, i) => [1, 0, 255, 0, 1][(i * step) % 5]!));
    const bytes = (at: number): number[] => [...new Uint8Array(heap.memory.buffer, at, n)];
    const [and] = run([a!, b!], [n], (a, b, out) => elements.both({ a: a!, b: b!, out: out! }, n));
    expect(bytes(and!)).toEqual(Array.from(a!, (x, i) => (x && b![i] ? 1 : 0)));
    const [not] = run([a!], [n], (truths, out) => elements.not({ truths: truths!, out: out! }, n));
    expect(bytes(not!)).toEqual(Array.from(a!, (x) => (x ? 0 : 1)));
  }
});

describe('what a mask lets through', () => {
  const weights = [0, 1, 0.5, 0, 2, 0, 1];
  const mask = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => weights[i % 7]!);

  test('zeroMasked, whatever stands behind a 0', () => {
    for (const n of sizes) {
      const [x, m] = [draw(n, 4), mask(n)];
      const [out] = run([x, m], [4 * n], (x, mask, y) => elements.zeroMasked({ x: x!, mask: mask!, y: y! }, n));
      expect([...floats(out!, n)]).toEqual(Array.from(x, (x, i) => (m[i]! > 0 ? x : 0)));
    }
  });

  test('maskedSums of rows, in blocks, to the last digits; a row without a weight counts 1', () => {
    for (const rows of [0, 1, 3]) {
      for (const width of [...sizes, 1023, 1024, 1025, 2100]) {
        const rng = createRng(width);
        const m = mask(rows * width);
        m.fill(0, width, 2 * width);
        const x = Float32Array.from(m, (weight) => (weight === 0 ? Number.NaN : 1 + rng.uniform()));
        const [sums, counts] = run([x, m], [4 * rows, 4 * rows], (x, mask, sums, counts) =>
          elements.maskedSums({ x: x!, mask: mask!, sums: sums!, counts: counts! }, { rows, width }),
        );
        const row = (i: number, of: (at: number) => number): number =>
          Array.from({ length: width }, (_, j) => of(i * width + j)).reduce((a, b) => a + b, 0);
        const all = Array.from({ length: rows }, (_, i) => i);
        const want = all.map((i) => row(i, (at) => (m[at] === 0 ? 0 : x[at]! * m[at]!)));
        expect(maxError(floats(sums!, rows), want, { absolute: 1e-30, relative: 4e-6 })).toBeLessThan(1);
        expect([...floats(counts!, rows)]).toEqual(all.map((i) => row(i, (at) => m[at]!) || 1));
      }
    }
    const [sums] = run([Float32Array.of(1, Number.NaN), Float32Array.of(1, 1)], [4, 4], (x, mask, sums, counts) =>
      elements.maskedSums({ x: x!, mask: mask!, sums: sums!, counts: counts! }, { rows: 1, width: 2 }),
    );
    expect(floats(sums!, 1)[0]).toBeNaN();
  });
});
