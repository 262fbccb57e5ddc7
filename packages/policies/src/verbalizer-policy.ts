import * as tf from '@tensorflow/tfjs-core';
import { DataError, OptionError } from '@tsrl/core';
import type { TokenBatch } from '@tsrl/tensor';
import {
  createHead,
  expectMaxLength,
  expectTokens,
  type HeadInit,
  type TextPolicy,
  trainableWeights,
  type VerbalizerForm,
  valuesOf,
} from './binary-policy.js';
import type { LanguageModel } from './load.js';
import type { Tokenizer } from './tokenizer.js';

export interface VerbalizerPolicyOptions
  extends HeadInit,
    Partial<Omit<VerbalizerForm, 'form' | 'yes' | 'no' | 'template'>>,
    Pick<VerbalizerForm, 'template'> {
  /** Words that mean class 1 and class 0: each one token of the tokenizer, as a text, as it is spelled, or as its id. */
  readonly yes: readonly (string | number)[];
  readonly no: readonly (string | number)[];
}

/**
 * Yes/no tokens of a causal language model: with x the logits after the last token of the prompt,
 *
 *   l_c = logsumexp of x over the tokens of class c (or their max, or mean),   z = (l₁ − l₀) / temperature − logitBias
 *
 * Only the rows of the output projection that belong to these tokens are multiplied; {@link verbalizerMass} looks at
 * the whole vocabulary. `encode` puts the text into the template and, when that is longer than `maxLength`, cuts the
 * end of the text, never the template.
 *
 * @throws OptionError when a word is not one token, the classes are empty or overlap, or an option is out of range
 */
export function verbalizerPolicy(
  language: LanguageModel,
  {
    yes,
    no,
    template,
    aggregate = 'logsumexp',
    temperature = 1,
    logitBias = 0,
    valueHead = false,
    detachValueFeatures = true,
    rng,
    weights,
    scope,
  }: VerbalizerPolicyOptions,
): TextPolicy<VerbalizerForm> {
  const { model, tokenizer } = language;
  if (!Object.hasOwn(aggregates, aggregate)) {
    throw new OptionError('verbalizerPolicy', 'aggregate', `one of ${Object.keys(aggregates).join(', ')}`, aggregate);
  }
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new OptionError('verbalizerPolicy', 'temperature', 'positive', temperature);
  }
  if (!Number.isFinite(logitBias)) throw new OptionError('verbalizerPolicy', 'logitBias', 'finite', logitBias);
  if (template.split('{text}').length !== 2) {
    throw new OptionError('verbalizerPolicy', 'template', 'a text with {text} in it, once', template);
  }
  expectOpenEnd(tokenizer);
  const classes = verbalizerIds(language, yes, no);
  const form: VerbalizerForm = {
    form: 'verbalizer',
    ...classes,
    template,
    aggregate,
    temperature,
    logitBias,
    valueHead,
    detachValueFeatures,
  };
  const head = createHead(valueHead ? ['value'] : [], model.config.hiddenSize, {}, { rng, weights, scope });

  return {
    variables: [...trainableWeights(model, true), ...head.values()],
    score: (tokens, { values = false } = {}) =>
      tf.tidy(() => {
        const h = model.lastHidden(tokens);
        const ids = tf.tensor1d(Int32Array.of(...classes.yes, ...classes.no), 'int32');
        const rows = tf.gather(model.output as tf.Tensor as tf.Tensor2D, ids);
        const logits = verbalizerLogits(tf.matMul(h, rows, false, true), classes.yes.length, form);
        return values ? { logits, values: valuesOf('verbalizerPolicy', form, head, h) } : { logits };
      }),
    encode(text, maxLength) {
      expectMaxLength('verbalizerPolicy', maxLength, model);
      return expectTokens(tokenizer.file, fillTemplate(template, text, maxLength, tokenizer));
    },
    language,
    form,
    head,
    dispose: () => tf.dispose([...head.values()]),
  };
}

/**
 * Log-odds of class 1 from the logits of the verbaliser tokens, [B, k] with those of class 1 first (core.md, 2.6).
 */
export function verbalizerLogits(
  tokenLogits: tf.Tensor2D,
  yesTokens: number,
  { aggregate, temperature, logitBias }: Pick<VerbalizerForm, 'aggregate' | 'temperature' | 'logitBias'>,
): tf.Tensor1D {
  return tf.tidy(() => {
    const count = tokenLogits.shape[1];
    const [ones, zeros] = tf.split(tokenLogits, [yesTokens, count - yesTokens], 1) as [tf.Tensor2D, tf.Tensor2D];
    const score = aggregates[aggregate];
    return tf.sub(tf.div(tf.sub(score(ones), score(zeros)), temperature), logitBias);
  });
}

