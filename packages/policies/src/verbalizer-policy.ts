import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { TokenBatch } from '@tsrl/tensor';
import {
  createHead,
  expectMaxLength,
  expectTokens,
  type HeadInit,
  type TextPolicy,
  trainableWeights,
  type VerbalizerForm,
  type VerbalizerWord,
  valuesOf,
} from './binary-policy.js';
import type { HeadPolicyOptions } from './head-policy.js';
import type { Llama } from './llama.js';
import type { LanguageModel } from './load.js';
import { adaptersBeside, expectTrainable } from './trainable.js';
import { expectOpenEnd, fillTemplate } from './verbalizer-prompt.js';
import { type WordScores, wordScores } from './verbalizer-scores.js';
import { answerPlan, verbalizerWords, wordsOf } from './verbalizer-words.js';

export interface VerbalizerPolicyOptions
  extends HeadInit,
    Pick<HeadPolicyOptions, 'lora'>,
    Partial<Omit<VerbalizerForm, 'form' | 'yes' | 'no' | 'template'>>,
    Pick<VerbalizerForm, 'template'> {
  /** Words that mean class 1 and class 0: each as a text, as it is spelled in the vocabulary, or as its id or ids. */
  readonly yes: readonly (string | VerbalizerWord)[];
  readonly no: readonly (string | VerbalizerWord)[];
}

/**
 * Yes/no words of a causal language model: with s_w = log p(w | prompt), the sum of the log-probabilities of the tokens
 * of w (divided by their number with `normalizeLength`),
 *
 *   l_c = logsumexp of s over the words of class c (or their max, or mean),   z = (l₁ − l₀) / temperature − logitBias
 *
 * What normalises the first token is the same for all words and cancels in z, so where every word is one token only
 * the rows of the output projection that belong to them are multiplied. Words of several tokens cost a pass over the
 * prompt for each beginning that they do not share (one for "very good" and "very bad", two for "un likely" and
 * "prob able"), and their further tokens the whole vocabulary at one state each.
 *
 * `encode` puts the text into the template and, when that is longer than `maxLength`, cuts the end of the text, never
 * the template. Words are encoded by themselves, not together with the end of the template.
 *
 * With `renormalize: false`, `score` gives `logMass` when asked: log Σ_w p(w | prompt) over the words of both classes,
 * so that exp(logMass) sigmoid(±z) is what the model itself says of the classes if `aggregate` is logsumexp,
 * `temperature` 1, `logitBias` 0 and lengths are not normalised, and the rest is the probability of another answer. It
 * looks at the whole vocabulary. The sum is of what excludes each other, because no word may begin another; an answer
 * that begins with a word counts as the word.
 *
 * With `trainable: 'lora'` the variables are the adapters (see `createLora`) and the value head alone; the model, its
 * output projection included, stays as it is.
 *
 * @throws OptionError when the model is an encoder, a class is empty, a word begins another, or an option is out of
 * range; by `score`, when `logMass` is asked for without `renormalize: false`
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
    normalizeLength = false,
    renormalize = true,
    valueHead = false,
    detachValueFeatures = true,
    trainable = 'full',
    lora: adapters,
    rng,
    weights,
    scope,
  }: VerbalizerPolicyOptions,
): TextPolicy<VerbalizerForm> {
  const { tokenizer } = language;
  const model = causalModel('verbalizerPolicy', language);
  expectTrainable('verbalizerPolicy', ['full', 'lora'], { trainable, lora: adapters });
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
  const form: VerbalizerForm = {
    form: 'verbalizer',
    ...verbalizerWords(language, { yes, no }),
    template,
    aggregate,
    temperature,
    logitBias,
    normalizeLength,
    renormalize,
    valueHead,
    detachValueFeatures,
    trainable,
  };
  const plan = answerPlan(wordsOf(form));
  const head = createHead(valueHead ? ['value'] : [], model.config.hiddenSize, {}, { rng, weights, scope });
  const lora = adaptersBeside(head, model, { trainable, lora: adapters }, { rng, scope });
  const backbone = lora ? lora.weights.values() : trainableWeights(model, true);

  return {
    variables: [...backbone, ...head.values()],
    score(tokens, { values = false, logMass = false } = {}) {
      if (logMass && renormalize) {
        throw new OptionError('verbalizerPolicy', 'renormalize', 'false when logMass is asked for', renormalize);
      }
      return tf.tidy(() => {
        const words = wordScores(model, tokens, plan, lora);
        const scores = normalizeLength ? perToken(words, plan.lengths) : words.scores;
        return {
          logits: verbalizerLogits(scores, form.yes.length, form),
          ...(values && { values: valuesOf('verbalizerPolicy', form, head, words.state) }),
          ...(logMass && { logMass: logMassOf(words) }),
        };
      });
    },
    encode(text, maxLength) {
      expectMaxLength('verbalizerPolicy', maxLength, { config: { maxPositions: longestPrompt(language, form) } });
      return expectTokens(tokenizer.file, fillTemplate(template, text, maxLength, tokenizer));
    },
    language,
    form,
    head,
    ...(lora && { lora }),
    dispose() {
      tf.dispose([...head.values()]);
      lora?.dispose();
    },
  };
}

/** Tokens of a prompt, so that the longest word finds place behind it but for its last token. */
export function longestPrompt({ model }: LanguageModel, form: Pick<VerbalizerForm, 'yes' | 'no'>): number {
  const { yes, no } = wordsOf(form);
  return model.config.maxPositions - Math.max(...[...yes, ...no].map(({ length }) => length - 1));
}

