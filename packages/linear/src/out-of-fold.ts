import { DataError, OptionError, ShapeError } from '@tsrl/core';

/** What is cross-validated by {@link outOfFoldProbabilities}. */
export interface CrossValidation {
  /** The fold of each example, [N], 0 … K − 1, none empty, K ≥ 2; `stratifiedFolds` of @tsrl/data deals them. */
  readonly folds: ArrayLike<number>;
  /** Trains on the examples at these positions, and returns what gives P(class 1) of the examples at others. */
  readonly fit: (train: Int32Array) => (heldOut: Int32Array) => ArrayLike<number>;
}

/**
 * P(class 1) of every example by a model that was fitted without its fold, [N]: what `suspects` and
 * `confidentNoiseRates` of @tsrl/evaluation ask for. K fits, one after the other. All that is learned, the terms of a
 * TF-IDF too, belongs into `fit`.
 *
 * @throws OptionError for folds that are not 0 … K − 1; ShapeError and DataError when a fit does not give one
 *   probability in [0, 1] for each position
 * @see Stone 1974, "Cross-validatory choice and assessment of statistical predictions"
 */
export function outOfFoldProbabilities({ folds, fit: fitOn }: CrossValidation): Float64Array {
  const who = 'outOfFoldProbabilities';
  const positions: number[][] = [];
  for (let i = 0; i < folds.length; i++) {
    const fold = folds[i] as number;
    if (!(Number.isInteger(fold) && fold >= 0 && fold < folds.length)) {
      throw new OptionError(who, `folds[${i}]`, `a whole number from 0 to ${folds.length - 1}`, fold);
    }
    while (positions.length <= fold) positions.push([]);
    positions[fold]?.push(i);
  }
  const empty = positions.findIndex((members) => members.length === 0);
  if (empty >= 0) throw new OptionError(who, 'folds', `without a gap from 0 to ${positions.length - 1}`, `no ${empty}`);
  if (positions.length < 2) throw new OptionError(who, 'folds', 'at least two', positions.length);

  const probabilities = new Float64Array(folds.length);
  positions.forEach((members, fold) => {
    const rest = Array.from(probabilities, (_, i) => i).filter((i) => folds[i] !== fold);
    const given = fitOn(Int32Array.from(rest))(Int32Array.from(members));
    if (given.length !== members.length) {
      const expected = `of length ${members.length}`;
      throw new ShapeError(who, `the probabilities of fold ${fold}`, expected, `length ${given.length}`);
    }
    members.forEach((i, k) => {
      const p = given[k] as number;
      if (!(p >= 0 && p <= 1)) throw new DataError(who, `the probability of example ${i} must be in [0, 1]; got ${p}`);
      probabilities[i] = p;
    });
  });
  return probabilities;
}
