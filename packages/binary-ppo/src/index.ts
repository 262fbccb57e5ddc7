export { enumerateActions, labelActions, rewardsOfActions, sampleActions } from './actions.js';
export type { Baseline } from './baselines.js';
export {
  type BinaryPpo,
  type BinaryPpoColumns,
  type BinaryPpoInputs,
  type BinaryPpoOptions,
  binaryPpo,
} from './binary-ppo.js';
export { paper, ppoOnly, stable } from './presets.js';
export { type ReferenceKlInputs, referenceKl } from './reference-kl.js';
export { type Supervised, supervised } from './supervised.js';
