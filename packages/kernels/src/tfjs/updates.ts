import type { AdamWFactors, Updates } from '../updates.js';
import type { AddressedKernel } from './addressed-kernel.js';

const sizeOf = (shape: readonly number[] = []): number => shape.reduce((product, n) => product * n, 1);

/** What `@tsrl/optim` puts under its transforms. */
export const updateKernels: readonly AddressedKernel<Updates>[] = [
  {
    kernelName: 'TsrlAdamW',
    inputs: ['m', 'v', 'grad', 'variable'],
    outputs: ([m = []]) => [m, m, m],
    run(updates, from, to, [shape], attrs) {
      const [m, v, grad, variable] = from as readonly [number, number, number, number];
      const [newM, newV, update] = to as readonly [number, number, number];
      const factors = attrs as unknown as AdamWFactors;
      updates.adamW({ m, v, grad, variable, newM, newV, update }, sizeOf(shape), factors);
    },
    probe: {
      inputs: {
        m: row(1, 2, 3, 4, 5),
        v: row(0, 1, 4, 9, 16),
        grad: row(4, 0, -4, 8, 2),
        variable: row(1, 2, 3, 4, 5),
      },
      attrs: { beta1: 0.5, beta2: 0.75, scale: -2, root: 2, epsilon: 1, shrink: -0.5 },
      outputs: [
        [2.5, 1, -0.5, 6, 3.5],
        [4, 0.75, 7, 22.75, 13],
        [
          -1.5,
          -1 - 2 / (Math.sqrt(3) + 1),
          1 / (2 * Math.sqrt(7) + 1) - 1.5,
          -12 / (2 * Math.sqrt(22.75) + 1) - 2,
        ].concat(-7 / (2 * Math.sqrt(13) + 1) - 2.5),
      ],
    },
  },
  {
    kernelName: 'TsrlSumOfSquares',
    inputs: ['x'],
    outputs: () => [[]],
    run(updates, [x], [out], [shape]) {
      updates.sumOfSquares({ x: x as number, out: out as number }, sizeOf(shape));
    },
    probe: { inputs: { x: row(1, -2, 3) }, outputs: [[14]] },
  },
];

function row(...values: number[]): { values: number[]; shape: number[] } {
  return { values, shape: [values.length] };
}
