import type { Rng } from '@tsrl/core';
import {
  contentFreeTexts,
  contextualBias,
  headPolicy,
  type LanguageModel,
  type TextPolicy,
  tiny,
  type VerbalizerForm,
  verbalizerPolicy,
} from '@tsrl/policies';
import { readModelDirectory } from '@tsrl/policies/node';
import { fields, type TrainSettings } from './settings/index.js';

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

type PolicySettings = Pick<
  TrainSettings,
  | 'policy'
  | 'trainable'
  | 'loraRank'
  | 'loraAlpha'
  | 'loraProjections'
  | 'baseline'
  | 'template'
  | 'positive'
  | 'negative'
  | 'calibrate'
  | 'renormalize'
  | 'maxLength'
>;

/** What a policy begins with. */
interface Beginning {
  /** Share of class 1 in what training shows. */
  readonly prior: number;
  readonly rng: Rng;
  /** Subtracted from the log-odds of a verbalizer; default 0. */
  readonly logitBias?: number;
}

/** The policy that the settings ask for, over a language model; `calibrate` is the business of `calibratedPolicy`. */
export function makePolicy(
  language: LanguageModel,
  settings: PolicySettings,
  { prior, rng, logitBias = 0 }: Beginning,
): TextPolicy {
  const { trainable, template, renormalize, loraRank: rank, loraAlpha: alpha, loraProjections: projections } = settings;
  const lora = { rank, alpha, ...(projections && { projections }), rng: rng.fork('adapters') };
  const adapted = trainable === 'lora' && { trainable, lora };
  const head = { valueHead: settings.baseline === 'value-head', rng: rng.fork('head') };
  if (settings.policy === 'head') {
    const bias = Math.log(prior / (1 - prior));
    return headPolicy(language, { ...head, trainable, bias, ...adapted });
  }
  const yes = wordsFor(language, settings.positive, fields.positive.default);
  const no = wordsFor(language, settings.negative, fields.negative.default);
  return verbalizerPolicy(language, { ...head, yes, no, template, renormalize, logitBias, ...adapted });
}

/** The same; a verbalizer that is to be calibrated begins undecided on texts without content. */
export async function calibratedPolicy(
  language: LanguageModel,
  settings: PolicySettings,
  beginning: Beginning,
): Promise<TextPolicy> {
  const policy = makePolicy(language, settings, beginning);
  if (!settings.calibrate || policy.form.form !== 'verbalizer') return policy;
  const prompted = policy as TextPolicy<VerbalizerForm>;
  const logitBias = await contextualBias(prompted, contentFreeTexts, settings.maxLength).finally(policy.dispose);
  return makePolicy(language, settings, { ...beginning, logitBias });
}

/** Words as they were given; of our own spellings those that are one token of this tokenizer. */
function wordsFor({ tokenizer }: LanguageModel, words: readonly string[], own: readonly string[]): readonly string[] {
  if (words.join('\n') !== own.join('\n')) return words;
  const isOne = (word: string): boolean =>
    tokenizer.tokenId(word) !== undefined || tokenizer.encodePlain(word).length === 1;
  const single = words.filter(isOne);
  return single.length > 0 ? single : words.slice(0, 1);
}
