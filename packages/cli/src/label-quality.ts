import { DataError, isTsrlError, type Rng } from '@tsrl/core';
import { type LabelledText, stratifiedFolds } from '@tsrl/data';
import {
  anchoredNoiseRates,
  auroc,
  confidentNoiseRates,
  type EstimatedNoiseRates,
  type Suspect,
  suspects,
  trustedNoiseRates,
} from '@tsrl/evaluation';
import {
  type CrossValidation,
  fitTextClassifier,
  linearProbabilities,
  logisticRegression,
  outOfFoldProbabilities,
  selectRows,
  textClassifier,
} from '@tsrl/linear';

/** Vectors of the training texts, in their order. */
export interface TextVectors {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/** What cross-validation says of the labels. */
export interface LabelQuality {
  /** What the logistic regression looked at: the words of the texts, or the vectors of the frozen model. */
  readonly by: 'tf-idf' | 'vectors';
  readonly folds: number;
  /** By the texts about which the judge is surest, or why there are no rates. */
  readonly anchors: EstimatedNoiseRates | string;
  /** By confident learning: all honest errors of the judge count as noise, so that the rates are rather too high. */
  readonly confident: EstimatedNoiseRates | string;
  /** P(observed 1 | x) of each text, as the classes come: see {@link CrossValidated}. */
  readonly probabilities: Float64Array;
  /** Most suspicious first. */
  readonly suspects: readonly Suspect[];
}

/** Every training text as a model sees it that was fitted without it. */
export interface CrossValidated extends Pick<LabelQuality, 'by' | 'folds'> {
  readonly labels: Float64Array;
  /** Of class 1, both classes counting alike: what tells right labels from wrong ones where one class is rare. */
  readonly alike: Float64Array;
  /** The same for classes as they come, the odds times N₁ / N₀: the probability that an observed label is 1. */
  readonly probabilities: Float64Array;
}

const FOLDS = 5;
/** Probabilities within 1e-4 of the minimum's, in half the time of the default. */
const TOLERANCE = 1e-4;

/**
 * Judges every training text by a logistic regression that was fitted without it, both classes counting alike: over its
 * words, or over its vector where there are vectors and these tell the observed labels apart better (AUROC).
 *
 * @throws DataError for a class of fewer than two texts, or texts without words
 */
export function labelQuality(examples: readonly LabelledText[], rng: Rng, vectors?: TextVectors): LabelQuality {
  return qualityOf(crossValidate(examples, rng, vectors));
}

/** What the judge says, before anything is concluded from it. */
export function crossValidate(examples: readonly LabelledText[], rng: Rng, vectors?: TextVectors): CrossValidated {
  const labels = Float64Array.from(examples, ({ label }) => label);
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const zeros = labels.length - ones;
  const count = Math.min(FOLDS, ones, zeros);
  if (count < 2) throw new DataError('training texts', 'cross-validation needs two texts or more of each class');
  const folds = stratifiedFolds(labels, count, rng);
  const texts = examples.map(({ text }) => text);
  const judges = [judge('tf-idf', labels, folds, byWords(texts, labels))];
  if (vectors) judges.push(judge('vectors', labels, folds, byVectors(vectors, labels)));
  const { by, probabilities: alike } = judges.reduce((best, other) => (other.auroc > best.auroc ? other : best));
  const probabilities = Float64Array.from(alike, (p) => (p * ones) / (p * ones + (1 - p) * zeros));
  return { by, folds: count, labels, alike, probabilities };
}

/** Rates and suspects by what the judge says. */
export function qualityOf({ by, folds, labels, alike, probabilities }: CrossValidated): LabelQuality {
  const outOfFold = { labels, probabilities: alike };
  return {
    by,
    folds,
    confident: orReason(() => confidentNoiseRates(outOfFold)),
    anchors: orReason(() => anchoredNoiseRates(outOfFold)),
    probabilities,
    suspects: suspects(outOfFold),
  };
}

type Fit = CrossValidation['fit'];

function judge(by: LabelQuality['by'], labels: Float64Array, folds: Int32Array, fit: Fit) {
  const probabilities = outOfFoldProbabilities({ folds, fit });
  return { by, probabilities, auroc: auroc(probabilities, labels) ?? 0 };
}

const at = <T>(of: ArrayLike<T>, positions: Int32Array): T[] => Array.from(positions, (i) => of[i] as T);

const byWords = (texts: readonly string[], labels: Float64Array): Fit => {
  return (train) => {
    const known = { texts: at(texts, train), labels: at(labels, train) };
    const classify = textClassifier(fitTextClassifier(known, { classWeights: 'balanced', tolerance: TOLERANCE }));
    return (held) => classify(at(texts, held));
  };
};

const byVectors = (vectors: TextVectors, labels: Float64Array): Fit => {
  return (train) => {
    const known = { features: selectRows(vectors, train), labels: at(labels, train) };
    const model = logisticRegression(known, { classWeights: 'balanced', tolerance: TOLERANCE });
    return (held) => linearProbabilities(model, selectRows(vectors, held));
  };
};

/** The value, or why the data give none. */
export function orReason<T>(compute: () => T): T | string {
  try {
    return compute();
  } catch (error) {
    if (isTsrlError(error, 'data')) return error.message;
    throw error;
  }
}

/**
 * Noise rates from texts whose labels are right. Those that are training texts too are compared with the labels that
 * they have there; the others with the probability that a classifier of the training texts gives them.
 *
 * @throws DataError for a class without a trusted text, or labels that say nothing
 */
export function ratesFromTrusted(
  trusted: readonly LabelledText[],
  train: readonly LabelledText[],
): EstimatedNoiseRates {
  const known = new Map<string, number>(train.map(({ text, label }) => [text, label]));
  const others = trusted.filter(({ text }) => !known.has(text)).map(({ text }) => text);
  if (others.length > 0) {
    const labels = train.map(({ label }) => label);
    const model = fitTextClassifier({ texts: train.map(({ text }) => text), labels });
    const probabilities = textClassifier(model)(others);
    for (const [i, text] of others.entries()) known.set(text, probabilities[i] as number);
  }
  return trustedNoiseRates({
    trusted: trusted.map(({ label }) => label),
    observed: trusted.map(({ text }) => known.get(text) as number),
  });
}
