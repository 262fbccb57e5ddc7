import * as tf from '@tensorflow/tfjs-core';
import { OptionError, permutation } from '@tsrl/core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  logNormalizer,
  maskedMean,
  type PerToken,
  selectiveLogSoftmax,
  stopGradient,
  tokenMean,
  zeroMasked,
} from '@tsrl/tensor';
import { vocabularyDivergence } from './distillation-divergence.js';
import type { LossEntry } from './entry.js';
import { drawMask } from './example.js';
import { expectPositive } from './option-checks.js';

/** Options of `distillation`. */
export interface DistillationOptions {
  /** β in [0, 1]: 0 is the forward divergence KL(ν ‖ π), 1 the reverse KL(π ‖ ν), default 0.5. */
  readonly beta?: number;
  /** τ > 0 of both softmaxes; default 1. The loss is not multiplied by τ². */
  readonly temperature?: number;
  /** Compares only at the K tokens that the student finds likeliest; all of them if left out. */
  readonly topK?: number;
  /** With `topK`: all other tokens as one more token (default), or left out and the rest renormalized (false). */
  readonly tail?: boolean;
  /** How the divergences of tokens become one number; default `tokenMean`. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `distillation`. */
export interface DistillationInputs {
  /** Logits of the student, float32 [B, T, V], differentiable; those at t predict token t. */
  readonly logits: tf.Tensor3D;
  /** Logits of the teacher at the same tokens and over the same vocabulary, [B, T, V]; constant, whatever they come from. */
  readonly teacherLogits: tf.Tensor3D;
  /** [B, T]: 1 where a token counts, 0 where not, or non-negative weights. */
  readonly mask: PerToken;
}

/**
 * Knowledge distillation over the vocabulary, by the generalized Jensen-Shannon divergence of student π and teacher ν:
 *
 *   loss = agg(β KL(ν ‖ M) + (1 − β) KL(π ‖ M)),  M = (1 − β) π + β ν;  KL(ν ‖ π) for β = 0, KL(π ‖ ν) for β = 1
 *
 * Between 0 and 1 it is at most the entropy of (β, 1 − β), ½ symmetric. It goes to 0 for β → 0 and β → 1: there
 * only its quotients by β and 1 − β go to the two divergences that stand at the ends. Gradient in the logits: (π − ν) / τ
 * for β = 0, otherwise c π_v (log π_v / M_v − KL(π ‖ M)) / τ with c = 1 − β, or c = 1 and M = ν for β = 1. It is
 * written by hand and keeps nothing of [B, T, V] but the logits.
 *
 * Which method it is depends on whose tokens these are: on those of a data set knowledge distillation, on the student's
 * own GKD and on-policy distillation (β = 1); with a teacher that is the student with a hint in its prompt,
 * self-distillation (SDFT, SDPO). β = 1 is the single-step term of MiniLLM. Where the tokens come from an older
 * student, multiply by `importanceWeights` through `tokenWeighted`.
 *
 * A token that one of the two cannot produce (−∞) counts as one of log-prob −10⁴, so that the loss stays finite.
 *
 * Differences: TRL's GKD without labels divides by the rows instead of the tokens, and its `mean` also by V. Its
 * tail is log(1 − Σ p), here the sum over the other tokens, which keeps its digits; both are at least 1e-7.
 *
 * Metric: `divergence`, the mean over the mask.
 *
 * @throws OptionError when built, and when called with `topK` above V; ShapeError when called
 * @see Agarwal et al. 2024, arXiv:2306.13649, equation 1; MiniLLM: Gu et al. 2024, arXiv:2306.08543; the K likeliest
 *   tokens and the rest: Hübotter et al. 2026 (SDPO), arXiv:2601.20802
 */
export function distillation({
  beta = 0.5,
  temperature = 1,
  topK,
  tail = true,
  aggregate = tokenMean,
}: DistillationOptions = {}): Loss<DistillationInputs> {
  const who = 'distillation';
  if (!(beta >= 0 && beta <= 1)) throw new OptionError(who, 'beta', 'in [0, 1]', beta);
  expectPositive(who, 'temperature', temperature);
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new OptionError(who, 'topK', 'a whole number of at least 1', topK);
  }

