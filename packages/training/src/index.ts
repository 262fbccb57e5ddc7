export { type CheckpointStore, decodeSnapshot, encodeSnapshot, memoryStore, type Snapshot } from './checkpoint.js';
export type { Evaluation, StopReason, TrainEvent, TrainResult } from './events.js';
export { type Examples, tokenBatch } from './examples.js';
export { type ComputeGradients, computeGradients, type Gradients, type Minibatch } from './gradients.js';
export type { Columns, Method, Observation, TensorsOf } from './method.js';
export { differences } from './run-state.js';
export { type Scored, scoreExamples } from './score-examples.js';
export { type Sampler, type TrainOptions, train } from './train.js';
export { type StepOptions, type StepResult, trainStep } from './train-step.js';
