import { OptionError, type Rng } from '@tsrl/core';
import { createLlama, type Llama } from './llama.js';
import type { LlamaConfig } from './llama-config.js';
import type { LanguageModel } from './load.js';
import { createTokenizer } from './tokenizer.js';
import { type TrainTokenizerOptions, trainTokenizer } from './train-tokenizer.js';

export interface TinyOptions extends TrainTokenizerOptions {
  /** What the tokenizer is trained on. */
  readonly texts: Iterable<string>;
  readonly hiddenSize?: number;
  readonly layers?: number;
  readonly heads?: number;
  /** Default: `heads`, so no grouping. */
  readonly keyValueHeads?: number;
  /** Default: 8/3 of `hiddenSize`, rounded up to a multiple of 8. */
  readonly intermediateSize?: number;
  readonly maxPositions?: number;
  /** In front of every variable's name; see `LlamaOptions`. */
  readonly scope?: string;
}

/**
 * A small model with random weights and a tokenizer trained on the given texts: an embedded default that needs no
 * download.
 *
 * Matrices are normal with standard deviation 0.02; those that write into the residual stream (`o_proj`, `down_proj`)
 * 0.02 / √(2 · layers), so that the stream's variance does not grow with depth (Radford et al. 2019, section 2.3).
 * Norm weights are 1. `transformers` initialises all matrices with 0.02.
 *
 * @throws OptionError when the sizes do not fit each other
 */
export function tiny(
  {
    texts,
    vocabularySize = 512,
    hiddenSize = 64,
    layers = 2,
    heads = 4,
    keyValueHeads = heads,
    intermediateSize = 8 * Math.ceil(hiddenSize / 3),
    maxPositions = 512,
    scope = '',
  }: TinyOptions,
  rng: Rng,
): LanguageModel<Llama> {
  const sizes = { hiddenSize, layers, heads, keyValueHeads, intermediateSize, maxPositions };
  for (const [name, size] of Object.entries(sizes)) {
    if (!(Number.isSafeInteger(size) && size > 0)) throw new OptionError('tiny', name, 'a positive integer', size);
  }
  if (hiddenSize % (2 * heads) !== 0) {
    throw new OptionError('tiny', 'hiddenSize', `an even multiple of heads, ${heads}`, hiddenSize);
  }
  if (heads % keyValueHeads !== 0) {
    throw new OptionError('tiny', 'keyValueHeads', `a divisor of heads, ${heads}`, keyValueHeads);
  }
  const tokenizer = createTokenizer(trainTokenizer(texts, { vocabularySize }), 'tokenizer.json');
  const config: LlamaConfig = {
    ...sizes,
    vocabularySize: tokenizer.size,
    headSize: hiddenSize / heads,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10_000,
    tieWordEmbeddings: true,
    specialTokens: { bos_token_id: 1, eos_token_id: 2, pad_token_id: 0 },
  };
  const initialize = (name: string, shape: readonly number[]): Float32Array => {
    const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
    if (shape.length === 1) return values.fill(1);
    const residual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
    const own = rng.fork(name); // a weight of its own stream does not depend on the others' sizes
    const std = residual ? 0.02 / Math.sqrt(2 * layers) : 0.02;
    return values.map(() => std * own.normal());
  };
  return { model: createLlama(config, initialize, { scope }), tokenizer };
}
