import type * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '@tsrl/core';
import {
  expectShape,
  type Loss,
  type PerToken,
  type TemperatureOptions,
  tokenGradients,
  tokenStatistics,
} from '@tsrl/tensor';
import { evaluateTokens, type TokenSource } from './fused-tokens.js';
import { expectPositive } from './option-checks.js';

/** What `fromLogits` puts in the place of `logProbs` and `entropy`. */
export interface LogitsInputs {
  /** float32 [B, T, V], differentiable; those at t predict token t: see `shiftForNextToken`. */
  readonly logits: tf.Tensor3D;
  /** int32 [B, T]: the tokens chosen. */
  readonly ids: tf.Tensor2D;
  /** [B, T]: 1 where a token counts, 0 where not, or non-negative weights. */
  readonly mask: PerToken;
}

/** The inputs of a loss with logits in the place of what is computed from them. */
export type FromLogits<Inputs> = Omit<Inputs, 'logProbs' | 'entropy'> & LogitsInputs;

/**
 * A loss of log-probs and entropies as a loss of logits:
 *
 *   fromLogits(loss)({ logits, ids, mask, … }) = loss({ logProbs, entropy, mask, … })
 *
 * with the log-probs and entropies of softmax(logits / τ) where the mask counts, and 0 elsewhere (and where an id is −100). A loss that is a sum
 * over tokens (`ppoClip`, `negativeLogLikelihood`, `kl` with an estimator as it stands, `entropyBonus`, `scale`d, in an `objective`, or one's own
 * by `withTokenTerms`) has a gradient in the logits that is known as soon as their row has been read: on wasm and cpu
 * one pass then gives the loss and its gradient, with one exponential for each element and none for tokens that the mask
 * leaves out; its other inputs are constants. Any other loss, and any other backend, goes by `tokenStatistics`. The two
 * agree up to rounding.
 *
 * @throws OptionError unless the temperature is positive, ShapeError when called
 */
export function fromLogits<Inputs>(
  loss: Loss<Inputs>,
  { temperature = 1 }: TemperatureOptions = {},
): Loss<FromLogits<Inputs>> {
  expectPositive('fromLogits', 'temperature', temperature);
  return ({ logits, ids, ...rest }, context = {}) => {
    const { mask } = rest as unknown as LogitsInputs;
    expectShape('fromLogits', 'mask', mask, ['B', 'T']);
    expectShape('fromLogits', 'ids', ids, mask.shape, 'int32');
    expectShape('fromLogits', 'logits', logits, [...mask.shape, 'V']);
    if (logits.shape[2] < 1)
      throw new ShapeError('fromLogits', 'logits', 'float32 [B, T, V], V at least 1', `[${logits.shape.join(', ')}]`);
    const source = {
      kind: 'logits',
      differentiable: [logits],
      gradients: (options) => tokenGradients(logits, { ...options, temperature }),
      statistics: (counted) => tokenStatistics(logits, counted, { temperature }),
    } satisfies TokenSource;
    return evaluateTokens(loss, { ids, mask, rest }, source, context);
  };
}
