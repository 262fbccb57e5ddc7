import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { createRng, DataError, isTsrlError } from '@tsrl/core';
import { parseSafetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  headPolicy,
  type LanguageModel,
  type Llama,
  llamaConfigJson,
  loadLlama,
  type ModelFiles,
  modelFiles,
  parseLlamaConfig,
  parseWeightIndex,
  type TextPolicy,
  tiny,
  verbalizerPolicy,
} from '../src/index.ts';
import { readModelDirectory, readPolicyDirectory, writeModelDirectory, writePolicyDirectory } from '../src/node.ts';
import { smallConfig, toBatch } from './small.ts';

const texts = ['win a free prize now', 'call me when you are home'];
const make = (): LanguageModel =>
  tiny({ texts, vocabularySize: 280, hiddenSize: 16, heads: 4, keyValueHeads: 2, maxPositions: 64 }, createRng(3));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tsrl-policies-'));
});
afterAll(() => rm(home, { recursive: true }));

/** What it says of two texts. */
async function scoresOf(policy: TextPolicy): Promise<number[]> {
  const batch = toBatch(texts.map((text) => policy.encode(text, 32)));
  const { logits, values } = policy.score(batch, { values: policy.form.valueHead });
  const data = [...(await logits.data()), ...((await values?.data()) ?? [])];
  tf.dispose([batch.ids, batch.lengths, logits, ...(values ? [values] : [])]);
  return data;
}
async function statesOf(language: LanguageModel): Promise<number[]> {
  const model = language.model as Llama;
  const batch = toBatch([[1, 5, 9, 200]]);
  const state = model.lastHidden(batch);
  const data = [...(await state.data())];
  tf.dispose([batch.ids, batch.lengths, state]);
  return data;
}
const released = async <T>(language: LanguageModel, use: (language: LanguageModel) => Promise<T>): Promise<T> => {
  try {
    return await use(language);
  } finally {
    language.model.dispose();
  }
};
const thrown = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(isTsrlError(error)).toBe(true);
  return (error as Error).message;
};

/** A valid model's files, with some tensors or settings changed. */
async function filesWith(
  change: (tensors: Map<string, TensorToWrite>) => void,
  settings: object = {},
): Promise<ModelFiles> {
  const files = await released(make(), (language) => modelFiles(language));
  const file = parseSafetensors(files.get('model.safetensors') as Uint8Array, 'w');
  const tensors = new Map<string, TensorToWrite>([...file.tensors.keys()].map((name) => [name, file.read(name)]));
  change(tensors);
  const config = { ...(JSON.parse(files.get('config.json') as string) as object), ...settings };
  return {
    config: { file: 'config.json', text: JSON.stringify(config) },
    weights: [{ file: 'model.safetensors', bytes: writeSafetensors(tensors) }],
    tokenizer: { file: 'tokenizer.json', text: files.get('tokenizer.json') as string },
  };
}

