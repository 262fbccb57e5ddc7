import * as tf from '@tensorflow/tfjs-core';
import { DataError, OptionError, type Rng } from '@tsrl/core';
import { type BinaryPolicy, stopGradient } from '@tsrl/tensor';
import type { LanguageModel } from './load.js';
import type { Lora } from './lora.js';
import { namedVariables, type WeightSource } from './named-variables.js';

/** A classifier of texts: a language model with one of the two policy forms over it (core.md, 2.6). */
export interface TextPolicy<Form extends PolicyForm = PolicyForm> extends BinaryPolicy {
  /** Ids of a text as this policy wants to see it: at most `maxLength`, at least one. */
  encode(text: string, maxLength: number): Int32Array;
  readonly language: LanguageModel;
  /** Everything but weights that defines the policy, as JSON. */
  readonly form: Form;
  /** The variables beyond the language model, by the name under which they are saved. */
  readonly head: ReadonlyMap<string, tf.Variable>;
  /** The adapters of the language model, where they train in place of its weights. */
  readonly lora?: Lora;
  /** Frees the head and the adapters; the language model belongs to whoever made it. */
  dispose(): void;
}

/** The JSON description of a policy. */
export type PolicyForm = HeadForm | VerbalizerForm;

/** Options that both forms share, as they are saved. */
export interface SharedForm {
  /** Whether there is a value head V(x). */
  readonly valueHead: boolean;
  /** Whether the value head reads features without a gradient, so that its loss cannot disturb the policy's. */
  readonly detachValueFeatures: boolean;
}

export interface HeadForm extends SharedForm {
  readonly form: 'head';
  /**
   * `full`: everything trains. `head`: the language model is frozen and runs outside the tape. `lora`: it is frozen, and
   * low-rank adapters of its projections train with the head.
   */
  readonly trainable: 'full' | 'head' | 'lora';
}

export interface VerbalizerForm extends SharedForm {
  readonly form: 'verbalizer';
  /** `full`: every weight trains. `lora`: the language model is frozen, and low-rank adapters of its projections train. */
  readonly trainable: 'full' | 'lora';
  /** The words that mean class 1, and class 0: the id of a token, or the ids of several. */
  readonly yes: readonly VerbalizerWord[];
  readonly no: readonly VerbalizerWord[];
  /** The prompt, with `{text}` where the text stands; the answer token comes next. */
  readonly template: string;
  readonly aggregate: 'logsumexp' | 'max' | 'mean';
  readonly temperature: number;
  /** Subtracted from the log-odds: see `contextualBias`. */
  readonly logitBias: number;
  /** Whether the score of a word is divided by the number of its tokens. */
  readonly normalizeLength: boolean;
  /** Whether the two classes are all there is. `false`: `score` gives the probability that there is an answer at all. */
  readonly renormalize: boolean;
}

/** A word as the tokens that spell it: one id, or two and more. */
export type VerbalizerWord = number | readonly number[];

/** How a head starts. */
export interface HeadInit {
  /** Draws the weights, normal with standard deviation 0.02; without one they are 0. */
  readonly rng?: Rng | undefined;
  /** Elements to start from instead, by name: a saved head. */
  readonly weights?: WeightSource | undefined;
  /** In front of the names of the head's variables; see `LlamaOptions`. */
  readonly scope?: string | undefined;
}

/** Makes the variables `NAME.weight` [1, H] and `NAME.bias` [1] for each name. */
export function createHead(
  names: readonly string[],
  hiddenSize: number,
  biases: Readonly<Record<string, number>>,
  { rng, weights, scope = '' }: HeadInit,
): Map<string, tf.Variable> {
  const shapes = names.flatMap((name): [string, readonly number[]][] => [
    [`${name}.weight`, [1, hiddenSize]],
    [`${name}.bias`, [1]],
  ]);
  const fresh = (full: string): Float32Array => {
    const [name = '', part] = full.split('.');
    if (part === 'bias') return Float32Array.of(biases[name] ?? 0);
    const own = rng?.fork(full);
    return Float32Array.from({ length: hiddenSize }, () => (own ? 0.02 * own.normal() : 0));
  };
  return namedVariables('policy', shapes, weights ?? fresh, scope);
}

/** w · features + b, [B, H] to [B]. */
export function linear(head: ReadonlyMap<string, tf.Variable>, name: string, features: tf.Tensor2D): tf.Tensor1D {
  const [weight, bias] = [head.get(`${name}.weight`) as tf.Tensor, head.get(`${name}.bias`) as tf.Tensor];
  return tf.reshape(tf.add(tf.matMul(features, weight, false, true), bias), [features.shape[0]]);
}

/** The value head on the features of the policy. */
export function valuesOf(
  who: string,
  { valueHead, detachValueFeatures }: SharedForm,
  head: ReadonlyMap<string, tf.Variable>,
  features: tf.Tensor2D,
): tf.Tensor1D {
  if (!valueHead) throw new OptionError(who, 'valueHead', 'true when values are asked for', valueHead);
  return linear(head, 'value', detachValueFeatures ? stopGradient(features) : features);
}

/** The weights of the model that take part in a policy; a projection onto the vocabulary may not. */
export function trainableWeights(model: LanguageModel['model'], withOutput: boolean): tf.Variable[] {
  return [...model.weights].filter(([name]) => withOutput || name !== 'lm_head.weight').map(([, variable]) => variable);
}

/** @throws OptionError when `maxLength` is no length that the model can read */
export function expectMaxLength(
  who: string,
  maxLength: number,
  { config: { maxPositions } }: { readonly config: { readonly maxPositions: number } },
): void {
  if (!(Number.isSafeInteger(maxLength) && maxLength > 0 && maxLength <= maxPositions)) {
    throw new OptionError(who, 'maxLength', `an integer from 1 to ${maxPositions}`, maxLength);
  }
}

/** @throws DataError when a text gives no token: there is nothing to read a decision from */
export function expectTokens(file: string, ids: Int32Array): Int32Array {
  if (ids.length === 0) throw new DataError(file, 'an empty text gives no token, and this tokenizer adds none');
  return ids;
}
