export {
  BackendError,
  DataError,
  DivergenceError,
  type ErrorCode,
  isTsrlError,
  OptionError,
  ShapeError,
  StateError,
  show,
  TsrlError,
} from './errors.js';
export { expectLength, expectSameGrid, type Grid, gridOf, zeros } from './grid.js';
export type { Json } from './json.js';
export { logSigmoid, sigmoid, softplus } from './logistic.js';
export { createRng, permutation, type Rng, type RngState } from './rng.js';
export { constant, cosine, linear, type Schedule, toSchedule, warmup } from './schedule.js';
export {
  type CorrectedAverage,
  correctedAverage,
  exponentialAverage,
  type Moments,
  runningMoments,
  type Tracker,
  varianceOf,
} from './tracker.js';
