export { type DenseFeatures, type Features, type SparseFeatures, selectRows } from './features.js';
export {
  type LabelledFeatures,
  type LinearClassifier,
  type LogisticRegressionOptions,
  linearProbabilities,
  logisticRegression,
} from './logistic-regression.js';
export { type CrossValidation, outOfFoldProbabilities } from './out-of-fold.js';
export {
  fitTextClassifier,
  type TextClassifierModel,
  type TextClassifierOptions,
  textClassifier,
} from './text-classifier.js';
export { fitTfIdf, type TfIdfModel, type TfIdfOptions, tfIdf } from './tf-idf.js';
