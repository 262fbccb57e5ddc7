import type { Probe } from './fast-kernel.js';

// Row 0 has p = (1/8, 1/4, 5/8), row 1 is masked but for one; the log-probs of ids 1 and 0, τ = 1.
const x = [0, Math.LN2, Math.log(5), -Infinity, 3, -Infinity];
const logits = { values: x, shape: [2, 3] };
const attrs = { temperature: 1, ignoreId: 0, entropy: true };
const entropy = Math.log(8) - Math.LN2 / 4 - (5 * Math.log(5)) / 8;
const statistics = [Math.log(1 / 4), Math.log(8), entropy, 0, 3, 0];
const top = [Math.log(5), Math.log(8 / 5), 3, 0];
// d (2 logProb − entropy) / dx = 2 (1[j = id] − p) + p (log p + entropy); row 1 is ignored and certain.
const gradient = [1 / 8, 1 / 4, 5 / 8].map((p, j) => 2 * (Number(j === 1) - p) + p * (Math.log(p) + entropy));
const gradients = [...gradient, 0, 0, 0];

/** For every backend: tiny inputs and outputs of the three kernels of the softmax family. */
export const softmaxProbes: Readonly<
  Record<'TsrlSelectiveLogSoftmax' | 'TsrlSelectiveLogSoftmaxGrad' | 'TsrlTokenGradients', readonly Probe[]>
> = {
  TsrlSelectiveLogSoftmax: [
    { inputs: { logits, ids: integers([1, 0], [2, 1]) }, attrs, outputs: [statistics, top] },
    {
      inputs: { logits, ids: integers([], [2, 0]) },
      attrs: { ...attrs, entropy: false },
      outputs: [[Math.log(8), 3], top],
    },
  ],
  TsrlSelectiveLogSoftmaxGrad: [
    {
      inputs: {
        logits,
        ids: integers([1, 0], [2, 1]),
        statistics: { values: statistics, shape: [2, 3] },
        top: { values: top, shape: [2, 2] },
        dy: { values: [2, 0, -1, 2, 0, -1], shape: [2, 3] },
      },
      attrs,
      outputs: [gradients],
    },
  ],
  TsrlTokenGradients: [
    {
      inputs: { logits, ids: integers([1, 0], [2]), columns: { values: [2, -1, 2, -1], shape: [2, 2] } },
      attrs: {
        ...attrs,
        slopes: (_logProb: number, _entropy: number, columns: Float32Array, offset: number, out: Float64Array): void =>
          out.set(columns.subarray(offset, offset + 2)),
      },
      outputs: [[statistics[0], entropy, 0, 0] as number[], gradients],
    },
  ],
};

function integers(values: readonly number[], shape: readonly number[]): Probe['inputs'][string] {
  return { values, shape, dtype: 'int32' };
}
