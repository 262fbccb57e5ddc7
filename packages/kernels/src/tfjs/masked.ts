import type { Elements } from '../elements.js';
import type { AddressedKernel } from './addressed-kernel.js';

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** What `@tsrl/tensor` puts under its masked statistics; the mask has the shape of x. */
export const maskedKernels: readonly AddressedKernel<Elements>[] = [
  {
    kernelName: 'TsrlZeroMasked',
    inputs: ['x', 'mask'],
    outputs: ([x = []]) => [x],
    run(elements, [x, mask], [y], [shape = []]) {
      elements.zeroMasked({ x: x as number, mask: mask as number, y: y as number }, sizeOf(shape));
    },
    probe: { inputs: { x: row(1, Number.NaN, 3), mask: row(1, 0, 0.5) }, outputs: [[1, 0, 3]] },
  },
  {
    // Σ m x and Σ m (1 where that is 0) over all axes but the first `kept`.
    kernelName: 'TsrlMaskedSums',
    inputs: ['x', 'mask'],
    outputs: ([x = []], { kept }) => [x.slice(0, kept as number), x.slice(0, kept as number)],
    run(elements, [x, mask], [sums, counts], [shape = []], { kept }) {
      const at = { x: x as number, mask: mask as number, sums: sums as number, counts: counts as number };
      const size = { rows: sizeOf(shape.slice(0, kept as number)), width: sizeOf(shape.slice(kept as number)) };
      elements.maskedSums(at, size);
    },
    probe: {
      inputs: { x: row(1, Number.NaN, 3), mask: row(1, 0, 0.5) },
      attrs: { kept: 0 },
      outputs: [[2.5], [1.5]],
    },
  },
];

function row(...values: number[]): { values: number[]; shape: number[] } {
  return { values, shape: [values.length] };
}