/**
 * [B]: the probability that the next token is a verbaliser at all,
 *
 *   exp(logsumexp of x over both classes − logsumexp of x over the vocabulary)
 *
 * Below about 0.5 the prompt does not ask for these words. Not part of `score`, because it needs the whole vocabulary.
 */
export function verbalizerMass(policy: TextPolicy<VerbalizerForm>, tokens: TokenBatch): tf.Tensor1D {
  return tf.tidy(() => {
    const { model } = policy.language;
    const logits = model.logits(model.lastHidden(tokens));
    const ids = tf.tensor1d(Int32Array.of(...policy.form.yes, ...policy.form.no), 'int32');
    const chosen = tf.gather(logits, ids, 1);
    return tf.exp(tf.sub(tf.logSumExp(chosen, 1), tf.logSumExp(logits, 1)));
  });
}

const aggregates: Readonly<Record<VerbalizerForm['aggregate'], (logits: tf.Tensor2D) => tf.Tensor1D>> = {
  logsumexp: (logits) => tf.logSumExp(logits, 1),
  max: (logits) => tf.max(logits, 1),
  mean: (logits) => tf.mean(logits, 1),
};

function verbalizerIds(
  { model, tokenizer }: LanguageModel,
  yes: readonly (string | number)[],
  no: readonly (string | number)[],
): Pick<VerbalizerForm, 'yes' | 'no'> {
  const idOf = (option: string, word: string | number): number => {
    const id = typeof word === 'number' ? word : singleToken(tokenizer, word);
    if (Number.isSafeInteger(id) && id >= 0 && id < model.config.vocabularySize) return id;
    const pieces = typeof word === 'string' ? `, which is ${tokenizer.encodePlain(word).length} tokens` : '';
    throw new OptionError('verbalizerPolicy', option, 'single tokens of the model', `${word}${pieces}`);
  };
  const ids = (option: string, words: readonly (string | number)[]): number[] => [
    ...new Set(words.map((word) => idOf(option, word))),
  ];
  const classes = { yes: ids('yes', yes), no: ids('no', no) };
  for (const [option, found] of Object.entries(classes)) {
    if (found.length === 0) throw new OptionError('verbalizerPolicy', option, 'at least one word', found);
  }
  const both = classes.yes.find((id) => classes.no.includes(id));
  if (both !== undefined) throw new OptionError('verbalizerPolicy', 'no', `without token ${both} of yes`, no);
  return classes;
}

/** The one token that a word is encoded to, else the entry of the vocabulary spelled like it; −1 when neither exists. */
function singleToken(tokenizer: Tokenizer, word: string): number {
  const [first, ...more] = tokenizer.encodePlain(word);
  return first !== undefined && more.length === 0 ? first : (tokenizer.tokenId(word) ?? -1);
}

/** The answer must come right behind the prompt: a tokenizer that closes every text leaves no place for it. */
function expectOpenEnd(tokenizer: Tokenizer): void {
  if (tokenizer.encode('a').at(-1) !== tokenizer.encodePlain('a').at(-1)) {
    throw new DataError(tokenizer.file, 'puts a token behind every text, where verbalizerPolicy reads the answer');
  }
}

/** The longest beginning of `text`, in code points, with which the filled template has at most `maxLength` tokens. */
function fillTemplate(template: string, text: string, maxLength: number, tokenizer: Tokenizer): Int32Array {
  const [before = '', after = ''] = template.split('{text}');
  const fill = (part: string): Int32Array => tokenizer.encode(before + part + after);
  const whole = fill(text);
  if (whole.length <= maxLength) return whole;

  let best = fill('');
  if (best.length > maxLength) {
    throw new OptionError(
      'verbalizerPolicy',
      'maxLength',
      `at least ${best.length}, what the template takes`,
      maxLength,
    );
  }
  const letters = Array.from(text);
  let fits = 0;
  let tooLong = letters.length;
  while (tooLong - fits > 1) {
    const middle = Math.floor((fits + tooLong) / 2);
    const ids = fill(letters.slice(0, middle).join(''));
    if (ids.length <= maxLength) [fits, best] = [middle, ids];
    else tooLong = middle;
  }
  return best;
}