describe('config.json', () => {
  const valid = JSON.parse(llamaConfigJson(smallConfig(), 'float32')) as Record<string, unknown>;
  const parse = (changes: object) => parseLlamaConfig(JSON.stringify({ ...valid, ...changes }), 'config.json');

  test('what is written is read', () => {
    const config = smallConfig({ tieWordEmbeddings: false, specialTokens: { bos_token_id: 1, eos_token_id: [2, 3] } });
    expect(parseLlamaConfig(llamaConfigJson(config, 'bfloat16'), 'c')).toEqual(config);
  });

  test('defaults, other spellings and harmless fields', () => {
    const { head_dim: _, num_key_value_heads: __, tie_word_embeddings: ___, ...rest } = valid;
    const config = parseLlamaConfig(JSON.stringify({ ...rest, hidden_size: 8, attention_dropout: 0.1 }), 'c');
    expect(config).toEqual(smallConfig({ hiddenSize: 8, headSize: 2, keyValueHeads: 4, tieWordEmbeddings: false }));
    expect(parse({ model_type: 'mistral', sliding_window: null })).toEqual(smallConfig());
    expect(parse({ rope_theta: undefined, rope_parameters: { rope_type: 'default', rope_theta: 100 } })).toEqual(
      smallConfig(),
    );
    expect(parse({ rope_theta: undefined }).ropeTheta).toBe(10_000);
  });

  test.each<[object, string]>([
    [{ model_type: 'gpt2' }, 'model_type "gpt2" is not supported; only llama, mistral'],
    [{ model_type: undefined }, 'model_type undefined is not supported'],
    [{ hidden_act: 'gelu' }, 'hidden_act "gelu" is not supported; only silu'],
    [{ attention_bias: true }, 'attention_bias true is not supported; only false'],
    [{ mlp_bias: true }, 'mlp_bias true is not supported'],
    [{ rope_scaling: { factor: 8 } }, 'rope_scaling {"factor":8} is not supported; only null'],
    [{ rope_parameters: { rope_type: 'llama3' } }, 'rope_parameters.rope_type "llama3" is not supported; only default'],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor 0.5 is not supported'],
    [{ quantization_config: {} }, 'quantization_config {} is not supported'],
    [{ model_type: 'mistral', sliding_window: 4096 }, 'sliding_window 4096 is not supported; only null'],
    [{ hidden_size: '64' }, 'hidden_size must be a positive integer; got "64"'],
    [{ num_hidden_layers: 0 }, 'num_hidden_layers must be a positive integer; got 0'],
    [{ vocab_size: undefined }, 'vocab_size must be a positive integer; got undefined'],
    [{ num_key_value_heads: 3 }, 'num_key_value_heads must divide num_attention_heads, 4; got 3'],
    [{ head_dim: 3 }, 'head_dim must be even; got 3'],
    [{ head_dim: undefined }, 'head_dim must be a positive integer; got 1.5'],
    [{ rms_norm_eps: 0 }, 'rms_norm_eps must be a positive number; got 0'],
    [{ rope_theta: 'big' }, 'rope_theta must be a positive number; got "big"'],
    [{ tie_word_embeddings: 1 }, 'tie_word_embeddings must be true or false; got 1'],
    [{ bos_token_id: 'x' }, 'bos_token_id must be a token id; got "x"'],
  ])('%j', (changes, message) => {
    expect(() => parse(changes)).toThrow(DataError);
    expect(() => parse(changes)).toThrow(`config.json: ${message}`);
  });
});

