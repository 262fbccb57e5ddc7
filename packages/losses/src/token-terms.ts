import type { Aggregate, Loss, StepContext } from '@tsrl/tensor';

/**
 * A loss of tokens as a kernel sees it that goes through the logits once and writes their gradient at once
 * (`fromLogits`, `fromHidden`): the loss is the aggregate of f(x) over the tokens, x being the log-prob of the token
 * chosen or the entropy there.
 */
export interface TokenTerm {
  readonly of: 'logProbs' | 'entropy';
  /** The inputs of the loss, each [B, T] and constant, that the slope reads, in this order. */
  readonly inputs: readonly string[];
  /** f'(x) at one token; its inputs stand at `at`, `at + 1`, … of `values`. */
  slope(x: number, values: Float32Array, at: number): number;
  /** Linear in its first argument, as all of @tsrl/tensor are. */
  readonly aggregate: Aggregate;
}

/** The terms whose sum is the loss. */
export type TokenTerms = (context: StepContext) => readonly TokenTerm[];

const known = new WeakMap<object, TokenTerms>();

/**
 * Tells the terms of a loss, which is returned as it is. For losses of one's own: the slope must be the derivative of
 * what the loss computes, or `fromLogits` trains something else than it reports; compare the two on random inputs.
 */
export function withTokenTerms<L extends Loss<never>>(loss: L, terms: TokenTerms): L {
  known.set(loss, terms);
  return loss;
}

/** Undefined for a loss that is no sum over tokens, or has not told. */
export function tokenTermsOf(loss: Loss<never>): TokenTerms | undefined {
  return known.get(loss);
}
