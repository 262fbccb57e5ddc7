import { OptionError, ShapeError } from '@tsrl/core';
import { type Activation, activations, instantiateLayers } from '../layers.js';
import { onPrivateHeap } from './heap.js';
import { expectNumbers, expectSizes, pass } from './pass.js';

const layers = onPrivateHeap(instantiateLayers);

export interface NormArrays {
  /** [rows, H] */
  readonly x: Float32Array;
  /** [H] */
  readonly weight: Float32Array;
  /** Added to the mean square, or variance, under the root. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * y = w r x with r = 1 / √(mean(x²) + ε) along rows of H: y, and r of each row, which the gradient needs.
 *
 * @throws ShapeError, OptionError for an ε below 0, BackendError without SIMD WebAssembly
 * @see Zhang and Sennrich 2019, arXiv:1910.07467
 */
export function rmsNorm({ x, weight, epsilon = 1e-5 }: NormArrays): { y: Float32Array; scales: Float32Array } {
  const size = { ...rowsOf('rmsNorm', x, weight), epsilon: expectEpsilon('rmsNorm', epsilon) };
  const [y, scales] = pass([x, weight], [x.length, size.rows], ([at, w], [out, r]) =>
    layers().rmsNorm({ x: at as number, weight: w as number, y: out as number, scales: r as number }, size),
  ) as [Float32Array, Float32Array];
  return { y, scales };
}

/**
 * Of a loss with dy = d loss / dy: dw = Σ over rows of dy n, dx = r (g − n mean(g n)) with n = r x and g = w dy.
 *
 * @throws ShapeError, BackendError without SIMD WebAssembly
 */
export function rmsNormGradient(
  options: Omit<NormArrays, 'epsilon'> & Readonly<Record<'scales' | 'dy', Float32Array>>,
): Record<'dx' | 'dWeight', Float32Array> {
  const { x, weight, scales, dy } = options;
  const size = rowsOf('rmsNormGradient', x, weight);
  expectNumbers('rmsNormGradient', 'scales', scales, size.rows);
  expectNumbers('rmsNormGradient', 'dy', dy, x.length);
  const [dx, dWeight] = pass([x, weight, scales, dy], [x.length, weight.length], (from, to) => {
    const [x, weight, scales, dy] = from as [number, number, number, number];
    const [dx, dWeight] = to as [number, number];
    layers().rmsNormGradient({ x, weight, scales, dy, dx, dWeight }, size);
  }) as [Float32Array, Float32Array];
  return { dx, dWeight };
}

/**
 * y = w (x − m) r + b with r = 1 / √(variance + ε) along rows of H: y, and m and r of each row side by side.
 *
 * @throws ShapeError, OptionError for an ε below 0, BackendError without SIMD WebAssembly
 * @see Ba, Kiros and Hinton 2016, arXiv:1607.06450
 */
export function layerNorm(options: NormArrays & { readonly bias: Float32Array }): {
  y: Float32Array;
  stats: Float32Array;
} {
  const { x, weight, bias, epsilon = 1e-5 } = options;
  const size = { ...rowsOf('layerNorm', x, weight), epsilon: expectEpsilon('layerNorm', epsilon) };
  expectNumbers('layerNorm', 'bias', bias, weight.length);
  const [y, stats] = pass([x, weight, bias], [x.length, 2 * size.rows], (from, to) => {
    const [x, weight, bias] = from as [number, number, number];
    const [y, stats] = to as [number, number];
    layers().layerNorm({ x, weight, bias, y, stats }, size);
  }) as [Float32Array, Float32Array];
  return { y, stats };
}

/**
 * db = Σ over rows of dy, dw = Σ over rows of dy n, dx = r (g − mean(g) − n mean(g n)) with n = (x − m) r and g = w dy.
 *
 * @throws ShapeError, BackendError without SIMD WebAssembly
 */
export function layerNormGradient(
  options: Omit<NormArrays, 'epsilon'> & Readonly<Record<'stats' | 'dy', Float32Array>>,
): Record<'dx' | 'dWeight' | 'dBias', Float32Array> {
  const { x, weight, stats, dy } = options;
  const size = rowsOf('layerNormGradient', x, weight);
  expectNumbers('layerNormGradient', 'stats', stats, 2 * size.rows);
  expectNumbers('layerNormGradient', 'dy', dy, x.length);
  const [dx, dWeight, dBias] = pass([x, weight, stats, dy], [x.length, size.width, size.width], (from, to) => {
    const [x, weight, stats, dy] = from as [number, number, number, number];
    const [dx, dWeight, dBias] = to as [number, number, number];
    layers().layerNormGradient({ x, weight, stats, dy, dx, dWeight, dBias }, size);
  }) as [Float32Array, Float32Array, Float32Array];
  return { dx, dWeight, dBias };
}

/**
 * `silu` x σ(x), `gelu` x Φ(x), `geluTanh` x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, of each number.
 *
 * @throws OptionError, BackendError without SIMD WebAssembly
 */
export function activate(x: Float32Array, kind: Activation): Float32Array {
  expectKind('activate', kind);
  const [y] = pass([x], [x.length], ([at], [out]) =>
    layers().activation({ x: at as number, y: out as number }, x.length, kind),
  ) as [Float32Array];
  return y;
}

/** dy f'(x) of each number; as {@link activate}. */
export function activateGradient(x: Float32Array, dy: Float32Array, kind: Activation): Float32Array {
  expectKind('activateGradient', kind);
  expectNumbers('activateGradient', 'dy', dy, x.length);
  const [dx] = pass([x, dy], [x.length], ([at, d], [out]) =>
    layers().activationGradient({ x: at as number, dy: d as number, dx: out as number }, x.length, kind),
  ) as [Float32Array];
  return dx;
}

/**
 * gate σ(gate) up, number by number.
 *
 * @throws ShapeError, BackendError without SIMD WebAssembly
 * @see Shazeer 2020, arXiv:2002.05202
 */
export function swiglu(gate: Float32Array, up: Float32Array): Float32Array {
  expectNumbers('swiglu', 'up', up, gate.length);
  const [y] = pass([gate, up], [gate.length], ([g, u], [out]) =>
    layers().swiglu({ gate: g as number, up: u as number, y: out as number }, gate.length),
  ) as [Float32Array];
  return y;
}

/** d loss / d gate and d loss / d up; as {@link swiglu}. */
export function swigluGradient(
  gate: Float32Array,
  up: Float32Array,
  dy: Float32Array,
): Record<'dGate' | 'dUp', Float32Array> {
  expectNumbers('swigluGradient', 'up', up, gate.length);
  expectNumbers('swigluGradient', 'dy', dy, gate.length);
  const [dGate, dUp] = pass([gate, up, dy], [gate.length, gate.length], (from, to) => {
    const [g, u, d] = from as [number, number, number];
    const [dGate, dUp] = to as [number, number];
    layers().swigluGradient({ gate: g, up: u, dy: d, dGate, dUp }, gate.length);
  }) as [Float32Array, Float32Array];
  return { dGate, dUp };
}

export interface RotateArrays {
  /** [rows, heads, headSize]; row r stands at position r % length. */
  readonly x: Float32Array;
  readonly length: number;
  readonly heads: number;
  /** Even. */
  readonly headSize: number;
  /** θ; 10000. */
  readonly theta?: number;
  /** Turn back, which is the gradient; false. */
  readonly backwards?: boolean;
}

/**
 * Turns each pair (x_i, x_{i + headSize / 2}) of a head at position p by p θ^(−2i / headSize).
 *
 * @throws ShapeError, OptionError, BackendError without SIMD WebAssembly
 * @see Su et al. 2021, arXiv:2104.09864
 */
export function rotate(options: RotateArrays): Float32Array {
  const { x, length, heads, headSize, theta = 10_000, backwards = false } = options;
  if (!(theta > 0 && theta < Infinity)) throw new OptionError('rotate', 'theta', 'positive', theta);
  expectSizes('rotate', { length, heads, headSize }, 1);
  if (headSize % 2 !== 0) throw new OptionError('rotate', 'headSize', 'even', headSize);
  const rows = x.length / (heads * headSize);
  if (!Number.isInteger(rows))
    throw new ShapeError('rotate', 'x', `[rows, ${heads}, ${headSize}]`, `${x.length} numbers`);
  const size = { rows, length, heads, headSize, theta };
  const [y] = pass([x], [x.length], ([at], [out]) =>
    layers().rotate({ x: at as number, y: out as number }, size, backwards),
  ) as [Float32Array];
  return y;
}

/**
 * Scores [..., length, length]: row i becomes the softmax of its first i + 1 numbers, then zeros.
 *
 * @throws ShapeError, OptionError for a length below 1, BackendError without SIMD WebAssembly
 */
export function causalSoftmax(scores: Float32Array, length: number): Float32Array {
  const size = squares('causalSoftmax', scores, length);
  const [y] = pass([scores], [scores.length], ([at], [out]) =>
    layers().causalSoftmax({ x: at as number, y: out as number }, size),
  ) as [Float32Array];
  return y;
}

/** y (dy − Σ y dy) of each row; y is what {@link causalSoftmax} gave. */
export function causalSoftmaxGradient(y: Float32Array, dy: Float32Array, length: number): Float32Array {
  const size = squares('causalSoftmaxGradient', y, length);
  expectNumbers('causalSoftmaxGradient', 'dy', dy, y.length);
  const [dx] = pass([y, dy], [y.length], ([at, d], [out]) =>
    layers().causalSoftmaxGradient({ y: at as number, dy: d as number, dx: out as number }, size),
  ) as [Float32Array];
  return dx;
}

function squares(who: string, scores: Float32Array, length: number): { matrices: number; length: number } {
  expectSizes(who, { length }, 1);
  const matrices = scores.length / length ** 2;
  if (Number.isInteger(matrices)) return { matrices, length };
  throw new ShapeError(who, 'scores', `[..., ${length}, ${length}]`, `${scores.length} numbers`);
}

function rowsOf(who: string, x: Float32Array, { length: width }: Float32Array): { rows: number; width: number } {
  const rows = width === 0 && x.length === 0 ? 0 : x.length / width;
  if (Number.isInteger(rows)) return { rows, width };
  throw new ShapeError(who, 'x', `[rows, ${width}], as wide as weight`, `${x.length} numbers`);
}

function expectEpsilon(who: string, epsilon: number): number {
  if (epsilon >= 0 && epsilon < Infinity) return epsilon;
  throw new OptionError(who, 'epsilon', 'finite, at least 0', epsilon);
}

function expectKind(who: string, kind: Activation): void {
  if (Object.hasOwn(activations, kind)) return;
  throw new OptionError(who, 'kind', `one of ${Object.keys(activations).join(', ')}`, kind);
}
