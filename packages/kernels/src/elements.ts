import { elementsBinary } from './binaries/elements.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';

/** The operands of a comparison, each `size` numbers or one for all. */
export interface Operands {
  readonly a: number;
  readonly b: number;
  readonly out: number;
  readonly aIsOne: boolean;
  readonly bIsOne: boolean;
}

/** What losses do to every number on its own. Addresses are in bytes, of dense float32; sizes in numbers. */
export interface Elements {
  /**
   * value = exp(−d) − 1 + d and slope = 1 − exp(−d), d clamped to ±clamp and the value to at most `maxValue`; the slope is
   * 0 beyond either. Relatively within 4e-7, also for the smallest d.
   */
  k3(
    at: Record<'d' | 'value' | 'slope', number>,
    size: number,
    bounds: { readonly clamp: number; readonly maxValue: number },
  ): void;
  /** out = a > b or a >= b, a byte each. */
  compare(at: Operands, size: number, kind: 'greater' | 'greaterEqual'): void;
  /** out = the larger or the smaller of a and b; NaN where one of them is. */
  extreme(at: Operands, size: number, kind: 'maximum' | 'minimum'): void;
  /** out = max(least, min(x, most)); NaN of NaN. */
  clip(at: Record<'x' | 'out', number>, size: number, bounds: { readonly least: number; readonly most: number }): void;
  /** out = 1 where both bytes are not 0. */
  both(at: Record<'a' | 'b' | 'out', number>, size: number): void;
  /** out = 1 where the byte is 0. */
  not(at: Record<'truths' | 'out', number>, size: number): void;
  /** y = x where the mask is positive, 0 elsewhere, whatever x is there. */
  zeroMasked(at: Record<'x' | 'mask' | 'y', number>, size: number): void;
  /** Of each row Σ m x, where a mask of 0 hides whatever x is, and Σ m, or 1 where that is 0. */
  maskedSums(
    at: Record<'x' | 'mask' | 'sums' | 'counts', number>,
    size: { readonly rows: number; readonly width: number },
  ): void;
  /** out = yes where the byte at `truths` is not 0, no elsewhere. */
  choose(at: Record<'truths' | 'yes' | 'no' | 'out', number>, size: number): void;
}

/**
 * The work of losses by SIMD128 instructions, in the memory of another module: each is one pass over it. Nothing checks
 * addresses and sizes. It keeps 240 bytes of the heap.
 *
 * @throws BackendError where SIMD WebAssembly is missing and where the memory is shared
 */
export function instantiateElements(heap: Heap): Elements {
  const kernel = compileFamily<Kernel>('instantiateElements', elementsBinary, heap);
  const work = heap.allocate(kernel.k3Bytes());
  kernel.prepareK3(work);
  return {
    k3: ({ d, value, slope }, size, { clamp, maxValue }) => kernel.k3(d, value, slope, size, clamp, maxValue, work),
    compare: ({ a, b, out, aIsOne, bIsOne }, size, kind) =>
      kernel.compare(kind === 'greater' ? 0 : 1, a, aIsOne ? 0 : 1, b, bIsOne ? 0 : 1, out, size),
    extreme: ({ a, b, out, aIsOne, bIsOne }, size, kind) =>
      kernel.extreme(kind === 'maximum' ? 0 : 1, a, aIsOne ? 0 : 1, b, bIsOne ? 0 : 1, out, size),
    clip: ({ x, out }, size, { least, most }) => kernel.clip(x, out, size, least, most),
    both: ({ a, b, out }, size) => kernel.both(a, b, out, size),
    not: ({ truths, out }, size) => kernel.not(truths, out, size),
    zeroMasked: ({ x, mask, y }, size) => kernel.zeroMasked(x, mask, y, size),
    maskedSums: ({ x, mask, sums, counts }, { rows, width }) => kernel.maskedSums(x, mask, sums, counts, rows, width),
    choose: ({ truths, yes, no, out }, size) => kernel.choose(truths, yes, no, out, size),
  };
}

interface Kernel extends Readonly<Record<keyof Elements, (...numbers: number[]) => void>> {
  k3Bytes(): number;
  prepareK3(work: number): void;
}