describe('weights that do not fit', () => {
  const norm = 'model.norm.weight';
  const embedding = 'model.embed_tokens.weight';
  const ones = (n: number): TensorToWrite => ({ shape: [n], data: new Float32Array(n).fill(1) });
  test.each<[string, (tensors: Map<string, TensorToWrite>) => void, string]>([
    ['missing', (t) => t.delete(norm), `tensor "${norm}" is missing, which the model of config.json needs`],
    ['extra', (t) => t.set('bias', ones(1)), 'tensor "bias" has no place in the model of config.json'],
    ['shape', (t) => t.set(norm, ones(5)), `tensor "${norm}" must have shape [16] by config.json; got [5]`],
    [
      'integers',
      (t) => t.set(norm, { shape: [16], data: new Int32Array(16) }),
      `tensor "${norm}" must be F32, F16 or BF16; got I32 [16]`,
    ],
    ['NaN', (t) => (t.get(norm)!.data as Float32Array).fill(Number.NaN, 3, 4), `tensor "${norm}" has NaN at element 3`],
    [
      'infinity',
      (t) => (t.get(embedding)!.data as Float32Array).fill(-Infinity, 0, 1),
      `tensor "${embedding}" has -Infinity at element 0`,
    ],
    [
      'a tied head of its own',
      (t) => t.set('lm_head.weight', { ...t.get(embedding)!, data: new Float32Array(t.get(embedding)!.data.length) }),
      'lm_head.weight differs from the embedding that the configuration ties it to',
    ],
  ])('%s', async (_, change, message) => {
    const files = await filesWith(change);
    const before = tf.memory().numTensors;
    expect(() => loadLlama(files)).toThrow(DataError);
    expect(() => loadLlama(files)).toThrow(`model.safetensors: ${message}`);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('what is harmless: a copy of a tied head, rotary tables of old files', async () => {
    const files = await filesWith((t) => {
      t.set('lm_head.weight', t.get(embedding)!);
      t.set('model.layers.0.self_attn.rotary_emb.inv_freq', ones(2));
    });
    const expected = await released(make(), statesOf);
    expect(await released(loadLlama(files), statesOf)).toEqual(expected);
  });

  test('the same tensor in two shards, and a tokenizer that is none', async () => {
    const files = await filesWith(() => {});
    const twice = [...files.weights, { ...files.weights[0]!, file: 'second' }];
    expect(() => loadLlama({ ...files, weights: twice })).toThrow(
      'second: tensor "model.embed_tokens.weight" stands in',
    );
    const tokenizer = { file: 'tokenizer.json', text: '{}' };
    expect(() => loadLlama({ ...files, tokenizer })).toThrow('tokenizer.json: model must be an object');
  });

  test('an index that lists no files, or files elsewhere', () => {
    const index = (map: unknown) => () =>
      parseWeightIndex({ file: 'i.json', text: JSON.stringify({ weight_map: map }) });
    expect(index({ a: 'y', b: 'x', c: 'y' })()).toEqual(['x', 'y']);
    for (const map of [undefined, {}, { a: 1 }, { a: '../x' }]) {
      expect(index(map)).toThrow('i.json: weight_map must map tensors to files beside it');
    }
  });
});

describe('directories', () => {
  test('a model written is the model read, bit for bit; F16 and BF16 to their precision', async () => {
    const directory = join(home, 'deep', 'model');
    const expected = await released(make(), async (language) => {
      await writeModelDirectory(directory, language);
      await writeModelDirectory(directory, language); // over itself
      await writeModelDirectory(`${directory}16`, language, { dtype: 'F16' });
      await writeModelDirectory(`${directory}B`, language, { dtype: 'BF16' });
      return statesOf(language);
    });
    expect((await readdir(directory)).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await readdir(join(home, 'deep'))).toHaveLength(3);
    expect(await released(await readModelDirectory(directory), statesOf)).toEqual(expected);
    for (const [suffix, step] of [
      ['16', 2 ** -11],
      ['B', 2 ** -8],
    ] as const) {
      const states = await released(await readModelDirectory(directory + suffix), statesOf);
      const worst = Math.max(...states.map((x, i) => Math.abs(x - expected[i]!)));
      expect(worst).toBeGreaterThan(0);
      expect(worst).toBeLessThan(40 * step); // a state is of order one and passes some 40 rounded products
      const config = await readFile(join(directory + suffix, 'config.json'), 'utf8');
      expect(config).toContain(suffix === 'B' ? '"torch_dtype": "bfloat16"' : '"torch_dtype": "float16"');
    }
  });

  test('a sharded model', async () => {
    const directory = join(home, 'sharded');
    await mkdir(directory);
    const files = await filesWith(() => {});
    const whole = parseSafetensors(files.weights[0]!.bytes, 'w');
    const map: Record<string, string> = {};
    const shards = [new Map<string, TensorToWrite>(), new Map<string, TensorToWrite>()];
    for (const [i, name] of [...whole.tensors.keys()].entries()) {
      shards[i % 2]!.set(name, whole.read(name));
      map[name] = `model-0000${1 + (i % 2)}-of-00002.safetensors`;
    }
    for (const [i, shard] of shards.entries()) {
      await writeFile(join(directory, `model-0000${i + 1}-of-00002.safetensors`), writeSafetensors(shard));
    }
    await writeFile(join(directory, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    await writeFile(join(directory, 'config.json'), files.config.text);
    await writeFile(join(directory, 'tokenizer.json'), files.tokenizer.text);
    const expected = await released(make(), statesOf);
    expect(await released(await readModelDirectory(directory), statesOf)).toEqual(expected);
    await rm(join(directory, 'model-00002-of-00002.safetensors'));
    expect(await thrown(readModelDirectory(directory))).toContain('model-00002-of-00002.safetensors: no such file');
  });

  test('what is missing or no model is named', async () => {
    const directory = join(home, 'broken');
    const file = (name: string): string => join(directory, name);
    expect(await thrown(readModelDirectory(directory))).toBe(`${file('config.json')}: no such file`);
    await released(make(), (language) => writeModelDirectory(directory, language));
    const tokenizer = await readFile(file('tokenizer.json'));
    await rm(file('tokenizer.json'));
    expect(await thrown(readModelDirectory(directory))).toBe(
      `${file('tokenizer.json')}: no such file, nor vocab.json and merges.txt beside it`,
    );
    await writeFile(file('tokenizer.json'), tokenizer);
    const weights = await readFile(file('model.safetensors'));
    await writeFile(file('model.safetensors'), weights.subarray(0, weights.length - 7));
    expect(await thrown(readModelDirectory(directory))).toBe(
      `${file('model.safetensors')}: truncated: 7 bytes are missing`,
    );
    await rm(file('model.safetensors'));
    expect(await thrown(readModelDirectory(directory))).toBe(
      `${file('model.safetensors')}: no such file, nor its .index.json`,
    );
    await mkdir(file('model.safetensors'));
    expect(await thrown(readModelDirectory(directory))).toMatch(/model\.safetensors: cannot be read: EISDIR/);
    await writeFile(file('config.json'), Uint8Array.of(0xff));
    expect(await thrown(readModelDirectory(directory))).toBe(`${file('config.json')}: not UTF-8`);
    expect(await thrown(readPolicyDirectory(file('config.json')))).toContain('no such file');
  });

  test("GPT-2's two files stand for tokenizer.json", async () => {
    const directory = join(home, 'gpt2');
    const ids = await released(make(), async (language) => {
      await writeModelDirectory(directory, language);
      return language.tokenizer.encodePlain(texts[0]!);
    });
    const file = join(directory, 'tokenizer.json');
    const { vocab, merges } = (
      JSON.parse(await readFile(file, 'utf8')) as { model: { vocab: object; merges: string[][] } }
    ).model;
    await rm(file);
    await writeFile(join(directory, 'vocab.json'), JSON.stringify(vocab));
    await writeFile(
      join(directory, 'merges.txt'),
      `#version: 0.2\n${merges.map((pair) => pair.join(' ')).join('\n')}\n`,
    );
    const read = await released(await readModelDirectory(directory), ({ tokenizer }) =>
      Promise.resolve(tokenizer.encode(texts[0]!)),
    );
    expect(read).toEqual(ids);
  });

  test('replacing never deletes what is not a model, and a failure leaves the good one', async () => {
    const directory = join(home, 'kept');
    const language = make();
    await writeModelDirectory(directory, language);
    const before = await readFile(join(directory, 'model.safetensors'));
    // A weight that no float16 holds: the failure comes while the files are made.
    const norm = language.model.weights.get('model.norm.weight')!;
    const large = tf.fill(norm.shape, 1e6);
    norm.assign(large);
    large.dispose();
    expect(await thrown(writeModelDirectory(directory, language, { dtype: 'F16' }))).toContain('able to hold 1000000');
    expect(await readFile(join(directory, 'model.safetensors'))).toEqual(before);
    await writeFile(join(directory, 'thesis.tex'), 'years of work');
    expect(await thrown(writeModelDirectory(directory, language))).toBe(
      `writeModelDirectory: ${directory} holds thesis.tex, which is not a model's; choose another`,
    );
    expect(await readFile(join(directory, 'thesis.tex'), 'utf8')).toBe('years of work');
    expect((await readdir(home)).filter((name) => name.startsWith('.'))).toEqual([]);
    language.model.dispose();
  });
});

describe('saved policies', () => {
  const settings = { maxLength: 32, threshold: 0.4, temperature: 1.5 };
  test.each<[string, (language: LanguageModel) => TextPolicy]>([
    ['head', (language) => headPolicy(language, { rng: createRng(7), bias: 0.2 })],
    ['frozen', (language) => headPolicy(language, { rng: createRng(7), valueHead: true, trainable: 'head' })],
    [
      'verbalizer',
      (language) =>
        verbalizerPolicy(language, {
          yes: ['y', 'Y'],
          no: ['n'],
          template: '{text}\nSpam?',
          temperature: 2,
          logitBias: -0.5,
          aggregate: 'mean',
          valueHead: true,
          detachValueFeatures: false,
          rng: createRng(7),
        }),
    ],
  ])('%s: read back, it says the same', async (name, build) => {
    const directory = join(home, `policy-${name}`);
    const language = make();
    const policy = build(language);
    await writePolicyDirectory(directory, policy, settings);
    const expected = await scoresOf(policy);
    policy.dispose();
    language.model.dispose();

    const read = await readPolicyDirectory(directory, { scope: 'again/' });
    expect(read.settings).toEqual(settings);
    expect(read.policy.form).toEqual(policy.form);
    expect(await scoresOf(read.policy)).toEqual(expected);
    expect(read.policy.variables.every((variable) => variable.name.startsWith('again/'))).toBe(true);
    read.policy.dispose();
    read.policy.language.model.dispose();
  });

  test('a damaged description or head is named', async () => {
    const directory = join(home, 'damaged');
    const language = make();
    const policy = headPolicy(language);
    await writePolicyDirectory(directory, policy, settings);
    policy.dispose();
    language.model.dispose();
    const file = join(directory, 'tsrl.json');
    const good = JSON.parse(await readFile(file, 'utf8')) as { policy: object };
    const verbalizer = { form: 'verbalizer', valueHead: false, detachValueFeatures: true };
    const before = tf.memory().numTensors;
    for (const [changes, message] of [
      [{ version: 2 }, 'version must be 1; got 2'],
      [{ maxLength: 0 }, 'maxLength must be a positive integer; got 0'],
      [{ threshold: 2 }, 'threshold must be between 0 and 1; got 2'],
      [{ temperature: 0 }, 'temperature must be positive; got 0'],
      [{ temperature: '2' }, 'temperature must be positive; got "2"'],
      [{ policy: 'head' }, 'policy must be an object; got "head"'],
      [{ policy: { ...good.policy, form: 'tail' } }, `form must be 'head' or 'verbalizer'; got "tail"`],
      [{ policy: { ...good.policy, valueHead: 'no' } }, 'valueHead must be true or false; got "no"'],
      [{ policy: { ...good.policy, trainable: null } }, `trainable must be 'full', 'head' or 'lora'; got null`],
      [
        { policy: { ...verbalizer, yes: 'y' } },
        'yes must be a list of words, each a token id or a list of them; got "y"',
      ],
      [{ policy: { ...verbalizer, yes: [1], no: [2] } }, 'temperature must be a number; got undefined'],
    ] as const) {
      await writeFile(file, JSON.stringify({ ...good, ...changes }));
      expect(await thrown(readPolicyDirectory(directory))).toBe(`${file}: ${message}`);
    }
    await writeFile(file, JSON.stringify({ ...good, policy: { ...good.policy, valueHead: true } }));
    expect(await thrown(readPolicyDirectory(directory))).toBe(
      `${join(directory, 'head.safetensors')}: tensor "value.weight" must have shape [1,16]; got undefined`,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});