/** [B, K]: log-probabilities of words over the number of their tokens, but for a constant of each row. */
function perToken({ scores, logNormalizer }: WordScores, lengths: Float32Array): tf.Tensor2D {
  const uneven = lengths.some((length) => length !== lengths[0]); // else the normaliser cancels as ever
  const logProbs = uneven ? tf.sub(scores, tf.expandDims(logNormalizer(), 1)) : scores;
  return tf.div(logProbs, tf.tensor1d(lengths));
}

/** [B]: log of the sum of the probabilities of all words, not above 0 by rounding. */
function logMassOf({ scores, logNormalizer }: WordScores): tf.Tensor1D {
  return tf.minimum(tf.sub(tf.logSumExp(scores, 1), logNormalizer()), 0);
}

/**
 * Log-odds of class 1 from the scores of the words (of single tokens, their logits), [B, k] with those of class 1 first
 * (core.md, 2.6).
 */
export function verbalizerLogits(
  scores: tf.Tensor2D,
  yesWords: number,
  { aggregate, temperature, logitBias }: Pick<VerbalizerForm, 'aggregate' | 'temperature' | 'logitBias'>,
): tf.Tensor1D {
  return tf.tidy(() => {
    const count = scores.shape[1];
    const [ones, zeros] = tf.split(scores, [yesWords, count - yesWords], 1) as [tf.Tensor2D, tf.Tensor2D];
    const together = aggregates[aggregate];
    return tf.sub(tf.div(tf.sub(together(ones), together(zeros)), temperature), logitBias);
  });
}

/**
 * [B]: the probability that the answer is a verbaliser at all, exp(logMass) of {@link verbalizerPolicy}: for words of one
 * token
 *
 *   exp(logsumexp of x over both classes − logsumexp of x over the vocabulary),   x the logits behind the prompt
 *
 * Below about 0.5 the prompt does not ask for these words.
 */
export function verbalizerMass(policy: TextPolicy<VerbalizerForm>, tokens: TokenBatch): tf.Tensor1D {
  return tf.tidy(() => {
    const model = causalModel('verbalizerMass', policy.language);
    return tf.exp(logMassOf(wordScores(model, tokens, answerPlan(wordsOf(policy.form)), policy.lora)));
  });
}

/** Only a decoder has a next token, with which it answers. */
function causalModel(who: string, { model }: LanguageModel): Llama {
  if (model.family === 'llama') return model;
  throw new OptionError(
    who,
    'language',
    'a causal language model, which has a next token',
    `a ${model.family} encoder`,
  );
}

const aggregates: Readonly<Record<VerbalizerForm['aggregate'], (scores: tf.Tensor2D) => tf.Tensor1D>> = {
  logsumexp: (scores) => tf.logSumExp(scores, 1),
  max: (scores) => tf.max(scores, 1),
  mean: (scores) => tf.mean(scores, 1),
};
