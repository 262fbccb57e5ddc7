import { layersBinary } from './binaries/layers.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';
import { rotaryTable } from './rotary-table.js';

/** The activations, by the number that the kernels know them under. */
export const activations = { silu: 0, geluTanh: 1, gelu: 2 } as const;

export type Activation = keyof typeof activations;

/** The layers of a transformer between its matrix products. Addresses are in bytes, of dense float32; sizes in numbers. */
export interface Layers {
  /** y = w r x with r = 1 / √(mean(x²) + ε), one r a row at `scales`; x [rows, width]. */
  rmsNorm(
    at: Record<'x' | 'weight' | 'y' | 'scales', number>,
    size: { readonly rows: number; readonly width: number; readonly epsilon: number },
  ): void;
  rmsNormGradient(
    at: Record<'x' | 'weight' | 'scales' | 'dy' | 'dx' | 'dWeight', number>,
    size: { readonly rows: number; readonly width: number },
  ): void;
  /** y = w (x − m) r + b with r = 1 / √(variance + ε), m and r side by side for each row at `stats`; x [rows, width]. */
  layerNorm(
    at: Record<'x' | 'weight' | 'bias' | 'y' | 'stats', number>,
    size: { readonly rows: number; readonly width: number; readonly epsilon: number },
  ): void;
  layerNormGradient(
    at: Record<'x' | 'weight' | 'stats' | 'dy' | 'dx' | 'dWeight' | 'dBias', number>,
    size: { readonly rows: number; readonly width: number },
  ): void;
  /** y = f(x): silu x σ(x), gelu x Φ(x), geluTanh its approximation by tanh. */
  activation(at: Record<'x' | 'y', number>, size: number, kind: Activation): void;
  activationGradient(at: Record<'x' | 'dy' | 'dx', number>, size: number, kind: Activation): void;
  /** y = silu(gate) up */
  swiglu(at: Record<'gate' | 'up' | 'y', number>, size: number): void;
  swigluGradient(at: Record<'gate' | 'up' | 'dy' | 'dGate' | 'dUp', number>, size: number): void;
  /**
   * Turns the halves of each head, x [rows, heads, headSize], by the angles p θ^(−2i / headSize) with p = r % length
   * for row r; `backwards` turns them back, which is the gradient. `headSize` is even.
   */
  rotate(
    at: Record<'x' | 'y', number>,
    size: Record<'rows' | 'length' | 'heads' | 'headSize' | 'theta', number>,
    backwards: boolean,
  ): void;
  /** Row i of each [length, length]: softmax of its first i + 1 numbers, then zeros. */
  causalSoftmax(at: Record<'x' | 'y', number>, size: Record<'matrices' | 'length', number>): void;
  causalSoftmaxGradient(at: Record<'y' | 'dy' | 'dx', number>, size: Record<'matrices' | 'length', number>): void;
}

/**
 * Norms, activations, rotary positions and causal softmax by SIMD128 instructions, in the memory of another module.
 *
 * Each is one pass over memory (a row is read again from the cache). Exponentials are within 3e-7 relatively; sums over
 * a row run in 8 or 16 float32 lanes which meet in float64, sums over rows in blocks of 64 rows. NaN passes through.
 * Nothing checks addresses and sizes. It keeps 128 bytes of the heap.
 *
 * @throws BackendError where SIMD WebAssembly is missing and where the memory is shared
 */
export function instantiateLayers(heap: Heap): Layers {
  const kernel = compileFamily<Kernel>('instantiateLayers', layersBinary, heap);
  const work = heap.allocate(kernel.workBytes());
  kernel.prepare(work);
  const withRoom = (floats: number, use: (address: number) => void): void => {
    const address = heap.allocate(4 * floats);
    use(address);
    heap.free(address);
  };
  return {
    rmsNorm: (at, { rows, width, epsilon }) => kernel.rmsNorm(at.x, at.weight, epsilon, at.y, at.scales, rows, width),
    rmsNormGradient: (at, { rows, width }) =>
      withRoom(width, (room) =>
        kernel.rmsNormGradient(at.x, at.weight, at.scales, at.dy, at.dx, at.dWeight, rows, width, room),
      ),
    layerNorm: (at, { rows, width, epsilon }) =>
      kernel.layerNorm(at.x, at.weight, at.bias, epsilon, at.y, at.stats, rows, width),
    layerNormGradient: (at, { rows, width }) =>
      withRoom(2 * width, (room) =>
        kernel.layerNormGradient(at.x, at.weight, at.stats, at.dy, at.dx, at.dWeight, at.dBias, rows, width, room),
      ),
    activation: (at, size, kind) => kernel.activation(activations[kind], at.x, at.y, size, work),
    activationGradient: (at, size, kind) =>
      kernel.activationGradient(activations[kind], at.x, at.dy, at.dx, size, work),
    swiglu: (at, size) => kernel.swiglu(at.gate, at.up, at.y, size, work),
    swigluGradient: (at, size) => kernel.swigluGradient(at.gate, at.up, at.dy, at.dGate, at.dUp, size, work),
    rotate: (at, { rows, length, heads, headSize, theta }, backwards) => {
      const angles = rotaryTable(theta, headSize, length);
      withRoom(angles.length, (table) => {
        new Float32Array(heap.memory.buffer, table, angles.length).set(angles);
        kernel.rotate(at.x, table, backwards ? -1 : 1, at.y, rows, length, heads, headSize);
      });
    },
    causalSoftmax: (at, { matrices, length }) => kernel.causalSoftmax(at.x, at.y, matrices, length, work),
    causalSoftmaxGradient: (at, { matrices, length }) =>
      kernel.causalSoftmaxGradient(at.y, at.dy, at.dx, matrices, length),
  };
}

type Exported = (...numbers: number[]) => void;

interface Kernel extends Readonly<Record<keyof Layers, Exported>> {
  workBytes(): number;
  prepare(work: number): void;
}
