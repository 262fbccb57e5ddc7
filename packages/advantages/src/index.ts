export { type AdaptiveKlOptions, adaptiveKl, type KlObservation } from './adaptive-kl.js';
export * from './algorithms.js';
export type { EstimatorEntry, EstimatorLaw, ExampleShape } from './entry.js';
export type { Masking } from './masking.js';
export type { VarianceKind } from './moments.js';
export type { AdvantageResult } from './result.js';
