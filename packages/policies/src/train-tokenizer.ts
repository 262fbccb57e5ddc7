import { OptionError } from '@tsrl/core';
import type { JsonObject } from './json.js';
import { byteLevelBpe, specialToken } from './tokenizer.js';

export interface TrainTokenizerOptions {
  /** Special tokens, 256 bytes and merges together; at least 259. Default 512. Fewer when no pair occurs twice. */
  readonly vocabularySize?: number;
}

/** Ids 0, 1 and 2: padding, beginning of text (in front of every text), end of text. */
export const trainedSpecials: readonly string[] = ['<pad>', '<s>', '</s>'];

/** How GPT-2 cuts a text into words before merging; `tokenizer.json` names it ByteLevel with use_regex. */
const words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/**
 * Trains a byte-level BPE tokenizer: starting from the 256 bytes, the most frequent pair of neighbours within words
 * becomes a token, again and again. Any text can be encoded. Deterministic: of equally frequent pairs the one with the
 * smaller ids wins.
 *
 * @returns a `tokenizer.json` object that Hugging Face's tokenizers read
 * @throws OptionError when `vocabularySize` leaves no room for the bytes
 * @see Sennrich, Haddow and Birch 2016, arXiv:1508.07909; Radford et al. 2019 (byte level)
 */
export function trainTokenizer(
  texts: Iterable<string>,
  { vocabularySize = 512 }: TrainTokenizerOptions = {},
): JsonObject {
  const tokens = [...trainedSpecials, ...byteAlphabet()];
  if (!Number.isSafeInteger(vocabularySize) || vocabularySize < tokens.length) {
    throw new OptionError(
      'trainTokenizer',
      'vocabularySize',
      `an integer of at least ${tokens.length}`,
      vocabularySize,
    );
  }
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const pairs = createPairs(countWords(texts));
  const merges: (readonly [string, string])[] = [];
  for (let best = pairs.mostFrequent(); best && tokens.length < vocabularySize; best = pairs.mostFrequent()) {
    const [left, right] = best;
    const parts = [tokens[left] as string, tokens[right] as string] as const;
    const merged = parts.join('');
    // Should two pairs ever spell the same token (ab + c, a + bc), it stays one entry of the vocabulary.
    const id = ids.get(merged) ?? tokens.push(merged) - 1;
    ids.set(merged, id);
    merges.push(parts);
    pairs.merge(left, right, id);
  }
  const begin = { SpecialToken: { id: '<s>', type_id: 0 } };
  const sequence = (id: string, typeId: number): JsonObject => ({ Sequence: { id, type_id: typeId } });
  return byteLevelBpe(
    Object.fromEntries(ids),
    merges,
    trainedSpecials.map((content, id) => specialToken(id, content)),
    {
      type: 'TemplateProcessing',
      single: [begin, sequence('A', 0)],
      pair: [begin, sequence('A', 0), sequence('B', 1)],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
  );
}

/** GPT-2's printable letter for every byte: printable Latin-1 stands for itself, the rest for U+0100 onwards. */
function byteAlphabet(): string[] {
  let spare = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : spare++);
  });
}

interface Word {
  readonly count: number;
  /** Token ids, merged further and further. */
  ids: number[];
}

function countWords(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  const first = trainedSpecials.length;
  return [...counts].map(([word, count]) => ({ count, ids: Array.from(encoder.encode(word), (byte) => byte + first) }));
}

/** A pair of ids as one number. */
const PAIR = 2 ** 26;

interface Pairs {
  /** The pair that occurs most often, at least twice. */
  mostFrequent(): readonly [number, number] | undefined;
  merge(left: number, right: number, id: number): void;
}

/** How often each pair of neighbours occurs, kept up to date word by word. */
function createPairs(all: readonly Word[]): Pairs {
  const counts = new Map<number, number>();
  const holders = new Map<number, Set<Word>>();
  const count = (word: Word, sign: 1 | -1): void => {
    for (let i = 1; i < word.ids.length; i++) {
      const pair = (word.ids[i - 1] as number) * PAIR + (word.ids[i] as number);
      const total = (counts.get(pair) ?? 0) + sign * word.count;
      if (total === 0) counts.delete(pair);
      else counts.set(pair, total);
      if (sign === 1) holders.set(pair, (holders.get(pair) ?? new Set()).add(word));
    }
  };
  for (const word of all) count(word, 1);

  return {
    mostFrequent() {
      let best = -1;
      let most = 1;
      for (const [pair, total] of counts) {
        if (total > most || (total === most && pair < best)) [best, most] = [pair, total];
      }
      return best < 0 ? undefined : [Math.floor(best / PAIR), best % PAIR];
    },
    merge(left, right, id) {
      const pair = left * PAIR + right;
      for (const word of holders.get(pair) ?? []) {
        count(word, -1);
        const merged: number[] = [];
        for (let i = 0; i < word.ids.length; i++) {
          const here = word.ids[i] as number;
          if (here === left && word.ids[i + 1] === right) {
            merged.push(id);
            i++;
          } else merged.push(here);
        }
        word.ids = merged;
        count(word, 1);
      }
      holders.delete(pair);
    },
  };
}
