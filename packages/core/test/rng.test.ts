import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRng, isTsrlError, permutation, type Rng, type RngState } from '../src/index.ts';

const seeds = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
const draw = (rng: Rng, n: number): number[] => Array.from({ length: n }, () => rng.uniform());

/** How many standard deviations chi-square lies above its mean, when all `counts` are equally likely. */
function excess(counts: ArrayLike<number>): number {
  const all = Array.from(counts);
  const expected = all.reduce((sum, count) => sum + count, 0) / all.length;
  const chiSquare = all.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return (chiSquare - (all.length - 1)) / Math.sqrt(2 * (all.length - 1));
}

/** xoshiro128** over BigInt, from the definition: Blackman and Vigna 2021, arXiv:1805.01407, figures 3 and 5. */
function* xoshiro(from: RngState): Generator<bigint, never> {
  const word = (x: bigint): bigint => x & 0xffff_ffffn;
  const rotl = (x: bigint, k: bigint): bigint => word((x << k) | (x >> (32n - k)));
  let [s0, s1, s2, s3] = from.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield word(rotl(word(s1 * 5n), 7n) * 9n);
    const t = word(s1 << 9n);
    [s2, s3] = [s2 ^ s0, s3 ^ s1];
    [s1, s0] = [s1 ^ s2, s0 ^ s3];
    s2 ^= t;
    s3 = rotl(s3, 11n);
  }
}

describe('the generator', () => {
  test('is xoshiro128**: outputs of the reference xoshiro128starstar.c 1.1 from the state 1, 2, 3, 4', () => {
    const words = xoshiro([1, 2, 3, 4]);
    expect(Array.from({ length: 10 }, () => Number(words.next().value))).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
    // Two words make one uniform: 27 bits of the first and 26 of the second.
    expect(draw(createRng([1, 2, 3, 4]), 5)).toEqual(
      [
        [11520, 0],
        [5927040, 70819200],
        [2031721883, 1637235492],
        [1287239034, 3734860849],
        [3729100597, 4258142804],
      ].map(([high, low]) => (Math.floor(high! / 32) * 2 ** 26 + Math.floor(low! / 64)) / 2 ** 53),
    );
  });

  test('agrees with the definition from any state', () => {
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    forAll([fc.tuple(word, word, word, word).filter((state) => state.some((x) => x > 0))], (state) => {
      const words = xoshiro(state);
      const rng = createRng(state);
      for (let i = 0; i < 20; i++) {
        const bits = ((words.next().value >> 5n) << 26n) | (words.next().value >> 6n);
        expect(rng.uniform()).toBe(Number(bits) / 2 ** 53);
      }
    });
  });

  test('is uniform, bin by bin and in pairs', () => {
    for (const seed of [0, 1, -1, 2 ** 40 + 7]) {
      const rng = createRng(seed);
      const bins = new Float64Array(1024);
      const pairs = new Float64Array(1024);
      for (let i = 0; i < 200_000; i++) {
        const [x, y] = [rng.uniform(), rng.uniform()];
        bins[Math.floor(x * 1024)]! += 1;
        pairs[Math.floor(x * 32) * 32 + Math.floor(y * 32)]! += 1;
      }
      expect(Math.abs(excess(bins)), `seed ${seed}`).toBeLessThan(4);
      expect(Math.abs(excess(pairs)), `pairs of seed ${seed}`).toBeLessThan(4);
    }
  });

  test('has 53 random bits, each of them fair', () => {
    const rng = createRng(5);
    const n = 20_000;
    const ones = new Float64Array(53);
    for (let i = 0; i < n; i++) {
      const x = rng.uniform() * 2 ** 53;
      expect(Number.isInteger(x) && x >= 0 && x < 2 ** 53).toBe(true);
      for (let bit = 0; bit < 53; bit++) ones[bit]! += Math.floor(x / 2 ** bit) % 2;
    }
    for (const count of ones) expect(Math.abs(count - n / 2)).toBeLessThan(4.5 * Math.sqrt(n / 4));
  });

  test('normal has the first four moments of a standard normal', () => {
    const rng = createRng(11);
    const n = 200_000;
    const x = Array.from({ length: n }, rng.normal);
    // Mean and variance of x, x², x³ and x⁴ under the normal law.
    for (const [power, mean, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ] as const) {
      const average = x.reduce((sum, value) => sum + value ** power, 0) / n;
      expect(Math.abs(average - mean), `power ${power}`).toBeLessThan(4 * Math.sqrt(variance / n));
    }
  });

  test('neighbouring seeds give unrelated first values', () => {
    const bins = new Float64Array(256);
    for (let seed = 0; seed < 50_000; seed++) bins[Math.floor(createRng(seed).uniform() * 256)]! += 1;
    expect(Math.abs(excess(bins))).toBeLessThan(4);
    forAll([seeds, seeds], (a, b) => {
      fc.pre(a !== b);
      expect(draw(createRng(a), 4)).not.toEqual(draw(createRng(b), 4));
    });
  });
});

