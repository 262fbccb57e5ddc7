export { runCommand, type Streams } from './cli.js';
export { type Decision, decisions } from './decisions.js';
export { families, familyOf } from './families.js';
export type { GoldenCase, GoldenTensor, GoldenValue } from './golden.js';
export type { Mismatch } from './judge.js';
export type { Computed, Family, Mapped, NotMapped, Outcome, Threw, Values } from './outcome.js';
export { reportText } from './report-text.js';
export type { CaseResult, Status } from './run-case.js';
export { type Counts, type FileResult, type Report, runDirectory } from './run-directory.js';
