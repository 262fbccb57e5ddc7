import type * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '@tsrl/core';
import {
  expectShape,
  type Loss,
  linearTokenGradients,
  linearTokenStatistics,
  type TemperatureOptions,
} from '@tsrl/tensor';
import type { LogitsInputs } from './from-logits.js';
import { evaluateTokens, type TokenSource } from './fused-tokens.js';
import { expectPositive } from './option-checks.js';

/** What `fromHidden` puts in the place of `logProbs` and `entropy`. */
export interface HiddenInputs extends Omit<LogitsInputs, 'logits'> {
  /** float32 [B, T, H], differentiable: the states that the output projection reads; those at t predict token t. */
  readonly hidden: tf.Tensor3D;
  /** float32 [V, H], differentiable: the output projection, as Hugging Face stores it. */
  readonly weight: tf.Tensor2D;
}

/** The inputs of a loss with hidden states and the output projection in the place of what is computed from them. */
export type FromHidden<Inputs> = Omit<Inputs, 'logProbs' | 'entropy'> & HiddenInputs;

/**
 * `fromLogits` behind the output projection, logits = hidden · weightᵀ, without the logits: [B, T, V] is the largest
 * tensor of a language model, and here only a chunk of tokens of it exists at a time (13 MB for V = 32000). For a sum over
 * tokens on wasm and cpu the gradients in `hidden` and `weight` come out of the same pass: the chunks cost about 5 to 8 %
 * of the time and need a quarter of the memory (T = 1024, H = 512, V = 32000: 81 MB, of which 68 MB are the gradients,
 * against 330 MB). Any other loss, and any other backend, goes by `linearTokenStatistics`, which multiplies once more on
 * the way back.
 *
 * @throws OptionError unless the temperature is positive, ShapeError when called
 */
export function fromHidden<Inputs>(
  loss: Loss<Inputs>,
  { temperature = 1 }: TemperatureOptions = {},
): Loss<FromHidden<Inputs>> {
  expectPositive('fromHidden', 'temperature', temperature);
  return ({ hidden, weight, ids, ...rest }, context = {}) => {
    const { mask } = rest as unknown as HiddenInputs;
    expectShape('fromHidden', 'mask', mask, ['B', 'T']);
    expectShape('fromHidden', 'ids', ids, mask.shape, 'int32');
    expectShape('fromHidden', 'hidden', hidden, [...mask.shape, 'H']);
    expectShape('fromHidden', 'weight', weight, ['V', hidden.shape[2]]);
    if (weight.shape[0] < 1)
      throw new ShapeError('fromHidden', 'weight', 'float32 [V, H], V at least 1', `[${weight.shape.join(', ')}]`);
    const source = {
      kind: 'linear',
      differentiable: [hidden, weight],
      gradients: (options) => linearTokenGradients(hidden, weight, { ...options, temperature }),
      statistics: (counted) => linearTokenStatistics(hidden, weight, counted, { temperature }),
    } satisfies TokenSource;
    return evaluateTokens(loss, { ids, mask, rest }, source, context);
  };
}
