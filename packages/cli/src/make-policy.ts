import { DataError, type Rng } from '@tsrl/core';
import { headPolicy, type LanguageModel, type TextPolicy, tiny, verbalizerPolicy } from '@tsrl/policies';
import { readModelDirectory } from '@tsrl/policies/node';
import type { TrainSettings } from './settings/index.js';

/** The model of a directory, or a small one with a tokenizer trained on the training texts. */
export async function makeLanguageModel(
  directory: string | undefined,
  texts: readonly string[],
  rng: Rng,
): Promise<LanguageModel> {
  return directory === undefined
    ? tiny({ texts, vocabularySize: 1024 }, rng.fork('model'))
    : readModelDirectory(directory);
}

/** The policy that the settings ask for, over a language model. */
export function makePolicy(
  language: LanguageModel,
  settings: Pick<TrainSettings, 'policy' | 'trainable' | 'baseline' | 'template' | 'positive' | 'negative'>,
  { prior, rng }: { readonly prior: number; readonly rng: Rng },
): TextPolicy {
  const valueHead = settings.baseline === 'value-head';
  if (settings.policy === 'head') {
    const bias = Math.log(prior / (1 - prior));
    return headPolicy(language, { valueHead, trainable: settings.trainable, bias, rng: rng.fork('head') });
  }
  const { template } = settings;
  const words = { yes: singleTokens(language, settings.positive), no: singleTokens(language, settings.negative) };
  return verbalizerPolicy(language, { ...words, template, valueHead, rng: rng.fork('head') });
}

/** Those of the words that are one token of this tokenizer. */
function singleTokens({ tokenizer }: LanguageModel, words: readonly string[]): string[] {
  const isOne = (word: string): boolean =>
    tokenizer.tokenId(word) !== undefined || tokenizer.encodePlain(word).length === 1;
  const single = words.filter(isOne);
  if (single.length > 0) return single;
  throw new DataError(
    'tokenizer',
    `has no single token for any of ${JSON.stringify(words)}; name others by --positive and --negative`,
  );
}
