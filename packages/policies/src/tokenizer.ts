import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { DataError, show } from '@tsrl/core';
import { isJsonObject, type JsonObject, parseJsonObject } from './json.js';

/** What is used of `@huggingface/tokenizers`, whose own declarations do not resolve under Node's rules. */
interface Encoder {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[]; tokens: string[] };
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(): Map<string, number>;
}

/** Texts to token ids and back. */
export interface Tokenizer {
  /** Ids with the special tokens that `tokenizer.json` puts around a text; none for an empty text without them. */
  encode(text: string): Int32Array;
  /** Ids of the text alone. */
  encodePlain(text: string): Int32Array;
  /** The text of the ids, without special tokens. */
  decode(ids: ArrayLike<number>): string;
  /** The id of one entry of the vocabulary, exactly as it is spelled there. */
  tokenId(token: string): number | undefined;
  /** One more than the largest id. */
  readonly size: number;
  /** The `tokenizer.json`, to be saved. */
  readonly json: JsonObject;
  /** Where it came from, for errors. */
  readonly file: string;
}

/**
 * A tokenizer from the text of a Hugging Face `tokenizer.json`, through `@huggingface/tokenizers`.
 *
 * @param vocabularySize of the model: an id that it does not have is an error when it occurs
 * @throws DataError when the file is not a tokenizer
 */
export function parseTokenizer(text: string, file: string, vocabularySize?: number): Tokenizer {
  return createTokenizer(parseJsonObject(text, file), file, vocabularySize);
}

/** The same from the parsed object. */
export function createTokenizer(
  json: JsonObject,
  file: string,
  vocabularySize: number = Number.POSITIVE_INFINITY,
): Tokenizer {
  if (!isJsonObject(json['model'])) throw new DataError(file, `model must be an object; got ${show(json['model'])}`);
  let tokenizer: Encoder;
  try {
    tokenizer = new HuggingFaceTokenizer(json, { clean_up_tokenization_spaces: false });
  } catch (cause) {
    throw new DataError(file, `not a tokenizer: ${cause instanceof Error ? cause.message : show(cause)}`, { cause });
  }
  const encode = (text: string, special: boolean): Int32Array => {
    const { ids, tokens } = tokenizer.encode(text, { add_special_tokens: special });
    return Int32Array.from(ids, (id, i) => {
      if (id === undefined) throw new DataError(file, `the vocabulary lacks ${show(tokens[i])} of ${show(text)}`);
      if (id < vocabularySize) return id;
      throw new DataError(file, `token ${show(tokens[i])} has id ${id}; the model knows ids below ${vocabularySize}`);
    });
  };
  return {
    encode: (text) => encode(text, true),
    encodePlain: (text) => encode(text, false),
    decode: (ids) => (ids.length === 0 ? '' : tokenizer.decode(Array.from(ids), { skip_special_tokens: true })),
    tokenId: (token) => tokenizer.token_to_id(token),
    size: 1 + [...tokenizer.get_vocab().values()].reduce((largest, id) => Math.max(largest, id), -1),
    json,
    file,
  };
}

/** GPT-2's two files. */
export interface Gpt2Files {
  /** Text of `vocab.json`: token to id. */
  readonly vocab: string;
  /** Text of `merges.txt`: a pair of tokens a line, best first. */
  readonly merges: string;
}

/**
 * The `tokenizer.json` object that is equivalent to GPT-2's `vocab.json` and `merges.txt`: byte-level BPE, no special
 * tokens around a text.
 */
export function gpt2TokenizerJson({ vocab, merges }: Gpt2Files, file: string = 'vocab.json'): JsonObject {
  const entries = parseJsonObject(vocab, file);
  if (!Object.values(entries).every(Number.isSafeInteger)) throw new DataError(file, 'must map tokens to integer ids');
  const pairs = merges.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const broken = pairs.find((pair) => pair.split(' ').length !== 2);
  if (broken !== undefined) throw new DataError('merges.txt', `a merge is two tokens; got ${show(broken)}`);
  const endOfText = entries['<|endoftext|>'];
  return byteLevelBpe(
    entries as Record<string, number>,
    pairs.map((pair) => pair.split(' ') as [string, string]),
    endOfText === undefined ? [] : [specialToken(endOfText as number, '<|endoftext|>')],
    null,
  );
}

export const specialToken = (id: number, content: string): JsonObject => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** A byte-level BPE tokenizer in the layout of `tokenizer.json`. */
export function byteLevelBpe(
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  addedTokens: readonly JsonObject[],
  postProcessor: JsonObject | null,
): JsonObject {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: postProcessor,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
}
