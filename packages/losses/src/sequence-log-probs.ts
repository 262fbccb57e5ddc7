import { expectSameShape, expectShape, maskedSum, type PerSequence, type PerToken } from '@tsrl/tensor';

/**
 * log π(y | x) of whole responses: Σ_t mask · logProbs, [B, T] → [B], differentiable in the log-probs. From logits,
 * `shiftForNextToken` and `selectiveLogSoftmax` of @tsrl/tensor come first; the mask counts the response, not the prompt.
 * A response without a token has 0. Its length, which some losses of pairs ask for, is Σ_t mask.
 *
 * @throws ShapeError unless both are float32 [B, T]
 */
export function sequenceLogProbs(logProbs: PerToken, mask: PerToken): PerSequence {
  expectShape('sequenceLogProbs', 'logProbs', logProbs, ['B', 'T']);
  expectSameShape('sequenceLogProbs', { logProbs, mask });
  return maskedSum(logProbs, mask, { axis: 1 }) as PerSequence;
}
