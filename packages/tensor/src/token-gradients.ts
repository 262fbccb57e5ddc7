import * as tf from '@tensorflow/tfjs-core';
import type { TemperatureOptions } from './log-probs-normalizer.js';
import { stopGradient } from './stop-gradient.js';
import type { PerToken } from './types.js';

/** The derivatives of a loss at one token, given what the token is worth and the numbers that belong to it. */
export type TokenSlopes = (
  logProb: number,
  /** NaN unless the entropy was asked for. */
  entropy: number,
  /** The numbers of the token stand at `at`, `at + 1`, … */
  columns: Float32Array,
  at: number,
  /** To be written: d loss / d logProb, d loss / d entropy. */
  out: Float64Array,
) => void;

/** What both ways to a fused gradient are given beside the logits, or what makes them. */
export interface TokenGradientOptions extends TemperatureOptions {
  /** int32 [B, T]; −100 for a token that does not count, which costs nothing. */
  readonly ids: tf.Tensor2D;
  /** float32 [B·T, C]: what `slopes` reads of each token. */
  readonly columns: tf.Tensor2D;
  readonly slopes: TokenSlopes;
  /** Whether `slopes` reads or differentiates the entropy. */
  readonly entropy: boolean;
}

/** Of the tokens that do not count, everything is 0. */
export interface TokenGradients {
  readonly logProbs: PerToken;
  /** In nats; when it was asked for. */
  readonly entropy?: PerToken;
  /** d loss / d input, for each of the inputs. */
  readonly gradients: readonly tf.Tensor[];
}

/** Whether this backend has `tokenGradients`, or `linearTokenGradients`. */
export function hasTokenGradients(of: 'logits' | 'linear' = 'logits'): boolean {
  return tf.getKernel(kernels[of], tf.getBackend()) !== undefined;
}

const kernels = { logits: 'TsrlTokenGradients', linear: 'TsrlLinearTokenGradients' } as const;

/**
 * Log-probs, entropies, and the gradient of Σ over tokens of f(logProb, entropy) in the logits, in one pass over them:
 *
 *   d / d x_j = (1 / τ) ( s (1[j = id] − p_j) − h p_j (log p_j + H) ),   s = ∂f/∂logProb,  h = ∂f/∂H
 *
 * with p = softmax(x / τ). Each row is read once, written once, and its exponentials are computed once. `slopes` runs on
 * the host for each token in turn. Nothing here is differentiable.
 *
 * @param logits float32 [B, T, V]
 */
export function tokenGradients(logits: tf.Tensor3D, options: TokenGradientOptions): TokenGradients {
  const size = logits.shape[2];
  return run(kernels.logits, { logits: tf.reshape(stopGradient(logits), [-1, size]) }, [logits], options);
}

/**
 * The same with logits = hidden · weightᵀ, which are never held together: chunks of tokens go through the product, the
 * pass over the logits, and both products of the gradient, one chunk after the other.
 *
 * @param hidden float32 [B, T, H]
 * @param weight float32 [V, H]
 */
export function linearTokenGradients(
  hidden: tf.Tensor3D,
  weight: tf.Tensor2D,
  options: TokenGradientOptions,
): TokenGradients {
  const rows = tf.reshape(stopGradient(hidden), [-1, hidden.shape[2]]);
  return run(kernels.linear, { hidden: rows, weight: stopGradient(weight) }, [hidden, weight], options);
}

function run(
  kernelName: string,
  inputs: Record<string, tf.Tensor>,
  sources: readonly tf.Tensor[],
  { ids, columns, slopes, entropy, temperature = 1 }: TokenGradientOptions,
): TokenGradients {
  return tf.tidy(() => {
    const flatIds = tf.reshape(ids, [-1]);
    // Attributes of a kernel may be anything; their type says less.
    const attrs = { temperature, ignoreId: -100, entropy, slopes } as unknown as tf.NamedAttrMap;
    const [statistics, ...gradients] = tf
      .engine()
      .runKernel(kernelName, { ...inputs, ids: flatIds, columns: stopGradient(columns) }, attrs) as unknown as [
      tf.Tensor2D,
      ...tf.Tensor[],
    ];
    const [logProbs, entropies] = tf
      .split(statistics, statistics.shape[1], 1)
      .map((column) => tf.reshape<tf.Rank.R2>(column, ids.shape));
    return {
      logProbs: logProbs as PerToken,
      ...(entropies ? { entropy: entropies } : {}),
      gradients: gradients.map((gradient, i) => tf.reshape(gradient, (sources[i] as tf.Tensor).shape)),
    };
  });
}
