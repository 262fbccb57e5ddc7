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
  valuesOf,
} from './binary-policy.js';
import type { Llama } from './llama.js';
import type { LanguageModel } from './load.js';
import { expectOpenEnd, fillTemplate, verbalizerIds } from './verbalizer-prompt.js';

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
 * @throws OptionError when the model is an encoder, a word is not one token, the classes are empty or overlap, or an option is out of range
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
  const { tokenizer } = language;
  const model = causalModel('verbalizerPolicy', language);
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
    const model = causalModel('verbalizerMass', policy.language);
    const logits = model.logits(model.lastHidden(tokens));
    const ids = tf.tensor1d(Int32Array.of(...policy.form.yes, ...policy.form.no), 'int32');
    const chosen = tf.gather(logits, ids, 1);
    return tf.exp(tf.sub(tf.logSumExp(chosen, 1), tf.logSumExp(logits, 1)));
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

const aggregates: Readonly<Record<VerbalizerForm['aggregate'], (logits: tf.Tensor2D) => tf.Tensor1D>> = {
  logsumexp: (logits) => tf.logSumExp(logits, 1),
  max: (logits) => tf.max(logits, 1),
  mean: (logits) => tf.mean(logits, 1),
};
