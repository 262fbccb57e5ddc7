import { type AdamWFactors, instantiateUpdates } from '../updates.js';
import { onPrivateHeap } from './heap.js';
import { expectNumbers, pass } from './pass.js';

const updates = onPrivateHeap(instantiateUpdates);

/** The moments, the gradient and the parameters of one step, all of one length. */
export type AdamWArrays = Readonly<Record<'m' | 'v' | 'grad' | 'variable', Float32Array>>;

/**
 * The new moments, and what is to be added to the parameters; the formula is at `Updates.adamW`.
 *
 * @throws ShapeError where lengths differ, BackendError without SIMD WebAssembly
 */
export function adamW(
  { m, v, grad, variable }: AdamWArrays,
  factors: AdamWFactors,
): Record<'m' | 'v' | 'update', Float32Array> {
  const size = grad.length;
  for (const [name, array] of Object.entries({ m, v, variable })) expectNumbers('adamW', name, array, size);
  const kernels = updates();
  const results = pass([m, v, grad, variable], [size, size, size], (from, to) => {
    const [mAt, vAt, gradAt, variableAt] = from as [number, number, number, number];
    const [newM, newV, update] = to as [number, number, number];
    kernels.adamW({ m: mAt, v: vAt, grad: gradAt, variable: variableAt, newM, newV, update }, size, factors);
  });
  const [newM, newV, update] = results as [Float32Array, Float32Array, Float32Array];
  return { m: newM, v: newV, update };
}

/**
 * Σ x², as a float32; the norm of all gradients is the root of the sum over them.
 *
 * @throws BackendError without SIMD WebAssembly
 */
export function sumOfSquares(x: Float32Array): number {
  const kernels = updates();
  const [out] = pass([x], [1], ([at = 0], [to = 0]) => kernels.sumOfSquares({ x: at, out: to }, x.length));
  return (out as Float32Array)[0] as number;
}
