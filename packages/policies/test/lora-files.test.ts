import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { createRng, isTsrlError } from '@tsrl/core';
import { parseSafetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { maxError } from '@tsrl/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createLora,
  type HeadPolicyOptions,
  headPolicy,
  type LanguageModel,
  type LoraFiles,
  loadLora,
  loadModel,
  loadPolicy,
  type ModelFiles,
  type PolicyFiles,
  policyFiles,
  type TextPolicy,
  tiny,
  verbalizerPolicy,
} from '../src/index.ts';
import {
  readLoraDirectory,
  readModelDirectory,
  readPolicyDirectory,
  writeModelDirectory,
  writePolicyDirectory,
} from '../src/node.ts';
import { numbers, stir } from './adapters.ts';
import { tolerance } from './oracle.ts';
import { toBatch } from './small.ts';

const fixtures = new URL('./fixtures/', import.meta.url);
const text = (path: string) => ({ file: path, text: readFileSync(new URL(path, fixtures), 'utf8') });
const binary = (path: string) => ({ file: path, bytes: readFileSync(new URL(path, fixtures)) });
const tokenizer = text('random-bert/tokenizer.json');
const modelAt = (directory: string): ModelFiles => ({
  config: text(`${directory}/config.json`),
  weights: [binary(`${directory}/model.safetensors`)],
  tokenizer,
});
const loraAt = (directory: string): LoraFiles => ({
  config: text(`${directory}/adapter_config.json`),
  weights: binary(`${directory}/adapter_model.safetensors`),
});

/**
 * Made by peft 0.21.2 and transformers 5.23.0: `get_peft_model` over a LlamaForCausalLM of random weights (std 0.3;
 * rank 2, alpha 6, q_proj, v_proj and down_proj) and over the BertModel of random-bert (rank 3, alpha 4, query and
 * output.dense, which names two modules of a layer), B drawn with std 0.3, `save_pretrained`; then the logits of the
 * last token, and its hidden state, in float64.
 */
const kinds = [
  { family: 'llama', base: 'lora/llama', adapters: 'lora/llama', rank: 2, alpha: 6, modules: 6 },
  { family: 'bert', base: 'random-bert', adapters: 'lora/bert', rank: 3, alpha: 4, modules: 6 },
] as const;
const expected = JSON.parse(text('lora/expected.json').text) as {
  llama: { ids: number[]; logits: number[] }[];
  bert: { ids: number[]; last: number[] }[];
};

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tsrl-lora-'));
});
afterAll(() => rm(home, { recursive: true }));

const thrown = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(isTsrlError(error)).toBe(true);
  return (error as Error).message;
};
const texts = ['win a free prize now', 'call me'];
async function scoresOf(policy: TextPolicy): Promise<number[]> {
  const batch = toBatch(texts.map((sentence) => policy.encode(sentence, 32)));
  try {
    return await numbers(() => policy.score(batch).logits);
  } finally {
    tf.dispose([batch.ids, batch.lengths]);
  }
}
const release = (policy: TextPolicy): void => {
  policy.dispose();
  policy.language.model.dispose();
};
const settings = { maxLength: 32, threshold: 0.4 };

