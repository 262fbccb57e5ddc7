import { updatesBinary } from './binaries/updates.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';

/** The factors of one step of AdamW, which float32 rounds. */
export interface AdamWFactors {
  /** β₁ and β₂. */
  readonly beta1: number;
  readonly beta2: number;
  /** −α / (1 − β₁ᵗ) */
  readonly scale: number;
  /** 1 / √(1 − β₂ᵗ) */
  readonly root: number;
  /** ε */
  readonly epsilon: number;
  /** −α λ; where it is 0, the parameters are not read. */
  readonly shrink: number;
}

/** What an optimizer does to a parameter. Addresses are in bytes, of dense float32; sizes in numbers. */
export interface Updates {
  /**
   * newM = β₁ m + (1 − β₁) g,   newV = β₂ v + (1 − β₂) g²,   update = scale newM / (root √newV + ε) + shrink θ.
   * The new moments may stand in the place of the old ones.
   */
  adamW(
    at: Record<'m' | 'v' | 'grad' | 'variable' | 'newM' | 'newV' | 'update', number>,
    size: number,
    factors: AdamWFactors,
  ): void;
  /** out[0] = Σ x² */
  sumOfSquares(at: Record<'x' | 'out', number>, size: number): void;
}

/**
 * The work of an optimizer by SIMD128 instructions, in the memory of another module: each is one pass over it.
 *
 * AdamW rounds after every operation of its formula, in float32. Squares are rounded, and added in 16 lanes of 64 each,
 * which meet in float64: the sum is within 4e-6 relatively, whatever its size, before it becomes a float32; it is
 * Infinity where a square is, from 1.8e19 on. NaN and infinities pass. Nothing checks addresses and sizes.
 *
 * @throws BackendError where SIMD WebAssembly is missing and where the memory is shared
 */
export function instantiateUpdates(heap: Heap): Updates {
  const kernel = compileFamily<Kernel>('instantiateUpdates', updatesBinary, heap);
  return {
    adamW: (at, size, { beta1, beta2, scale, root, epsilon, shrink }) =>
      kernel.adamW(
        at.m,
        at.v,
        at.grad,
        at.variable,
        at.newM,
        at.newV,
        at.update,
        size,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        scale,
        root,
        epsilon,
        shrink,
      ),
    sumOfSquares: ({ x, out }, size) => kernel.sumOfSquares(x, size, out),
  };
}

interface Kernel {
  adamW(...numbers: number[]): void;
  sumOfSquares(x: number, size: number, out: number): void;
}
