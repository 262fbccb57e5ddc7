export { enumerateActions, rewardsOfActions, sampleActions } from './actions.js';
export {
  type BinaryPpo,
  type BinaryPpoColumns,
  type BinaryPpoInputs,
  type BinaryPpoOptions,
  binaryPpo,
} from './binary-ppo.js';
export { type Supervised, supervised } from './supervised.js';
