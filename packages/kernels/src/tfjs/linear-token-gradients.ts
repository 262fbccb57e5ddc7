import type { LinearTokenGradients } from '../linear-token-gradients.js';
import type { TokenSlopes } from '../softmax.js';
import type { AddressedKernel } from './addressed-kernel.js';

/** The gradient of a loss of tokens in hidden states and output projection, without the logits. */
export const linearTokenGradients: AddressedKernel<(call: LinearTokenGradients) => void> = {
  kernelName: 'TsrlLinearTokenGradients',
  inputs: ['hidden', 'weight', 'ids', 'columns'],
  outputs: ([hidden = [], weight = []], { entropy }) => [
    [hidden[0] as number, entropy === true ? 2 : 1],
    hidden,
    weight,
  ],
  run: (family, [hidden = 0, weight = 0, ids = 0, columns = 0], [statistics = 0, ...gradients], shapes, attrs) => {
    const [[rows = 0, inner = 0] = [], [size = 0] = [], , [, width = 0] = []] = shapes;
    const [hiddenGradient = 0, weightGradient = 0] = gradients;
    family({
      ...(attrs as unknown as Attributes),
      ...{ hidden, weight, ids, columns, statistics, hiddenGradient, weightGradient, rows, inner, size, width },
    });
  },
  probe: {
    // Two equal logits: log p = −log 2; the loss is 3 log p.
    inputs: {
      hidden: { values: [1, 2], shape: [1, 2] },
      weight: { values: [1, 1, 3, 0], shape: [2, 2] },
      ids: { values: [1], shape: [1], dtype: 'int32' },
      columns: { values: [3], shape: [1, 1] },
    },
    attrs: {
      temperature: 1,
      ignoreId: -100,
      entropy: false,
      slopes: (_logProb: number, _entropy: number, columns: Float32Array, at: number, out: Float64Array): void => {
        out[0] = columns[at] as number;
      },
    },
    outputs: [[-Math.LN2], [3, -1.5], [-1.5, -3, 1.5, 3]],
  },
};

interface Attributes {
  readonly temperature: number;
  readonly ignoreId: number;
  readonly entropy: boolean;
  readonly slopes: TokenSlopes;
}