describe.each(kinds)('adapters of PEFT over a random $family', ({ family, base, adapters, rank, alpha, modules }) => {
  test('give the numbers of PEFT', async () => {
    const { model } = loadModel(modelAt(base));
    const lora = loadLora(model, loraAt(adapters));
    expect([lora.rank, lora.alpha, lora.weights.size]).toEqual([rank, alpha, 2 * modules]);
    const wrong = createLora(model, { rng: createRng(1), scope: 'untrained/' });
    const cases = family === 'llama' ? expected.llama.map((x) => ({ ...x, last: x.logits })) : expected.bert;
    expect(cases).toHaveLength(3);
    for (const { ids, last } of cases) {
      const batch = toBatch([ids]);
      const at = (by: typeof lora): Promise<number[]> =>
        numbers(() =>
          model.family === 'llama'
            ? model.logits(model.lastHidden(batch, by))
            : tf.slice(model.hidden(batch, by), [0, ids.length - 1, 0]),
        );
      const difference = (got: number[]): number => Math.max(...got.map((x, i) => Math.abs(x - last[i]!)));
      expect(difference(await at(lora))).toBeLessThan(1e-5);
      expect(difference(await at(wrong))).toBeGreaterThan(1e-2);
      tf.dispose([batch.ids, batch.lengths]);
    }
    lora.dispose();
    wrong.dispose();
    model.dispose();
  });

  test('are written as they were read, but for settings that say nothing', async () => {
    const language = loadModel(modelAt(base));
    const policy = headPolicy(language, { trainable: 'lora', lora: loadLora(language.model, loraAt(adapters)) });
    const files = await policyFiles(policy, settings, { save: 'adapters', base: 'there' });
    expect([...files.keys()].sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'head.safetensors',
      'tsrl.json',
    ]);
    const theirs = parseSafetensors(loraAt(adapters).weights.bytes, 'theirs');
    const ours = parseSafetensors(files.get('adapter_model.safetensors') as Uint8Array, 'ours');
    expect([...ours.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
    for (const name of ours.tensors.keys()) expect(ours.read(name)).toEqual(theirs.read(name));
    const config = JSON.parse(files.get('adapter_config.json') as string) as Record<string, unknown>;
    const same = JSON.parse(loraAt(adapters).config.text) as Record<string, unknown>;
    for (const [name, value] of Object.entries(config)) {
      if (!['target_modules', 'base_model_name_or_path', 'task_type'].includes(name))
        expect([name, value]).toEqual([name, same[name]]);
    }
    expect(config['base_model_name_or_path']).toBe('there');
    expect(config['target_modules']).toHaveLength(modules);
    release(policy);
  });

  test('merged, they give the numbers of the adapted model', async () => {
    const language = loadModel(modelAt(base));
    const lora = loadLora(language.model, loraAt(adapters));
    const policy = headPolicy(language, { trainable: 'lora', lora, rng: createRng(3) });
    const files = await policyFiles(policy, settings);
    const scores = await scoresOf(policy);
    const weights = new Map<string, readonly number[]>();
    for (const [name, variable] of [...language.model.weights, ...lora.weights])
      weights.set(name, [...(await variable.data())]);
    release(policy);

    const file = parseSafetensors(files.get('model.safetensors') as Uint8Array, 'merged');
    for (const name of file.tensors.keys()) {
      const module = name.replace(/\.weight$/, '');
      const [w, a, b] = [
        weights.get(name)!,
        weights.get(`${module}.lora_A.weight`),
        weights.get(`${module}.lora_B.weight`),
      ];
      const width = a && a.length / rank;
      const sum = (at: number): number => {
        if (!a || !b || !width) return 0;
        let total = 0;
        for (let r = 0; r < rank; r++) total += b[Math.floor(at / width) * rank + r]! * a[r * width + (at % width)]!;
        return (alpha / rank) * total;
      };
      const want = w.map((x, at) => x + sum(at));
      // One rounding to float32: half a step.
      expect(
        maxError(file.read(name).data as Float32Array, want, { absolute: 1e-12, relative: 2 ** -24 }),
      ).toBeLessThanOrEqual(1);
    }
    const read = loadPolicy(policyFilesOf(files));
    expect(read.policy.lora).toBeUndefined();
    expect(read.policy.form).toEqual({ ...policy.form, trainable: 'full' });
    expect(maxError(await scoresOf(read.policy), scores, tolerance)).toBeLessThanOrEqual(1);
    release(read.policy);
  });
});

/** The files that were written, as those to be read; with a base, those of its model. */
function policyFilesOf(files: ReadonlyMap<string, string | Uint8Array>, base?: ModelFiles): PolicyFiles {
  const asText = (file: string) => ({ file, text: files.get(file) as string });
  const asBytes = (file: string) => ({ file, bytes: files.get(file) as Uint8Array });
  return {
    ...(base ?? {
      config: asText('config.json'),
      weights: [asBytes('model.safetensors')],
      tokenizer: asText('tokenizer.json'),
    }),
    policy: asText('tsrl.json'),
    head: asBytes('head.safetensors'),
    ...(base && { adapters: { config: asText('adapter_config.json'), weights: asBytes('adapter_model.safetensors') } }),
  };
}

describe('directories', () => {
  const make = (hiddenSize = 16): LanguageModel =>
    tiny({ texts, vocabularySize: 280, hiddenSize, heads: 4, maxPositions: 64 }, createRng(3));
  const adapted = (language: LanguageModel, options: HeadPolicyOptions = {}): TextPolicy => {
    const policy = headPolicy(language, { trainable: 'lora', rng: createRng(7), ...options });
    stir(policy.lora!, createRng(8), 0.2);
    return policy;
  };
  /** A base model, and a policy with adapters of it, in directories. */
  async function saved(name: string): Promise<{ base: string; directory: string; scores: number[] }> {
    const [base, directory] = [join(home, name, 'base'), join(home, name, 'adapters')];
    const made = make();
    await writeModelDirectory(base, made);
    made.model.dispose();
    const policy = adapted(await readModelDirectory(base), { valueHead: true });
    await writePolicyDirectory(directory, policy, settings, { save: 'adapters' });
    const scores = await scoresOf(policy);
    release(policy);
    return { base, directory, scores };
  }

  test('adapters written are the adapters read, over the base where it was, or where it is', async () => {
    const { base, directory, scores } = await saved('kept');
    expect((await readdir(directory)).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'head.safetensors',
      'tsrl.json',
    ]);
    let bytes = 0;
    for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size;
    expect(bytes).toBeLessThan(8000);

    const read = await readPolicyDirectory(directory, { scope: 'again/' });
    expect(read.settings).toEqual(settings);
    expect(read.policy.form).toMatchObject({ form: 'head', trainable: 'lora', valueHead: true });
    expect(await scoresOf(read.policy)).toEqual(scores);
    expect(read.policy.variables.map(({ name }) => name)).toEqual(
      [...read.policy.lora!.weights.keys(), ...read.policy.head.keys()].map((name) => `again/${name}`),
    );
    // Once more, over themselves: the base is known from the first time.
    await writePolicyDirectory(directory, read.policy, settings, { save: 'adapters' });
    // The same adapters through the door for those of PEFT.
    const again = headPolicy(read.policy.language, {
      trainable: 'lora',
      lora: await readLoraDirectory(directory, read.policy.language.model),
    });
    expect(again.lora!.weights.size).toBe(8);
    again.dispose();
    release(read.policy);

    const moved = join(home, 'kept', 'elsewhere');
    await rename(base, moved);
    const file = join(directory, 'tsrl.json');
    expect(await thrown(readPolicyDirectory(directory))).toBe(
      `${file}: the adapters belong to the base model ${base}, which cannot be read: ${join(base, 'config.json')}: no such file; where it is, the option base says`,
    );
    const there = await readPolicyDirectory(directory, { base: moved });
    expect(await scoresOf(there.policy)).toEqual(scores);
    expect(there.policy.language.directory).toBe(moved);
    release(there.policy);
  });

  test('those of a verbalizer are read as they were written, alone and merged', async () => {
    const base = join(home, 'verbalizer', 'base');
    const made = make();
    await writeModelDirectory(base, made);
    made.model.dispose();
    const words = { yes: ['free', 'yes'], no: ['home', 'n'], template: '{text} Spam?' };
    const options = {
      ...words,
      valueHead: true,
      rng: createRng(7),
      lora: { rank: 3, projections: ['k_proj', 'up_proj'] },
    };
    const policy = verbalizerPolicy(await readModelDirectory(base), { ...options, trainable: 'lora' });
    const start = await scoresOf(policy);
    stir(policy.lora!, createRng(8), 0.5);
    const scores = await scoresOf(policy);
    expect(maxError(start, scores, tolerance)).toBeGreaterThan(100);
    const at = (save: string): string => join(home, 'verbalizer', save);
    for (const save of ['adapters', 'merged'] as const)
      await writePolicyDirectory(at(save), policy, settings, { save });
    release(policy);

    const config = JSON.parse(await readFile(join(at('adapters'), 'adapter_config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ peft_type: 'LORA', task_type: 'CAUSAL_LM', r: 3, base_model_name_or_path: base });
    const file = parseSafetensors(await readFile(join(at('adapters'), 'adapter_model.safetensors')), 'adapters');
    expect(file.tensors.size).toBe(8);
    expect(file.tensors.get('base_model.model.model.layers.1.mlp.up_proj.lora_A.weight')!.shape).toEqual([3, 16]);
    const alone = await readPolicyDirectory(at('adapters'));
    expect(alone.policy.form).toEqual(policy.form);
    expect(await scoresOf(alone.policy)).toEqual(scores);
    expect(alone.policy.variables).toHaveLength(8 + 2);
    release(alone.policy);
    const merged = await readPolicyDirectory(at('merged'));
    expect(merged.policy.lora).toBeUndefined();
    expect(merged.policy.form).toEqual({ ...policy.form, trainable: 'full' });
    expect(maxError(await scoresOf(merged.policy), scores, tolerance)).toBeLessThanOrEqual(1);
    release(merged.policy);
  });

  test('another base is told from the right one, and both are named', async () => {
    const { base, directory } = await saved('other');
    const other = join(home, 'other', 'wider');
    const language = make(24);
    await writeModelDirectory(other, language);
    language.model.dispose();
    expect(await thrown(readPolicyDirectory(directory, { base: other }))).toMatch(
      new RegExp(
        `^${join(directory, 'tsrl.json')}: the adapters belong to the base model ${base} \\(llama, 20 weights of \\d+ numbers, [0-9a-f]{16}\\); that of ${join(other, 'config.json')} is another \\(llama, 20 weights of \\d+ numbers, [0-9a-f]{16}\\)$`,
      ),
    );
  });

  test('an encoder is read as it was, whatever its files say of its pooling; a decoder is not it', async () => {
    const [base, directory] = [join(home, 'encoder'), join(home, 'encoder-adapters')];
    const made = loadModel(modelAt('random-bert'));
    await writeModelDirectory(base, made); // says mean, not normalised
    made.model.dispose();
    const policy = adapted(await readModelDirectory(base, { pooling: 'first', normalize: true }));
    await writePolicyDirectory(directory, policy, settings, { save: 'adapters' });
    const scores = await scoresOf(policy);
    release(policy);
    const { policy: read } = await readPolicyDirectory(directory);
    expect(await scoresOf(read)).toEqual(scores);
    expect(read.language.model.config).toMatchObject({ pooling: 'first', normalize: true });
    release(read);
    const decoder = join(home, 'decoder');
    const language = make();
    await writeModelDirectory(decoder, language);
    language.model.dispose();
    expect(await thrown(readPolicyDirectory(directory, { base: decoder }))).toMatch(
      /the adapters belong to the base model .*encoder \(bert, .*\); that of .*decoder.config\.json is another \(llama, /,
    );
  });

  test('the base model is not replaced by its adapters, and what cannot be is said', async () => {
    const { base, directory } = await saved('safe');
    const language = await readModelDirectory(base);
    const policy = adapted(language);
    const before = await readdir(base);
    for (const same of [base, `${base}/`, join(base, '..', 'base')]) {
      expect(await thrown(writePolicyDirectory(same, policy, settings, { save: 'adapters' }))).toBe(
        `writePolicyDirectory: ${same} holds the base model, which its adapters would replace; choose another`,
      );
    }
    expect(await readdir(base)).toEqual(before);
    // Merged, it may take the place of both.
    await writePolicyDirectory(directory, policy, settings);
    expect((await readdir(directory)).sort()).toEqual([
      'config.json',
      'head.safetensors',
      'model.safetensors',
      'tokenizer.json',
      'tsrl.json',
    ]);
    expect(await thrown(readPolicyDirectory(directory, { base }))).toBe(
      `readPolicyDirectory: base must be left out for ${directory}, which holds a whole model; got ${JSON.stringify(base)}`,
    );
    release(policy);

    const fresh = adapted(make());
    expect(await thrown(policyFiles(fresh, settings, { save: 'adapters' }))).toBe(
      'policyFiles: base must be the directory of the base model, which was not read from one; got undefined',
    );
    expect(await thrown(policyFiles(fresh, settings, { save: 'both' as 'merged' }))).toBe(
      `policyFiles: save must be 'merged' or 'adapters'; got "both"`,
    );
    const plain = headPolicy(fresh.language, { scope: 'plain/' });
    expect(await thrown(policyFiles(plain, settings, { save: 'adapters', base: 'b' }))).toBe(
      `policyFiles: save must be 'merged' for a policy without adapters; got "adapters"`,
    );
    plain.dispose();
    release(fresh);
  });

  test('what is damaged or missing is named, and nothing is left behind', async () => {
    const { directory } = await saved('damaged');
    const before = tf.memory().numTensors;
    const weights = join(directory, 'adapter_model.safetensors');
    const config = join(directory, 'adapter_config.json');
    const description = join(directory, 'tsrl.json');
    const [bytes, json, form] = [
      await readFile(weights),
      await readFile(config, 'utf8'),
      await readFile(description, 'utf8'),
    ];
    await writeFile(weights, bytes.subarray(0, bytes.length - 9));
    expect(await thrown(readPolicyDirectory(directory))).toBe(`${weights}: truncated: 9 bytes are missing`);
    await rm(weights);
    expect(await thrown(readPolicyDirectory(directory))).toBe(`${weights}: no such file`);
    await writeFile(weights, bytes);
    await writeFile(config, json.replace('"r": 8', '"r": 4'));
    expect(await thrown(readPolicyDirectory(directory))).toMatch(
      /lora_A\.weight" must have shape \[4,16\] by .*adapter_config\.json; got \[8,16\]/,
    );
    await writeFile(config, json);
    const parsed = JSON.parse(form) as { policy: object };
    for (const [changes, message] of [
      [
        { base: 'there' },
        `${description}: base must be an object with path and fingerprint, as adapters have one; got "there"`,
      ],
      [
        { base: undefined },
        `${description}: base must be an object with path and fingerprint, as adapters have one; got undefined`,
      ],
      [
        { policy: { ...parsed.policy, trainable: 'full' } },
        `${description}: base must be left out without adapters; got {"path":`,
      ],
    ] as const) {
      await writeFile(description, JSON.stringify({ ...parsed, ...changes }));
      expect(await thrown(readPolicyDirectory(directory))).toContain(message);
    }
    await writeFile(description, form);
    const files = policyFilesOf(new Map([['tsrl.json', form]]));
    expect(() => loadPolicy(files)).toThrow('tsrl.json: the adapters that it speaks of are not given');
    const plain = JSON.stringify({ ...parsed, base: undefined, policy: { ...parsed.policy, trainable: 'full' } });
    const both = policyFilesOf(new Map([['tsrl.json', plain]]), modelAt('lora/llama'));
    expect(() => loadPolicy(both)).toThrow('tsrl.json: speaks of no adapters, and some are given');
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('adapter files that do not fit', () => {
  const base = 'lora/llama';
  const good = loraAt(base);
  const at = 'base_model.model.model.layers.0.self_attn';
  const matrix = (...shape: number[]): TensorToWrite => ({
    shape,
    data: new Float32Array(shape.reduce((product, n) => product * n, 1)),
  });
  const load = (changes: object, change: (tensors: Map<string, TensorToWrite>) => void = () => {}): void => {
    const file = parseSafetensors(good.weights.bytes, 'w');
    const tensors = new Map<string, TensorToWrite>([...file.tensors.keys()].map((name) => [name, file.read(name)]));
    change(tensors);
    const { model } = loadModel(modelAt(base));
    const config = { ...(JSON.parse(good.config.text) as object), ...changes };
    try {
      loadLora(model, {
        config: { file: 'adapter_config.json', text: JSON.stringify(config) },
        weights: { file: 'adapters', bytes: writeSafetensors(tensors) },
      }).dispose();
    } finally {
      model.dispose();
    }
  };

  test.each<[object, string]>([
    [{ peft_type: 'IA3' }, 'peft_type "IA3" is not supported; only LORA'],
    [{ r: 0 }, 'r must be a positive integer; got 0'],
    [{ lora_alpha: '16' }, 'lora_alpha must be a positive number; got "16"'],
    [{ bias: 'all' }, 'bias "all" is not supported; only "none"'],
    [{ use_rslora: true }, 'use_rslora true is not supported; only false'],
    [{ use_dora: true }, 'use_dora true is not supported; only false'],
    [{ rank_pattern: { q_proj: 4 } }, 'rank_pattern {"q_proj":4} is not supported; only {}'],
    [{ modules_to_save: ['score'] }, 'modules_to_save ["score"] is not supported; only null'],
    [{ init_lora_weights: 'pissa' }, 'init_lora_weights "pissa" is not supported; only true'],
  ])('%j', (changes, message) => {
    expect(() => load(changes)).toThrow(`adapter_config.json: ${message}`);
  });

  test.each<[string, (tensors: Map<string, TensorToWrite>) => void, string]>([
    [
      'no partner',
      (t) => t.delete(`${at}.q_proj.lora_B.weight`),
      'module "model.layers.0.self_attn.q_proj" must have both',
    ],
    [
      'no partner either',
      (t) => t.delete(`${at}.q_proj.lora_A.weight`),
      'module "model.layers.0.self_attn.q_proj" must have both',
    ],
    ['none at all', (t) => t.clear(), 'holds no adapter of the model'],
    [
      'no such layer',
      (t) => t.set(`${at.replace('0', '7')}.q_proj.lora_A.weight`, matrix(2, 8)),
      'has no place in the model of adapter_config.json',
    ],
    [
      'an embedding',
      (t) => t.set('base_model.model.model.embed_tokens.lora_embedding_A', matrix(2, 90)),
      'has no place',
    ],
    [
      'shape',
      (t) => t.set(`${at}.q_proj.lora_A.weight`, matrix(2, 9)),
      'must have shape [2,8] by adapter_config.json; got [2,9]',
    ],
    [
      'NaN',
      (t) => (t.get(`${at}.q_proj.lora_A.weight`)!.data as Float32Array).fill(Number.NaN, 1, 2),
      'has NaN at element 1',
    ],
  ])('%s', (_, change, message) => {
    expect(() => load({}, change)).toThrow('adapters: ');
    expect(() => load({}, change)).toThrow(message);
  });

  test('the files of another model', () => {
    const { model } = loadModel(modelAt('random-bert'));
    expect(() => loadLora(model, good)).toThrow('has no place in the model of lora/llama/adapter_config.json');
    model.dispose();
  });
});
