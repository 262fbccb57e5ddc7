import { DataError } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTokenizer, gpt2TokenizerJson, parseTokenizer, trainTokenizer } from '../src/index.ts';

interface Model {
  vocab: Record<string, number>;
  merges: [string, string][];
}
const modelOf = (texts: Iterable<string>, vocabularySize: number): Model =>
  trainTokenizer(texts, { vocabularySize })['model'] as Model;

/** Byte-pair encoding as its definition says it: count every pair anew, merge the best everywhere, again. */
function oracleMerges(texts: readonly string[], merges: number): [string, string][] {
  const { vocab } = modelOf([], 259);
  const letters = Object.keys(vocab)
    .sort((a, b) => vocab[a]! - vocab[b]!)
    .slice(3);
  const pattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
  let words = texts.flatMap((text) =>
    (text.match(pattern) ?? []).map((word) => Array.from(new TextEncoder().encode(word), (byte) => letters[byte]!)),
  );
  const known = ['<pad>', '<s>', '</s>', ...letters];
  const made: [string, string][] = [];
  while (known.length < 259 + merges) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${known.indexOf(word[i - 1]!)} ${known.indexOf(word[i]!)}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts]
      .filter(([, count]) => count > 1)
      .map(([pair, count]) => ({ ids: pair.split(' ').map(Number) as [number, number], count }))
      .sort((a, b) => b.count - a.count || a.ids[0] - b.ids[0] || a.ids[1] - b.ids[1]);
    if (!best) break;
    const [left, right] = best.ids.map((id) => known[id]!) as [string, string];
    if (!known.includes(left + right)) known.push(left + right);
    made.push([left, right]);
    words = words.map((word) => {
      const next = [...word];
      for (let i = 0; i + 1 < next.length; i++) {
        if (next[i] === left && next[i + 1] === right) next.splice(i, 2, left + right);
      }
      return next;
    });
  }
  return made;
}

const texts = ['the cat sat on the mat', "it's the cat's mat, isn't it?", 'aaaa aaaa aaa 1234 123', 'naïve naïve 😀😀'];
const word = fc.stringMatching(/^[ab c']{0,12}$/);

describe('training', () => {
  test('makes the merges of the definition', () => {
    expect(modelOf(texts, 290).merges).toEqual(oracleMerges(texts, 31));
    forAll(
      [fc.array(word, { maxLength: 8 }), fc.integer({ min: 0, max: 15 })],
      (some, merges) => {
        expect(modelOf(some, 259 + merges).merges).toEqual(oracleMerges(some, merges));
      },
      { runs: 60 },
    );
  });

  test('any text comes back, behind <s>, in ids below the size', () => {
    const tokenizer = createTokenizer(trainTokenizer(texts, { vocabularySize: 300 }), 't.json');
    expect(tokenizer.size).toBe(259 + oracleMerges(texts, 41).length);
    expect(tokenizer.size).toBeLessThan(300); // no pair occurs twice any more
    forAll([fc.string({ unit: 'grapheme' })], (text) => {
      fc.pre(!/<pad>|<s>|<\/s>/.test(text));
      const ids = tokenizer.encode(text);
      expect(ids[0]).toBe(1);
      expect(ids.subarray(1)).toEqual(tokenizer.encodePlain(text));
      expect(tokenizer.decode(ids)).toBe(text);
      expect(ids.every((id) => id < tokenizer.size)).toBe(true);
    });
    expect([...tokenizer.encodePlain('the the')]).toHaveLength(2);
    expect(['<pad>', '<s>', '</s>'].map(tokenizer.tokenId)).toEqual([0, 1, 2]);
  });

  test('is deterministic, ignores the order of texts, and survives words that are properties of objects', () => {
    expect(trainTokenizer(texts)).toEqual(trainTokenizer([...texts].reverse()));
    const names = Array(5).fill('__proto__ constructor toString') as string[];
    const tokenizer = createTokenizer(JSON.parse(JSON.stringify(trainTokenizer(names))), 't.json');
    expect(tokenizer.encodePlain('__proto__')).toHaveLength(3); // the words "__", "proto" and "__"
    expect(tokenizer.encodePlain(' constructor toString')).toHaveLength(2);
    expect(tokenizer.decode(tokenizer.encode(names[0]!))).toBe(names[0]);
  });

  test('2000 short texts fill the vocabulary', () => {
    const vocabulary = Array.from({ length: 3000 }, (_, i) =>
      `${(i * 7919) % 104_729}`.replace(/\d/g, (d) => 'aeioulmrst'[+d]!),
    );
    const many = Array.from({ length: 2000 }, (_, i) =>
      Array.from({ length: 15 }, (_, j) => vocabulary[(i * 31 + j * j * 17) % 3000]).join(' '),
    );
    expect(modelOf(many, 1024).merges.length).toBe(1024 - 259);
  });

  test('refuses a vocabulary without room for the bytes', () => {
    expect(() => trainTokenizer([], { vocabularySize: 258 })).toThrow(
      'trainTokenizer: vocabularySize must be an integer of at least 259; got 258',
    );
  });
});

describe('reading', () => {
  test.each([
    ['{', 't.json: not JSON'],
    ['[]', 't.json: must hold a JSON object; got []'],
    ['{}', 't.json: model must be an object; got undefined'],
    ['{"model":{}}', 't.json: not a tokenizer: '],
  ])('%s', (text, message) => {
    expect(() => parseTokenizer(text, 't.json')).toThrow(DataError);
    expect(() => parseTokenizer(text, 't.json')).toThrow(message);
  });

  test('an id that the model does not have is an error, not another token', () => {
    const json = JSON.stringify(trainTokenizer(['the the'], { vocabularySize: 262 }));
    const tokenizer = parseTokenizer(json, 't.json', 260);
    expect([...tokenizer.encode('a')]).toHaveLength(2);
    expect(() => tokenizer.encode('the')).toThrow(/^t\.json: token ".+" has id 26[01]; the model knows ids below 260$/);
    expect(tokenizer.decode([])).toBe('');
  });

  test("GPT-2's two files, damaged", () => {
    expect(() => gpt2TokenizerJson({ vocab: '{"a":"b"}', merges: '' })).toThrow(
      'vocab.json: must map tokens to integer',
    );
    expect(() => gpt2TokenizerJson({ vocab: '{"a":1}', merges: '#version\na b c' })).toThrow(
      'merges.txt: a merge is two tokens; got "a b c"',
    );
  });
});
