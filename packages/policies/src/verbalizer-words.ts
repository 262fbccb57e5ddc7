import { OptionError, show } from '@tsrl/core';
import type { VerbalizerForm, VerbalizerWord } from './binary-policy.js';
import type { LanguageModel } from './load.js';

/** The words of both classes, each as its tokens. */
export type VerbalizerWords = Readonly<Record<'yes' | 'no', readonly (readonly number[])[]>>;

/** The tokens of each word of a policy. */
export function wordsOf({ yes, no }: Pick<VerbalizerForm, 'yes' | 'no'>): VerbalizerWords {
  const ids = (word: VerbalizerWord): readonly number[] => (typeof word === 'number' ? [word] : word);
  return { yes: yes.map(ids), no: no.map(ids) };
}

/**
 * The words of both classes as tokens, twice the same counting once.
 *
 * @throws OptionError when a word has no token or one that the model has not, a class is empty, or a word begins
 * another: whoever says the longer one says the shorter one too, so their probabilities must not be added
 */
export function verbalizerWords(
  language: LanguageModel,
  options: Readonly<Record<'yes' | 'no', readonly (string | VerbalizerWord)[]>>,
): Pick<VerbalizerForm, 'yes' | 'no'> {
  const fail = (option: string, expected: string, got: unknown): never => {
    throw new OptionError('verbalizerPolicy', option, expected, got);
  };
  const { vocabularySize } = language.model.config;
  const known = (id: number): boolean => Number.isSafeInteger(id) && id >= 0 && id < vocabularySize;
  const read = (option: 'yes' | 'no'): number[][] => {
    const words = options[option].map((word) => {
      const ids = tokensOf(language, word);
      return ids.length > 0 && ids.every(known) ? ids : fail(option, 'words in tokens of the model', word);
    });
    if (words.length === 0) fail(option, 'at least one word', words);
    return words.filter((word, i) => words.findIndex((other) => same(word, other)) === i);
  };
  const classes = { yes: read('yes'), no: read('no') };

  const both = classes.yes.find((word) => classes.no.some((other) => same(word, other)));
  if (both) fail('no', `without token ${both.join(', ')} of yes`, options.no);
  const all = [...classes.yes, ...classes.no];
  for (const word of all) {
    const longer = all.find((other) => other.length > word.length && word.every((id, i) => id === other[i]));
    if (!longer) continue;
    const option = classes.yes.includes(longer) ? 'yes' : 'no';
    const [short, long] = [word, longer].map((ids) => `${show(language.tokenizer.decode(ids))} ${show(ids)}`);
    fail(option, `without ${long}, which begins with ${short}`, options[option]);
  }
  const saved = (ids: number[]): VerbalizerWord => (ids.length === 1 ? (ids[0] as number) : ids);
  return { yes: classes.yes.map(saved), no: classes.no.map(saved) };
}

/** What a word is encoded to; where that is several tokens, the entry of the vocabulary spelled like it if there is one. */
function tokensOf({ tokenizer }: LanguageModel, word: string | VerbalizerWord): number[] {
  if (typeof word === 'number') return [word];
  if (typeof word !== 'string') return [...word];
  const ids = tokenizer.encodePlain(word);
  const spelled = ids.length === 1 ? undefined : tokenizer.tokenId(word);
  return spelled === undefined ? [...ids] : [spelled];
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);

/** How the log-probabilities of several words are read from few rows. */
export interface AnswerPlan {
  /** [K]: the first token of each word, those of yes first. */
  readonly firsts: Int32Array;
  /** [K]: tokens in each word. */
  readonly lengths: Float32Array;
  /** What is put behind the prompt: all tokens but the last of a word, unless that begins another of these. */
  readonly contexts: readonly (readonly number[])[];
  /** [P]: the tokens after the first, each beginning of a word once: `token` follows `after` tokens of a context. */
  readonly later: readonly { readonly context: number; readonly after: number; readonly token: number }[];
  /** [P, K], row-major: 1 where a later token is part of the word. */
  readonly parts: Float32Array;
}

/** Words that begin alike share what they share. */
export function answerPlan({ yes, no }: VerbalizerWords): AnswerPlan {
  const words = [...yes, ...no];
  const begins = (short: readonly number[], long: readonly number[]): boolean => short.every((id, i) => id === long[i]);
  const contexts: (readonly number[])[] = [];
  const byLength = words.map((word) => word.slice(0, -1)).sort((a, b) => b.length - a.length);
  for (const context of byLength) if (!contexts.some((other) => begins(context, other))) contexts.push(context);

  const prefixes: number[][] = [];
  for (const word of words) {
    for (let length = 2; length <= word.length; length++) {
      const prefix = word.slice(0, length);
      if (!prefixes.some((other) => same(prefix, other))) prefixes.push(prefix);
    }
  }
  return {
    firsts: Int32Array.from(words, (word) => word[0] as number),
    lengths: Float32Array.from(words, (word) => word.length),
    contexts,
    later: prefixes.map((prefix) => ({
      context: contexts.findIndex((context) => begins(prefix.slice(0, -1), context)),
      after: prefix.length - 1,
      token: prefix.at(-1) as number,
    })),
    parts: Float32Array.from(prefixes.flatMap((prefix) => words.map((word) => (begins(prefix, word) ? 1 : 0)))),
  };
}