describe('the state', () => {
  test('continues exactly where it was saved, through JSON', () => {
    forAll([seeds, fc.nat(20)], (seed, before) => {
      const rng = createRng(seed);
      for (let i = 0; i < before; i++) i % 3 === 0 ? rng.normal() : rng.uniform();
      const resumed = createRng(JSON.parse(JSON.stringify(rng.state())) as RngState);
      expect(resumed.state()).toEqual(rng.state());
      expect([resumed.normal(), ...draw(resumed, 10)]).toEqual([rng.normal(), ...draw(rng, 10)]);
      expect(draw(resumed.fork('x'), 3)).toEqual(draw(rng.fork('x'), 3));
    });
  });

  test('is four unsigned integers, also for a fork that was just made', () => {
    forAll([seeds, fc.string()], (seed, label) => {
      for (const rng of [createRng(seed), createRng(seed).fork(label)]) {
        expect(rng.state()).toHaveLength(4);
        for (const word of rng.state()) expect(word >>> 0).toBe(word);
      }
    });
  });

  test('must be one, and a seed must be an integer', () => {
    expect(() => createRng(0.5)).toThrow('createRng: seed must be an integer; got 0.5');
    expect(() => createRng(Number.NaN)).toThrow('createRng: seed must be an integer; got NaN');
    for (const state of [[0, 0, 0, 0], [1, 2, 3], [1, 2, 3, 0.5], [2 ** 32, 0, 0, 0], [-1, 0, 0, 0], null, 'abcd']) {
      try {
        createRng(state as unknown as RngState);
        expect.unreachable(`${JSON.stringify(state)} is not a state`);
      } catch (error) {
        expect(isTsrlError(error, 'state')).toBe(true);
        expect(String(error)).toContain(
          `createRng: the state must be four unsigned 32-bit integers, not all 0; got ${JSON.stringify(state)}`,
        );
      }
    }
  });
});

describe('fork', () => {
  test('is a function of state and label, and leaves its parent alone', () => {
    forAll([seeds, fc.string(), fc.string()], (seed, label, other) => {
      const rng = createRng(seed);
      const child = draw(rng.fork(label), 5);
      expect(rng.state()).toEqual(createRng(seed).state());
      expect(draw(rng.fork(label), 5)).toEqual(child);
      if (other !== label) expect(draw(rng.fork(other), 5)).not.toEqual(child);
      expect(draw(rng, 5)).not.toEqual(child);
      expect(draw(rng.fork(label), 5)).not.toEqual(child);
    });
  });

  test('gives streams that are independent of the parent and of each other', () => {
    const root = createRng(3);
    const streams = [root, root.fork('a'), root.fork('b'), root.fork('a').fork('b')];
    for (const [i, left] of streams.entries()) {
      for (const right of streams.slice(i + 1)) {
        const [x, y] = [createRng(left.state()), createRng(right.state())];
        const pairs = new Float64Array(1024);
        for (let k = 0; k < 100_000; k++) pairs[Math.floor(x.uniform() * 32) * 32 + Math.floor(y.uniform() * 32)]! += 1;
        expect(Math.abs(excess(pairs))).toBeLessThan(4);
      }
    }
  });

  test('keeps the breadth of the state: no two of 200 000 forks along a stream are alike', () => {
    const rng = createRng(9);
    const seen = new Set<string>();
    for (let i = 0; i < 200_000; i++) {
      seen.add(rng.fork('x').state().join());
      rng.uniform();
    }
    expect(seen.size).toBe(200_000);
  });

  test('spreads similar labels', () => {
    const root = createRng(0);
    const bins = new Float64Array(256);
    for (let i = 0; i < 50_000; i++) bins[Math.floor(root.fork(`row ${i}`).uniform() * 256)]! += 1;
    expect(Math.abs(excess(bins))).toBeLessThan(4);
  });
});

describe('permutation', () => {
  test('holds every index once', () => {
    forAll([fc.nat(200), seeds], (n, seed) => {
      expect(Array.from(permutation(n, createRng(seed)).toSorted())).toEqual(Array.from({ length: n }, (_, i) => i));
    });
  });

  test('takes each of the 120 orders of 5 equally often', () => {
    const rng = createRng(1);
    const counts = new Map<string, number>();
    for (let i = 0; i < 60_000; i++) {
      const order = permutation(5, rng).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(120);
    expect(Math.abs(excess([...counts.values()]))).toBeLessThan(4);
  });
});
