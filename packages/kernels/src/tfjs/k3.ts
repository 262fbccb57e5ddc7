import type { Elements } from '../elements.js';
import type { AddressedKernel } from './addressed-kernel.js';

/** The estimate k3 of `@tsrl/tensor` with its slope, of any rank; attributes `clamp` and `maxValue`. */
export const k3: AddressedKernel<Elements> = {
  kernelName: 'TsrlK3',
  inputs: ['d'],
  outputs: ([d = []]) => [d, d],
  run(elements, [d], [value, slope], [shape = []], attrs) {
    const size = shape.reduce((product, n) => product * n, 1);
    const at = { d: d as number, value: value as number, slope: slope as number };
    elements.k3(at, size, attrs as unknown as Parameters<Elements['k3']>[2]);
  },
  probe: {
    inputs: { d: { values: [0, Math.LN2, -Math.LN2, 1, -3], shape: [5] } },
    attrs: { clamp: 2, maxValue: 3 },
    outputs: [
      [0, Math.LN2 - 0.5, 1 - Math.LN2, Math.exp(-1), 3],
      [0, 0.5, -1, 1 - Math.exp(-1), 0],
    ],
  },
};
