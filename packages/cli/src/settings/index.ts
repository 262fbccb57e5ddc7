export {
  checkedFields,
  checkedSettings,
  checkSettings,
  misplaced,
  noneAsNull,
  type Place,
  unknownKey,
} from './check.js';
export { completeSettings, threadCount } from './complete.js';
export { type ConfigFile, parseConfig, readConfig } from './config-file.js';
export { contradictionIn, expectConsistent, meaningful, warningsOf } from './consistent.js';
export { hasCosts } from './costs.js';
export {
  type FieldTable,
  fields,
  files,
  flagOf,
  type GivenSettings,
  groups,
  methodsOf,
  type TrainSettings,
  wordsOf,
} from './fields.js';
export { addFlags, numberOf } from './flags.js';
