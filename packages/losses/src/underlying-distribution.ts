import { DataError, expectLength, type Grid, OptionError, permutation, type Rng, ShapeError } from '@tsrl/core';
import { type LinearClassifier, linearProbabilities, logisticRegression } from '@tsrl/linear';
import { expectPositive } from './option-checks.js';
import { expectLabels } from './unpaired.js';

/** Options of `samplePrompts`. */
export interface SamplePromptsOptions {
  /** At most as many of each class; default 1024, as TRL's `prompt_sample_size`. */
  readonly perClass?: number;
}

/**
 * The prompts to embed for `fitPromptClassifier`: rows of up to `perClass` desirable and up to `perClass` undesirable
 * examples, ascending, drawn without replacement. TRL draws with replacement.
 *
 * @throws OptionError unless `perClass` is a whole number of at least 1, DataError for a label that is not 0 or 1
 */
export function samplePrompts(
  labels: ArrayLike<number>,
  rng: Rng,
  { perClass = 1024 }: SamplePromptsOptions = {},
): Int32Array {
  if (!(Number.isInteger(perClass) && perClass >= 1)) {
    throw new OptionError('samplePrompts', 'perClass', 'a whole number of at least 1', perClass);
  }
  expectLabels('samplePrompts', labels);
  const chosen = [1, 0].flatMap((label) => {
    const rows = Array.from(labels, (_, i) => i).filter((i) => labels[i] === label);
    return Array.from(permutation(rows.length, rng).slice(0, perClass), (at) => rows[at] as number);
  });
  return Int32Array.from(chosen).sort();
}

/** Embeddings of prompts, and which kind of example each came from. */
export interface PromptExamples {
  /** [N, D], finite. */
  readonly embeddings: Grid;
  /** [N]: 1 for a prompt of a desirable completion, 0 for one of an undesirable completion. */
  readonly labels: ArrayLike<number>;
}

/** Options of `fitPromptClassifier`. */
export interface FitPromptClassifierOptions {
  /** C > 0, the weight of the data against the penalty; default 1, as in scikit-learn, which TRL calls. */
  readonly inverseRegularization?: number;
}

/**
 * A classifier that tells from the embedding e of a prompt how likely its completion was desirable:
 * f(e) = sigmoid(w·e + b), the minimum of
 *
 *   ½ |w|² + C Σ_i c_i softplus(−s_i (w·e_i + b)),  s = ±1,  c_i = N / (2 N_class(i))
 *
 * found to a gradient of 1e-10 of the first one. The classes weigh the same in it, so that f / (1 − f) estimates
 * p(x | desirable) / p(x | undesirable). The minimum is unique, so that the order of the prompts does not matter.
 *
 * @throws OptionError for C, ShapeError, DataError when a class is missing, a label is not 0 or 1 or an embedding not
 *   finite, DivergenceError when embeddings are so large that no minimum is found
 */
export function fitPromptClassifier(
  { embeddings, labels }: PromptExamples,
  { inverseRegularization = 1 }: FitPromptClassifierOptions = {},
): LinearClassifier {
  const who = 'fitPromptClassifier';
  expectPositive(who, 'inverseRegularization', inverseRegularization);
  expectEmbeddings(who, embeddings);
  expectLength(who, 'labels', labels, embeddings.rows);
  expectLabels(who, labels);
  const count = embeddings.rows;
  const desirable = Array.from(labels).filter((label) => label === 1).length;
  if (desirable === 0 || desirable === count) {
    const missing = desirable === 0 ? 'desirable' : 'undesirable';
    throw new DataError(who, `prompts of both classes are needed; none of the ${count} is ${missing}`);
  }
  return logisticRegression({ features: embeddings, labels }, { inverseRegularization, classWeights: 'balanced' });
}

/**
 * f(e) of prompts, [N].
 *
 * @throws ShapeError when the embeddings have another size than those of the fit, DataError unless they are finite
 */
export function promptProbabilities(classifier: LinearClassifier, embeddings: Grid): Float64Array {
  expectEmbeddings('promptProbabilities', embeddings);
  const { rows, columns } = embeddings;
  const size = classifier.weights.length;
  if (columns !== size) {
    throw new ShapeError('promptProbabilities', 'embeddings', `[N, ${size}]`, `[${rows}, ${columns}]`);
  }
  return linearProbabilities(classifier, embeddings);
}

/** What `promptProbabilities` gives for the prompts of a batch, and what their completions are. */
export interface MatchingInputs {
  /** f in [0, 1], [B]. */
  readonly probabilities: ArrayLike<number>;
  /** 1 for desirable, 0 for undesirable, [B]. */
  readonly labels: ArrayLike<number>;
}

/** Options of `matchingWeights`. */
export interface MatchingWeightsOptions {
  /** Default 0.5, as in TRL. */
  readonly minDensityRatio?: number;
  /** Default 10, as in TRL. */
  readonly maxDensityRatio?: number;
}

/**
 * Underlying distribution matching: weights for `bco` that make the prompts of the undesirable completions count as if
 * they came from the distribution of the desirable ones.
 *
 *   w = 1 (desirable),  clamp(f / (1 − f), minDensityRatio, maxDensityRatio) (undesirable)
 *
 * TRL divides by 1 − f + 1e-8, which the upper bound makes the same.
 *
 * @throws OptionError unless 0 ≤ minDensityRatio ≤ maxDensityRatio, ShapeError, DataError
 * @see Jung et al. 2024, arXiv:2404.04656, first version
 */
export function matchingWeights(
  { probabilities, labels }: MatchingInputs,
  { minDensityRatio = 0.5, maxDensityRatio = 10 }: MatchingWeightsOptions = {},
): Float64Array {
  const who = 'matchingWeights';
  if (!(minDensityRatio >= 0)) throw new OptionError(who, 'minDensityRatio', 'at least 0', minDensityRatio);
  if (!(maxDensityRatio >= minDensityRatio && maxDensityRatio < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'maxDensityRatio', `finite and at least ${minDensityRatio}`, maxDensityRatio);
  }
  expectLength(who, 'labels', labels, probabilities.length);
  expectLabels(who, labels);
  return Float64Array.from(probabilities, (f, i) => {
    if (!(f >= 0 && f <= 1)) throw new DataError(who, `probability ${i} must be in [0, 1]; got ${f}`);
    return labels[i] === 1 ? 1 : Math.min(Math.max(f / (1 - f), minDensityRatio), maxDensityRatio);
  });
}

function expectEmbeddings(who: string, { rows, columns, data }: Grid): void {
  if (data.length !== rows * columns) {
    throw new ShapeError(
      who,
      'embeddings',
      `[${rows}, ${columns}] = ${rows * columns} numbers`,
      `${data.length} numbers`,
    );
  }
  const wild = data.findIndex((x) => !Number.isFinite(x));
  if (wild < 0) return;
  const place = `row ${Math.floor(wild / columns)}, column ${wild % columns}`;
  throw new DataError(who, `embeddings must be finite; got ${data[wild]} in ${place}`);
}
