import { DataError, isTsrlError, type Rng } from '@tsrl/core';
import { type LabelledText, stratifiedFolds } from '@tsrl/data';
import {
  type ConfidentNoiseRates,
  confidentNoiseRates,
  type EstimatedNoiseRates,
  type Suspect,
  suspects,
  trustedNoiseRates,
} from '@tsrl/evaluation';
import {
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
  /** [N], of class 1, by a model that did not see the text. */
  readonly probabilities: Float64Array;
  /** By confident learning. Honest errors of the model count as noise, so the rates are rather too high; or why there are none. */
  readonly rates: ConfidentNoiseRates | string;
  /** Most suspicious first. */
  readonly suspects: readonly Suspect[];
}

const FOLDS = 5;

/**
 * Judges every training text by a logistic regression that was fitted without it, both classes counting alike.
 *
 * @throws DataError for a class of fewer than two texts, or texts without words
 */
export function labelQuality(examples: readonly LabelledText[], rng: Rng, vectors?: TextVectors): LabelQuality {
  const labels = Float64Array.from(examples, ({ label }) => label);
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const folds = Math.min(FOLDS, ones, labels.length - ones);
  if (folds < 2) throw new DataError('training texts', 'cross-validation needs two texts or more of each class');
  const at = <T>(of: ArrayLike<T>, positions: Int32Array): T[] => Array.from(positions, (i) => of[i] as T);
  const texts = examples.map(({ text }) => text);
  const classWeights = 'balanced';
  const probabilities = outOfFoldProbabilities({
    folds: stratifiedFolds(labels, folds, rng),
    fit: (train) => {
      const known = at(labels, train);
      if (!vectors) {
        const classify = textClassifier(
          fitTextClassifier({ texts: at(texts, train), labels: known }, { classWeights }),
        );
        return (held) => classify(at(texts, held));
      }
      const model = logisticRegression({ features: selectRows(vectors, train), labels: known }, { classWeights });
      return (held) => linearProbabilities(model, selectRows(vectors, held));
    },
  });
  const outOfFold = { labels, probabilities };
  return {
    by: vectors ? 'vectors' : 'tf-idf',
    folds,
    probabilities,
    rates: orReason(() => confidentNoiseRates(outOfFold)),
    suspects: suspects(outOfFold),
  };
}

/** The value, or why the data give none. */
function orReason<T>(compute: () => T): T | string {
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
