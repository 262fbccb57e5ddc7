import { DataError, OptionError } from '@tsrl/core';
import type { VerbalizerForm } from './binary-policy.js';
import type { LanguageModel } from './load.js';
import type { Tokenizer } from './tokenizer.js';

/** The tokens of both classes. @throws OptionError when a word is not one token, a class is empty, or they overlap */
export function verbalizerIds(
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
export function expectOpenEnd(tokenizer: Tokenizer): void {
  if (tokenizer.encode('a').at(-1) !== tokenizer.encodePlain('a').at(-1)) {
    throw new DataError(tokenizer.file, 'puts a token behind every text, where verbalizerPolicy reads the answer');
  }
}

/** The longest beginning of `text`, in code points, with which the filled template has at most `maxLength` tokens. */
export function fillTemplate(template: string, text: string, maxLength: number, tokenizer: Tokenizer): Int32Array {
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