  return ({ logits, teacherLogits, mask }, context = {}) => {
    expectShape(who, 'mask', mask, ['B', 'T']);
    expectShape(who, 'logits', logits, [...mask.shape, 'V']);
    expectSameShape(who, { logits, teacherLogits });
    const size = logits.shape[2];
    if (topK !== undefined && topK > size) throw new OptionError(who, 'topK', `at most V = ${size}`, topK);
    return tf.tidy(() => {
      const [student, teacher] =
        topK === undefined
          ? [tf.div<tf.Tensor>(logits, temperature), tf.div<tf.Tensor>(teacherLogits, temperature)]
          : likeliest(logits, teacherLogits, mask, { topK, tail, temperature });
      const divergences = vocabularyDivergence(student, teacher, beta) as PerToken;
      return {
        loss: aggregate(divergences, mask, context),
        metrics: { divergence: maskedMean(stopGradient(divergences), mask) },
      };
    });
  };
}

/** The other tokens together have a probability of 1e-7 at least: the forward divergence stays bounded where the student has none left. */
const LEAST_REST = Math.log(1e-7);

/** Log-probs of both at the student's K likeliest tokens, [B, T, K], and of all other tokens together with a tail. */
function likeliest(
  logits: tf.Tensor3D,
  teacherLogits: tf.Tensor3D,
  mask: PerToken,
  { topK, tail, temperature }: { readonly topK: number; readonly tail: boolean; readonly temperature: number },
): [tf.Tensor, tf.Tensor] {
  const { indices } = tf.topk(stopGradient(logits), topK, false);
  const chosen = tail ? atIndices(indices as tf.Tensor3D, logits.shape) : undefined;
  const counts = tf.tile(tf.expandDims(mask, -1), [1, 1, topK]);
  const at = (of: tf.Tensor3D): tf.Tensor => {
    const logProbs = zeroMasked(selectiveLogSoftmax(of, indices, { temperature }), counts);
    if (chosen === undefined) return logProbs;
    // The sum over the others: 1 − Σ p has no digits where the rest is small.
    const others = tf.where(chosen, tf.fill(of.shape, Number.NEGATIVE_INFINITY), of) as tf.Tensor3D;
    const rest = tf.sub<PerToken>(logNormalizer(others, { temperature }), logNormalizer(of, { temperature }));
    return tf.concat([logProbs, tf.expandDims(tf.maximum(zeroMasked(rest, mask), LEAST_REST), -1)], -1);
  };
  return [at(logits), at(teacherLogits)];
}

/** Whether each of [B, T, V] is among the indices [B, T, K]. */
function atIndices(indices: tf.Tensor3D, shape: [number, number, number]): tf.Tensor {
  const [rows, size, chosen] = [shape[0] * shape[1], shape[2], indices.shape[2]];
  const starts = tf.reshape(tf.range(0, rows * size, size, 'int32'), [rows, 1]);
  const places = tf.reshape(tf.add(tf.reshape(indices, [rows, chosen]), starts), [rows * chosen, 1]);
  return tf.cast(tf.reshape(tf.scatterND(places, tf.ones([places.size]), [rows * size]), shape), 'bool');
}

export const distillationEntry: LossEntry<DistillationInputs> = {
  name: 'distillation',
  formula: 'β KL(ν ‖ M) + (1 − β) KL(π ‖ M), M = (1 − β) π + β ν',
  citation: 'arXiv:2306.13649',
  per: 'token',
  differentiable: ['logits'],
  example: ({ sequences, tokens }, rng) => {
    // No two of a token near each other: a small step leaves the same ones the likeliest.
    const row = (): number[] => Array.from(permutation(5, rng), (k) => 1.6 * (k - 2) + 0.8 * rng.uniform());
    const draw = (): tf.Tensor3D =>
      tf.tensor3d(Float32Array.from(Array.from({ length: sequences * tokens }, row).flat()), [sequences, tokens, 5]);
    return { logits: draw(), teacherLogits: draw(), mask: drawMask({ sequences, tokens }, rng) };
  },
  evaluate: distillation(),
  variants: {
    'forward divergence': distillation({ beta: 0 }),
    'reverse divergence': distillation({ beta: 1, temperature: 2 }),
    'three likeliest tokens': distillation({ topK: 3 }),
    'three likeliest tokens, renormalized': distillation({ beta: 1, topK: 3, tail: false }),
  },
  build: (aggregate) => distillation({ aggregate }),
};
