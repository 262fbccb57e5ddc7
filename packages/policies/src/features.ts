import * as tf from '@tensorflow/tfjs-core';
import { OptionError, ShapeError } from '@tsrl/core';
import type { TokenBatch } from '@tsrl/tensor';
import { expectMaxLength, expectTokens } from './binary-policy.js';
import { encodeTruncated } from './encode-truncated.js';
import type { LanguageModel } from './load.js';
import type { Lora } from './lora.js';
import { tokenBatch } from './token-batch.js';

/** float32 [B, H]: the vector that a head reads, at the last token of a decoder, pooled by an encoder. */
export function featuresOf(model: LanguageModel['model'], tokens: TokenBatch, lora?: Lora): tf.Tensor2D {
  return model.family === 'llama' ? model.lastHidden(tokens, lora) : model.pooled(tokens, lora);
}

export interface SequenceFeaturesOptions {
  /** Texts per batch. Default 32. */
  readonly batchSize?: number;
  /** Called after each batch with the number of texts that are done. */
  readonly onProgress?: (done: number) => void;
}

export interface TextFeaturesOptions extends SequenceFeaturesOptions {
  /** Tokens per text; longer texts lose their end. Default: as many as the model can read. */
  readonly maxLength?: number;
}

/**
 * The vectors that a head would read, of many texts: computed once, they can be kept when the model is frozen, and
 * trained over by `featurePolicy`. Texts are encoded as `headPolicy` does; see {@link sequenceFeatures}.
 *
 * @returns [N, H], row-major, in the order of the texts
 * @throws OptionError for sizes out of range, DataError for a text without a token
 */
export async function textFeatures(
  language: LanguageModel,
  texts: readonly string[],
  { maxLength = language.model.config.maxPositions, ...options }: TextFeaturesOptions = {},
): Promise<Float32Array> {
  const { model, tokenizer } = language;
  expectMaxLength('textFeatures', maxLength, model);
  const sequences = texts.map((text) =>
    expectTokens(tokenizer.file, encodeTruncated('textFeatures', tokenizer, text, maxLength)),
  );
  return sequenceFeatures(language, sequences, options);
}

/**
 * {@link textFeatures} of texts that are encoded already, by `policy.encode`. Texts of like length share a batch, so
 * that little is computed for padding; each vector is what the text alone gives, but for rounding.
 *
 * @returns [N, H], row-major, in the order of the sequences
 * @throws OptionError for a batch size that is no count, ShapeError for a sequence of no token or too many
 */
export async function sequenceFeatures(
  { model }: Pick<LanguageModel, 'model'>,
  sequences: readonly Int32Array[],
  { batchSize = 32, onProgress }: SequenceFeaturesOptions = {},
): Promise<Float32Array> {
  if (!(Number.isSafeInteger(batchSize) && batchSize > 0)) {
    throw new OptionError('sequenceFeatures', 'batchSize', 'a positive integer', batchSize);
  }
  const width = model.config.hiddenSize;
  const length = (i: number): number => (sequences[i] as Int32Array).length;
  const empty = sequences.findIndex((ids) => ids.length === 0);
  if (empty >= 0) throw new ShapeError('sequenceFeatures', `sequence ${empty}`, 'at least one token', 'none');
  const order = sequences.map((_, i) => i).sort((a, b) => length(a) - length(b));
  const features = new Float32Array(sequences.length * width);
  for (let done = 0; done < order.length; ) {
    const chosen = order.slice(done, done + batchSize);
    const vectors = tf.tidy(() => featuresOf(model, tokenBatch(chosen.map((i) => sequences[i] as Int32Array))));
    const data = await vectors.data();
    vectors.dispose();
    for (const [at, i] of chosen.entries()) features.set(data.subarray(at * width, (at + 1) * width), i * width);
    done += chosen.length;
    onProgress?.(done);
  }
  return features;
}
