export type { Aggregate, Loss, LossResult, StepContext } from '@tsrl/tensor';
export * from './algorithms.js';
export type { ExampleShape, LossEntry } from './entry.js';
export { type FromHidden, fromHidden, type HiddenInputs } from './from-hidden.js';
export { type FromLogits, fromLogits, type LogitsInputs } from './from-logits.js';
export { type InputsOf, objective, type Terms } from './objective.js';
export { scale } from './scale.js';
export type { TokenInputs } from './token-inputs.js';
export { type TokenTerm, type TokenTerms, tokenTermsOf, withTokenTerms } from './token-terms.js';
