import { OptionError, StateError, show } from './errors.js';

/** The whole state of a generator: four unsigned 32-bit integers, not all zero. */
export type RngState = readonly [number, number, number, number];

/** A seeded stream of random numbers. All randomness of tsrl comes from one. */
export interface Rng {
  /** Uniform in [0, 1), with 53 random bits. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /**
   * An independent stream for one purpose, from the present state and the label; the parent does not advance.
   * The same state and label give the same stream, so streams forked from an untouched root need no saving.
   */
  fork(label: string): Rng;
  /** The state, as JSON; `createRng(state)` continues exactly here. */
  state(): RngState;
}

/**
 * A generator from an integer seed or from a saved state: xoshiro128**, seeded by splitmix32.
 *
 * @throws OptionError when the seed is not an integer, StateError when the state is not one
 * @see Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"
 */
export function createRng(from: number | RngState): Rng {
  let [a, b, c, d] = typeof from === 'number' ? expand(seedOf(from)) : checked(from);

  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result >>> 0;
  };
  const uniform = (): number => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;

  return {
    uniform,
    // Box-Muller without its second value: a spare would be state beside the four integers.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    fork: (label) => {
      let hash = 0x811c9dc5;
      for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
      for (const word of [a, b, c, d]) hash = mix((hash ^ word) + 0x9e3779b9);
      return createRng(expand(hash, mix(a ^ rotate(c, 13)), mix(b ^ rotate(d, 7))));
    },
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
  };
}

/** A uniformly random order of 0 … n − 1 (Fisher-Yates). */
export function permutation(n: number, rng: Rng): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(rng.uniform() * (i + 1));
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** The output function of splitmix32. */
function mix(x: number): number {
  let z = x | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

function expand(seed: number, second = 0, third = 0): RngState {
  const word = (i: number): number => mix(seed + Math.imul(i, 0x9e3779b9));
  const state = [word(1) >>> 0, (word(2) ^ second) >>> 0, (word(3) ^ third) >>> 0, word(4) >>> 0] as const;
  return state.some((x) => x !== 0) ? state : [1, 2, 3, 4];
}

function seedOf(seed: number): number {
  if (!Number.isSafeInteger(seed)) throw new OptionError('createRng', 'seed', 'an integer', seed);
  return mix(seed >>> 0) ^ Math.floor(seed / 2 ** 32);
}

function checked(state: RngState): RngState {
  const valid =
    Array.isArray(state) && state.length === 4 && state.every((x) => x >>> 0 === x) && state.some((x) => x > 0);
  if (!valid) {
    throw new StateError('createRng', `the state must be four unsigned 32-bit integers, not all 0; got ${show(state)}`);
  }
  return state;
}
