import { expectLength, StateError } from '@tsrl/core';
import { type LogisticRegressionOptions, linearProbabilities, logisticRegression } from './logistic-regression.js';
import { fitTfIdf, type TfIdfModel, type TfIdfOptions, tfIdf } from './tf-idf.js';

/** What {@link fitTextClassifier} has learned, as JSON. */
export interface TextClassifierModel {
  readonly tfIdf: TfIdfModel;
  /** Of each term. */
  readonly weights: readonly number[];
  readonly bias: number;
}

/** Options of {@link fitTextClassifier}. */
export interface TextClassifierOptions extends TfIdfOptions, LogisticRegressionOptions {}

/**
 * Logistic regression on TF-IDF, the classifier of texts to try first: {@link fitTfIdf}, then {@link logisticRegression}
 * on its rows.
 *
 * @throws what the two throw; ShapeError unless there is a label for each text
 */
export function fitTextClassifier(
  { texts, labels }: { readonly texts: readonly string[]; readonly labels: ArrayLike<number> },
  options: TextClassifierOptions = {},
): TextClassifierModel {
  expectLength('fitTextClassifier', 'labels', labels, texts.length);
  const terms = fitTfIdf(texts, options);
  const { weights, bias } = logisticRegression({ features: tfIdf(terms)(texts), labels }, options);
  return { tfIdf: terms, weights: Array.from(weights), bias };
}

/**
 * P(class 1) of texts, [N], by a fitted model.
 *
 * @throws StateError for a model that {@link fitTextClassifier} did not make
 */
export function textClassifier(model: TextClassifierModel): (texts: readonly string[]) => Float64Array {
  const features = tfIdf(model.tfIdf);
  const classifier = { weights: Float64Array.from(model.weights), bias: model.bias };
  const { length } = model.tfIdf.terms;
  if (classifier.weights.length !== length || ![model.bias, ...model.weights].every(Number.isFinite)) {
    throw new StateError('textClassifier', `the model must have a finite weight for each of its ${length} terms`);
  }
  return (texts) => linearProbabilities(classifier, features(texts));
}
