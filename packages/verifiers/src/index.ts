export * from './algorithms.js';
export { type LinearRegex, type LinearRegexOptions, linearRegex } from './linear-regex.js';
export {
  type Equivalence,
  type MathEquivalence,
  type MathEquivalenceOptions,
  mathEquivalence,
} from './math-equivalence.js';
