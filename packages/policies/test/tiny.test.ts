import { createRng } from '@tsrl/core';
import { expect, test } from 'vitest';
import { type LanguageModel, llamaConfigJson, parseLlamaConfig, type TinyOptions, tiny } from '../src/index.ts';

const texts = ['win a free prize now', 'call me when you are home', 'free cash, call now', 'see you at home, ok?'];

async function elements(language: LanguageModel): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const [name, variable] of language.model.weights) {
    all.set(name, Float32Array.from((await variable.data()) as Float32Array));
  }
  language.model.dispose();
  return all;
}

test('the sizes are the defaults, or those asked for, and make a valid config.json', () => {
  const plain = tiny({ texts }, createRng(0));
  expect(plain.model.config).toMatchObject({
    vocabularySize: plain.tokenizer.size,
    hiddenSize: 64,
    intermediateSize: 176,
    layers: 2,
    heads: 4,
    keyValueHeads: 4,
    headSize: 16,
    maxPositions: 512,
    tieWordEmbeddings: true,
  });
  expect(parseLlamaConfig(llamaConfigJson(plain.model.config, 'float32'), 'c')).toEqual(plain.model.config);
  const { specialTokens } = plain.model.config;
  const named = { pad_token_id: '<pad>', bos_token_id: '<s>', eos_token_id: '</s>' };
  for (const [field, token] of Object.entries(named)) {
    expect(specialTokens[field]).toBe(plain.tokenizer.tokenId(token));
  }
  plain.model.dispose();

  const sizes = { hiddenSize: 24, layers: 3, heads: 6, keyValueHeads: 2, intermediateSize: 10, maxPositions: 9 };
  const other = tiny({ texts, ...sizes, vocabularySize: 260 }, createRng(0));
  expect(other.model.config).toMatchObject({ ...sizes, headSize: 4, vocabularySize: 260 });
  other.model.dispose();
});

test('weights are normal with the standard deviations that are documented; norms are 1', async () => {
  const weights = await elements(tiny({ texts, layers: 3 }, createRng(4)));
  for (const [name, values] of weights) {
    if (name.includes('norm')) {
      expect(values.every((x) => x === 1)).toBe(true);
      continue;
    }
    const std = /o_proj|down_proj/.test(name) ? 0.02 / Math.sqrt(6) : 0.02;
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const square = values.reduce((sum, x) => sum + x * x, 0) / values.length;
    // Five standard errors of a mean and of a standard deviation.
    expect(Math.abs(mean)).toBeLessThan((5 * std) / Math.sqrt(values.length));
    expect(Math.abs(Math.sqrt(square) / std - 1)).toBeLessThan(5 / Math.sqrt(2 * values.length));
  }
});

test('the same stream gives the same model, and no two weights share their numbers', async () => {
  const weights = await elements(tiny({ texts }, createRng(4)));
  expect(await elements(tiny({ texts }, createRng(4)))).toEqual(weights);
  const other = await elements(tiny({ texts }, createRng(5)));
  const drawn = [...weights].filter(([name]) => !name.includes('norm'));
  for (const [name, values] of drawn) expect(other.get(name)).not.toEqual(values);
  expect(new Set(drawn.map(([, values]) => values[0])).size).toBe(drawn.length);
  // A deeper model starts from the same lower layers, but for the scale of what writes into the stream.
  const deeper = await elements(tiny({ texts, layers: 3 }, createRng(4)));
  const name = 'model.layers.1.mlp.up_proj.weight';
  expect(deeper.get(name)).toEqual(weights.get(name));
});

test.each<[Partial<TinyOptions>, string]>([
  [{ layers: 0 }, 'tiny: layers must be a positive integer; got 0'],
  [{ hiddenSize: 20 }, 'tiny: hiddenSize must be an even multiple of heads, 4; got 20'],
  [{ keyValueHeads: 3 }, 'tiny: keyValueHeads must be a divisor of heads, 4; got 3'],
  [{ vocabularySize: 10 }, 'trainTokenizer: vocabularySize must be an integer of at least 259; got 10'],
])('%j', (options, message) => {
  expect(() => tiny({ texts, ...options }, createRng(0))).toThrow(message);
});
