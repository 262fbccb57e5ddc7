import { sharedReduction } from '@tsrl/kernels';
import { downloadInto, uploadFrom } from '@tsrl/kernels/tfjs';
import type { BinaryPolicy } from '@tsrl/tensor';

/** Where each variable stands in an array of all of them. */
export type Layout = readonly { readonly name: string; readonly shape: readonly number[]; readonly offset: number }[];

/** What a thread sees of the shared memory. */
export interface ParameterShare {
  readonly layout: Layout;
  /** The weights of the step, written by the main thread. */
  readonly weights: Float32Array;
  /** The gradients of this thread's share. */
  readonly grads: Float32Array;
}

export interface SharedParameters {
  /** One for each thread. */
  readonly shares: readonly ParameterShare[];
  /** Adds the gradients of the first `parts` threads, in order, into those of the first. */
  sum(parts: number): void;
}

/**
 * The weights of a policy and the gradients of each thread, side by side in one memory that all threads see; summed by
 * SIMD instructions where they and shared WebAssembly memory exist, which gives the bits of the plain loop.
 */
export function shareParameters({ variables }: BinaryPolicy, threads: number): SharedParameters {
  let length = 0;
  const layout = variables.map(({ name, shape, size }) => {
    const offset = length;
    length += size;
    return { name, shape, offset };
  });
  const stride = Math.ceil(length / 16) * 16; // whole lines of the cache
  const { buffer, add } = summingMemory(4 * stride * (threads + 1));
  const array = (i: number): Float32Array => new Float32Array(buffer, 4 * stride * i, length);
  const weights = array(0);
  return {
    shares: Array.from({ length: threads }, (_, i) => ({ layout, weights, grads: array(i + 1) })),
    sum: (parts) => add({ first: 4 * stride, stride: 4 * stride, parts, count: length }),
  };
}

/** Copies tensors by name into their places; zeros for the names that are missing, whose list it returns the rest of. */
export async function writeTensors(
  tensors: Readonly<Record<string, Parameters<typeof downloadInto>[0]>>,
  layout: Layout,
  into: Float32Array,
): Promise<string[]> {
  for (const [i, { name, offset }] of layout.entries()) {
    const place = into.subarray(offset, layout[i + 1]?.offset);
    const tensor = tensors[name];
    if (tensor) await downloadInto(tensor, place);
    else place.fill(0);
  }
  return Object.keys(tensors);
}

/** The tensors of those names, copied out of their places. */
export function readTensors(
  names: ReadonlySet<string>,
  layout: Layout,
  from: Float32Array,
): Record<string, ReturnType<typeof uploadFrom>> {
  const chosen = layout.flatMap(({ name, shape, offset }, i) =>
    names.has(name) ? [[name, uploadFrom(from.subarray(offset, layout[i + 1]?.offset), shape)] as const] : [],
  );
  return Object.fromEntries(chosen);
}

interface InPlaceSum {
  /** Address, in bytes, of the first part, which becomes the sum. */
  readonly first: number;
  readonly stride: number;
  readonly parts: number;
  readonly count: number;
}

export function summingMemory(bytes: number): { buffer: ArrayBufferLike; add(options: InPlaceSum): void } {
  try {
    const { memory, sum } = sharedReduction(bytes);
    return { buffer: memory.buffer, add: (options) => sum({ out: options.first, ...options }) };
  } catch {
    const buffer = new SharedArrayBuffer(bytes);
    const add = ({ first, stride, parts, count }: InPlaceSum): void => {
      const total = new Float32Array(buffer, first, count);
      for (let part = 1; part < parts; part++) {
        const other = new Float32Array(buffer, first + part * stride, count);
        for (let i = 0; i < count; i++) total[i] = (total[i] as number) + (other[i] as number);
      }
    };
    return { buffer, add };
  }
}
