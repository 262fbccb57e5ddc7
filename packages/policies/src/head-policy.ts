import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { type TokenBatch, withGradient } from '@tsrl/tensor';
import {
  createHead,
  expectMaxLength,
  expectTokens,
  type HeadForm,
  type HeadInit,
  linear,
  type TextPolicy,
  trainableWeights,
  valuesOf,
} from './binary-policy.js';
import { encodeTruncated } from './encode-truncated.js';
import { featuresOf } from './features.js';
import type { LanguageModel } from './load.js';
import type { Lora, LoraOptions } from './lora.js';
import { adaptersBeside, expectTrainable } from './trainable.js';

export interface HeadPolicyOptions extends HeadInit, Partial<Omit<HeadForm, 'form'>> {
  /** Where the bias starts: the log-odds of class 1 among the labels, when classes are not balanced. Default 0. */
  readonly bias?: number;
  /**
   * With `trainable: 'lora'`: how its adapters start, or adapters that were read from files, which the policy then
   * owns. Default: rank 8, alpha 16, query and value; A is drawn by `rng`.
   */
  readonly lora?: LoraOptions | Lora | undefined;
}

/**
 * A classification head on one vector h of a text: of a decoder the hidden state of the last token (after the final
 * norm), of an encoder what it pools:
 *
 *   z = w · h + b,   π(1 | x) = sigmoid(z),   V = v · h + c
 *
 * With `trainable: 'head'` the variables are w, b, v and c alone, and the language model runs outside the tape. With
 * `trainable: 'lora'` its adapters train besides (see `createLora`), and the model itself stays as it is.
 * The value head reads h without its gradient unless `detachValueFeatures` is false.
 * `encode` keeps as many tokens of a text as fit beside the special ones, which stay, as in `transformers`.
 *
 * `transformers`' LlamaForSequenceClassification has one output per class and no bias; its
 * BertForSequenceClassification reads the pooler.
 *
 * @throws OptionError when an option is out of its range
 */
export function headPolicy(
  language: LanguageModel,
  {
    valueHead = false,
    detachValueFeatures = true,
    trainable = 'full',
    bias = 0,
    lora: adapters,
    rng,
    weights,
    scope,
  }: HeadPolicyOptions = {},
): TextPolicy<HeadForm> {
  expectTrainable('headPolicy', ['full', 'head', 'lora'], { trainable, lora: adapters });
  if (!Number.isFinite(bias)) throw new OptionError('headPolicy', 'bias', 'finite', bias);
  const { model, tokenizer } = language;
  const form: HeadForm = { form: 'head', valueHead, detachValueFeatures, trainable };
  const names = valueHead ? ['score', 'value'] : ['score'];
  const head = createHead(names, model.config.hiddenSize, { score: bias }, { rng, weights, scope });
  const lora = adaptersBeside(head, model, { trainable, lora: adapters }, { rng, scope });
  const backbone = trainable === 'full' ? trainableWeights(model, false) : [...(lora?.weights.values() ?? [])];
  const features = (tokens: TokenBatch): tf.Tensor2D =>
    trainable === 'head' ? withoutTape(() => featuresOf(model, tokens), tokens.ids) : featuresOf(model, tokens, lora);

  return {
    variables: [...backbone, ...head.values()],
    score: (tokens, { values = false } = {}) =>
      tf.tidy(() => {
        const h = features(tokens);
        const logits = linear(head, 'score', h);
        return values ? { logits, values: valuesOf('headPolicy', form, head, h) } : { logits };
      }),
    encode(text, maxLength) {
      expectMaxLength('headPolicy', maxLength, model);
      return expectTokens(tokenizer.file, encodeTruncated('headPolicy', tokenizer, text, maxLength));
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

/** Computes without recording; a gradient that is asked for outside `variables` is an error. */
function withoutTape(compute: () => tf.Tensor2D, input: tf.Tensor): tf.Tensor2D {
  return withGradient(
    [input],
    () => ({ value: compute(), saved: [] }),
    () => {
      throw new OptionError('headPolicy', 'trainable', "'full' to differentiate the language model", 'head');
    },
  );
}
