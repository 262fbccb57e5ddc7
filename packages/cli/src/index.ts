export { main } from './program.js';
export type { DataSize, RunResult } from './result.js';
