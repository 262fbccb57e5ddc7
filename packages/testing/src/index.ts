export { type ForAllOptions, forAll, forAllAsync } from './for-all.js';
export { finiteDifference, float32, float32Condition, float64, maxError, type Tolerance } from './numeric.js';
