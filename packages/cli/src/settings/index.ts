export { checkedFields, checkedSettings, checkSettings, misplaced, type Place, unknownKey } from './check.js';
export { completeSettings, type Facts, threadCount } from './complete.js';
export { type ConfigFile, parseConfig, readConfig } from './config-file.js';
export { expectConsistent, hasCosts, warningsOf } from './consistent.js';
export { type FieldTable, fields, files, flagOf, type GivenSettings, groups, type TrainSettings } from './fields.js';
export { addFlags, numberOf } from './flags.js';
