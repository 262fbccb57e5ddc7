import { DataError, OptionError } from '@tsrl/core';
import type { Tokenizer } from './tokenizer.js';

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
