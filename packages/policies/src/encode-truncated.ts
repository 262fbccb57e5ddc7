import { OptionError } from '@tsrl/core';
import type { Tokenizer } from './tokenizer.js';

/**
 * A text with the special tokens around it, in at most `maxLength` tokens: when there are more, the text loses its end
 * and the special tokens stay, as in `transformers`.
 *
 * @throws OptionError when the special tokens alone are more
 */
export function encodeTruncated(who: string, tokenizer: Tokenizer, text: string, maxLength: number): Int32Array {
  const whole = tokenizer.encode(text);
  if (whole.length <= maxLength) return whole;
  const plain = tokenizer.encodePlain(text);
  const specials = whole.length - plain.length;
  if (specials > maxLength) {
    throw new OptionError(who, 'maxLength', `at least ${specials}, the special tokens of ${tokenizer.file}`, maxLength);
  }
  let before = 0;
  while (before < specials && !plain.every((id, i) => id === whole[before + i])) before++;
  const kept = before + maxLength - specials;
  return Int32Array.of(...whole.subarray(0, kept), ...whole.subarray(before + plain.length));
}
