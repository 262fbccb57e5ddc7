import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { createTokenizer, gpt2TokenizerJson, type LanguageModel, type Llama, loadLlama } from '../src/index.ts';

const models = new URL('../../../../shared/data/models/', import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, models), 'utf8');
const here = existsSync(models);

interface Case {
  text: string;
  input_ids: number[];
  top5_ids: number[];
  top5_logits: number[];
  logits_first8: number[];
  logits_sum: number;
  sequence_nll: number;
}

function load(directory: string, weights = 'model.safetensors'): LanguageModel<Llama> {
  return loadLlama({
    config: { file: 'config.json', text: text(`${directory}/config.json`) },
    weights: [{ file: weights, bytes: readFileSync(new URL(`${directory}/${weights}`, models)) }],
    tokenizer: { file: 'tokenizer.json', text: text(`${directory}/tokenizer.json`) },
  });
}

/** Negative log-likelihood of ids 1…n−1 given those before, in float64 from logits [n, V]. */
function negativeLogLikelihood(logits: ArrayLike<number>, ids: readonly number[], vocabulary: number): number {
  let total = 0;
  for (let t = 0; t + 1 < ids.length; t++) {
    const row = Array.from({ length: vocabulary }, (_, v) => logits[t * vocabulary + v] as number);
    const top = Math.max(...row);
    total += top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0)) - row[ids[t + 1]!]!;
  }
  return total;
}

describe.skipIf(!here)('the models of ../shared (skipped without ../shared)', () => {
  test.each([
    ['stories260K', 'model.safetensors'],
    ['tinystories-656k', 'model.safetensors'],
    ['tinystories-656k', 'model.bf16.safetensors'],
  ])('%s, %s: logits to 1e-4', async (directory, weights) => {
    const { model } = load(directory, weights);
    const { cases } = JSON.parse(text(`${directory}/expected-logits.json`)) as { cases: Case[] };
    expect(cases.length).toBeGreaterThan(2);
    const V = model.config.vocabularySize;
    for (const expected of cases) {
      const n = expected.input_ids.length;
      const logits = tf.tidy(() =>
        model.logits(tf.reshape(model.hidden(tf.tensor2d([expected.input_ids], [1, n], 'int32')), [n, -1])),
      );
      const data = (await logits.data()) as Float32Array;
      logits.dispose();
      const last = data.subarray((n - 1) * V);
      for (const [i, id] of expected.top5_ids.entries()) {
        expect(Math.abs(last[id]! - expected.top5_logits[i]!)).toBeLessThan(1e-4);
      }
      for (const [i, logit] of expected.logits_first8.entries()) expect(Math.abs(last[i]! - logit)).toBeLessThan(1e-4);
      // Sums of V and of n numbers, each of which may be 1e-4 off.
      expect(Math.abs(last.reduce((sum, x) => sum + x, 0) - expected.logits_sum)).toBeLessThan(1e-4 * V);
      expect(Math.abs(negativeLogLikelihood(data, expected.input_ids, V) - expected.sequence_nll)).toBeLessThan(
        1e-4 * n,
      );
    }
    model.dispose();
  });

  test('stories260K: the tokenizer gives the input ids, and the text back', () => {
    const { model, tokenizer } = load('stories260K');
    const { cases } = JSON.parse(text('stories260K/expected-logits.json')) as { cases: Case[] };
    for (const { text: story, input_ids: ids } of cases) {
      expect([...tokenizer.encode(story)]).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(story);
    }
    expect([...tokenizer.encode('')]).toEqual([1]);
    expect(tokenizer.decode(tokenizer.encode('naïve 日本 😀'))).toBe('naïve 日本 😀');
    model.dispose();
  });

  test('gpt2-bpe: every expected id, and every text back', () => {
    const files = { vocab: text('gpt2-bpe/vocab.json'), merges: text('gpt2-bpe/merges.txt') };
    const tokenizer = createTokenizer(gpt2TokenizerJson(files), 'vocab.json');
    expect(tokenizer.size).toBe(50_257);
    const cases = JSON.parse(text('gpt2-bpe/expected-tokens.json')) as { text: string; ids: number[] }[];
    expect(cases).toHaveLength(20);
    for (const { text: expected, ids } of cases) {
      expect([...tokenizer.encode(expected)]).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(expected);
    }
    expect([...tokenizer.encode('<|endoftext|>')]).toEqual([50_256]);
  });
});
