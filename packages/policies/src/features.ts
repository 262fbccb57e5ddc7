import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { TokenBatch } from '@tsrl/tensor';
import { expectMaxLength, expectTokens } from './binary-policy.js';
import { encodeTruncated } from './encode-truncated.js';
import type { LanguageModel } from './load.js';
import { tokenBatch } from './token-batch.js';

/** float32 [B, H]: the vector that a head reads, at the last token of a decoder, pooled by an encoder. */
export function featuresOf(model: LanguageModel['model'], tokens: TokenBatch): tf.Tensor2D {
  return model.family === 'llama' ? model.lastHidden(tokens) : model.pooled(tokens);
}

export interface TextFeaturesOptions {
  /** Tokens per text; longer texts lose their end. Default: as many as the model can read. */
  readonly maxLength?: number;
  /** Texts per batch. Default 32. */
  readonly batchSize?: number;
  /** Called after each batch with the number of texts that are done. */
  readonly onProgress?: (done: number) => void;
}

/**
 * The vectors that a head would read, of many texts: computed once, they can be kept when the model is frozen. Texts of
 * like length share a batch, so that little is computed for padding; each vector is what the text alone gives, but for
 * rounding.
 *
 * @returns [N, H], row-major, in the order of the texts
 * @throws OptionError for sizes out of range, DataError for a text without a token
 */
export async function textFeatures(
  { model, tokenizer }: LanguageModel,
  texts: readonly string[],
  { maxLength = model.config.maxPositions, batchSize = 32, onProgress }: TextFeaturesOptions = {},
): Promise<Float32Array> {
  expectMaxLength('textFeatures', maxLength, model);
  if (!(Number.isSafeInteger(batchSize) && batchSize > 0)) {
    throw new OptionError('textFeatures', 'batchSize', 'a positive integer', batchSize);
  }
  const width = model.config.hiddenSize;
  const rows = texts.map((text) =>
    expectTokens(tokenizer.file, encodeTruncated('textFeatures', tokenizer, text, maxLength)),
  );
  const order = rows.map((_, i) => i).sort((a, b) => (rows[a] as Int32Array).length - (rows[b] as Int32Array).length);
  const features = new Float32Array(texts.length * width);
  for (let done = 0; done < order.length; ) {
    const chosen = order.slice(done, done + batchSize);
    const tokens = tokenBatch(chosen.map((i) => rows[i] as Int32Array));
    const vectors = featuresOf(model, tokens);
    const data = await vectors.data();
    tf.dispose([tokens.ids, tokens.lengths, vectors]);
    for (const [at, i] of chosen.entries()) features.set(data.subarray(at * width, (at + 1) * width), i * width);
    done += chosen.length;
    onProgress?.(done);
  }
  return features;
}
