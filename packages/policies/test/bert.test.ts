import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { createRng, DataError, type Rng } from '@tsrl/core';
import { parseSafetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { valueAndGrads } from '@tsrl/tensor';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bert,
  type BertConfig,
  bertConfigJson,
  bertShapes,
  createBert,
  createTokenizer,
  headPolicy,
  type LanguageModel,
  loadBert,
  loadModel,
  type ModelFiles,
  modelFiles,
  parseBertConfig,
  poolingPath,
  type SentenceModules,
  textFeatures,
  tiny,
  verbalizerPolicy,
} from '../src/index.ts';
import { readModelDirectory, readPolicyDirectory, writePolicyDirectory } from '../src/node.ts';
import { oraclePooled, oracleStates } from './bert-oracle.ts';
import { roundings, tolerance, type Weights } from './oracle.ts';
import { toBatch } from './small.ts';

function smallBert(changes: Partial<BertConfig> = {}): BertConfig {
  return {
    vocabularySize: 9,
    hiddenSize: 6,
    intermediateSize: 5,
    layers: 2,
    heads: 2,
    geluApproximate: 'none',
    layerNormEpsilon: 1e-5,
    maxPositions: 8,
    tokenTypes: 2,
    pooling: 'mean',
    normalize: false,
    specialTokens: {},
    ...changes,
  };
}

function randomWeights(config: BertConfig, rng: Rng): Weights {
  return Object.fromEntries(
    [...bertShapes(config)].map(([name, shape]) => {
      const center = name.endsWith('LayerNorm.weight') ? 1 : 0;
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, Float64Array.from({ length: size }, () => Math.fround(center + 0.5 * rng.normal()))];
    }),
  );
}

/** [CLS] letters [SEP], by WordPiece: a, b, c and ##c. */
const wordPiece = createTokenizer(
  {
    version: '1.0',
    added_tokens: [],
    normalizer: { type: 'BertNormalizer', lowercase: true, clean_text: true, handle_chinese_chars: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, a: 4, b: 5, c: 6, '##c': 7, '.': 8 },
    },
  },
  'tokenizer.json',
);

const make = (changes: Partial<BertConfig> = {}, seed = 5): { language: LanguageModel<Bert>; weights: Weights } => {
  const config = smallBert(changes);
  const weights = randomWeights(config, createRng(seed));
  const model = createBert(config, (name) => Float32Array.from(weights[name]!));
  return { language: { model, tokenizer: wordPiece }, weights };
};

const rows = [[2, 4, 7, 5, 8, 3], [2, 6, 3], [2]];
const variants: [string, Partial<BertConfig>][] = [
  ['mean', {}],
  ['mean, normalised', { normalize: true }],
  ['first', { pooling: 'first' }],
  ['first, normalised, GELU by tanh', { pooling: 'first', normalize: true, geluApproximate: 'tanh' }],
  ['one layer, one head', { layers: 1, heads: 1 }],
];

describe('against the float64 oracle', () => {
  const configs = fc
    .record({
      heads: fc.integer({ min: 1, max: 3 }),
      headSize: fc.integer({ min: 2, max: 3 }),
      layers: fc.integer({ min: 1, max: 3 }),
      geluApproximate: fc.constantFrom('none' as const, 'tanh' as const),
      layerNormEpsilon: fc.constantFrom(1e-12, 1e-5),
      pooling: fc.constantFrom('mean' as const, 'first' as const),
      normalize: fc.boolean(),
    })
    .map(({ headSize, ...rest }) => smallBert({ ...rest, hiddenSize: rest.heads * headSize }));
  const token = fc.record({ id: fc.nat(8), type: fc.nat(1) });
  const sequences = fc.array(fc.array(token, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });

  test('every state of a real token, with types and without, and what is pooled', async () => {
    await forAllAsync(
      [configs, sequences, fc.nat()],
      async (config, tokens, seed) => {
        const weights = randomWeights(config, createRng(seed));
        const model = createBert(config, (name) => Float32Array.from(weights[name]!));
        const drawn = tokens.map((row) => row.map(({ id }) => id));
        const types = tokens.map((row) => row.map(({ type }) => type));
        const batch = toBatch(drawn, 8);
        const { ids: tokenTypes, lengths } = toBatch(types, 1);
        const states = model.hidden(batch);
        const typed = model.hidden({ ...batch, tokenTypes });
        const pooled = model.pooled(batch);
        try {
          const near = (f: Parameters<typeof roundings>[2]) => {
            const moved = roundings(weights, createRng(seed), f);
            return { ...tolerance, absolute: tolerance.absolute + moved };
          };
          for (const [of, given] of [
            [states, []],
            [typed, types],
          ] as const) {
            const oracle = (w: Weights, rounding?: () => number): number[] =>
              drawn.flatMap((row, i) => oracleStates(config, w, row, given[i], rounding).flatMap((x) => [...x]));
            const data = await of.data();
            expect(data.every(Number.isFinite)).toBe(true);
            const stride = batch.ids.shape[1] * config.hiddenSize;
            const real = drawn.flatMap((row, i) => [
              ...data.slice(i * stride, i * stride + row.length * config.hiddenSize),
            ]);
            expect(maxError(real, oracle(weights), near(oracle))).toBeLessThanOrEqual(1);
          }
          const oracle = (w: Weights, rounding?: () => number): number[] =>
            drawn.flatMap((row) => [...oraclePooled(config, w, row, rounding)]);
          expect(maxError(await pooled.data(), oracle(weights), near(oracle))).toBeLessThanOrEqual(1);
        } finally {
          tf.dispose([states, typed, pooled, batch.ids, batch.lengths, tokenTypes, lengths]);
          model.dispose(); // also of a counterexample: shrinking builds the next model of the same names
        }
      },
      { runs: 25 },
    );
  });

  /** Σ cᵢ zᵢ + ½ zᵢ² + eᵢ Vᵢ + ½ Vᵢ² */
  const c = [0.7, -1.3, 0.4];
  const e = [-0.6, 0.9, 1.4];
  test.each(variants)('%s: gradients in every weight against differences', async (_, changes) => {
    const { language, weights } = make(changes);
    const { config } = language.model;
    const rng = createRng(8);
    const policy = headPolicy(language, {
      valueHead: true,
      detachValueFeatures: false,
      weights: (__, shape) => Float32Array.from({ length: shape[0]! * (shape[1] ?? 1) }, () => rng.normal()),
    });
    const all: Weights = { ...weights };
    for (const [name, variable] of policy.head) all[name] = Float64Array.from(await variable.data());
    const oracle = (w: Weights): number => {
      let loss = 0;
      for (const [i, row] of rows.entries()) {
        const h = oraclePooled(config, w, row);
        const read = (name: string): number =>
          h.reduce((sum, x, j) => sum + x * w[`${name}.weight`]![j]!, w[`${name}.bias`]![0]!);
        const [z, v] = [read('score'), read('value')];
        loss += c[i]! * z + z ** 2 / 2 + e[i]! * v + v ** 2 / 2;
      }
      return loss;
    };
    const batch = toBatch(rows);
    const { loss, grads } = valueAndGrads(() => {
      const { logits, values } = policy.score(batch, { values: true });
      const square = (x: tf.Tensor): tf.Tensor => tf.mul(0.5, tf.square(x));
      const terms = [tf.mul(logits, c), square(logits), tf.mul(values!, e), square(values!)];
      return { loss: tf.sum(tf.addN(terms)), metrics: {} };
    }, [...policy.variables]);
    expect(maxError(await loss.data(), [oracle(all)], float32)).toBeLessThan(5);
    expect(Object.keys(grads)).toEqual([...bertShapes(config).keys(), ...policy.head.keys()]);
    for (const [name, grad] of Object.entries(grads)) {
      const expected = finiteDifference((x) => oracle({ ...all, [name]: x }), all[name]!);
      const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      // A softmax does not see what is added to all its scores, so nothing depends on the bias of the keys.
      if (name.endsWith('self.key.bias')) expect(largest, name).toBeLessThan(1e-6);
      else expect(largest, name).toBeGreaterThan(1e-3);
      // Elements of one gradient are sums over the same tokens; what cancels in a small one was as large as a big one.
      const bound = { absolute: 1e-5 + 4e-5 * largest, relative: 2e-5 };
      expect.soft(maxError(await grad.data(), expected, bound), name).toBeLessThanOrEqual(1);
    }
    tf.dispose([loss, grads, batch.ids, batch.lengths] as tf.TensorContainer);
    policy.dispose();
    language.model.dispose();
  });
});

describe('padding', () => {
  test('neither what stands there nor how much of it changes a vector, nor do the other rows', async () => {
    const { language } = make();
    const read = async (batch: ReturnType<typeof toBatch>): Promise<Float32Array> => {
      const pooled = language.model.pooled(batch);
      const data = Float32Array.from(await pooled.data());
      tf.dispose([batch.ids, batch.lengths, pooled]);
      return data;
    };
    const together = await read(toBatch(rows));
    expect(await read(toBatch(rows, 7))).toEqual(together);
    const wider = toBatch(rows);
    const ids = tf.pad(wider.ids, [
      [0, 0],
      [0, 2],
    ]);
    wider.ids.dispose();
    expect(maxError(await read({ ...wider, ids }), together, float32)).toBeLessThanOrEqual(1);
    for (const [i, row] of rows.entries()) {
      expect(maxError(await read(toBatch([row])), together.subarray(6 * i, 6 * (i + 1)), float32)).toBeLessThanOrEqual(
        1,
      );
    }
    language.model.dispose();
  });

  test('of scores that no float32 exponential could hold, gradients stay finite', async () => {
    const { language, weights } = make();
    for (const part of ['query', 'key']) {
      const name = `encoder.layer.0.attention.self.${part}.weight`;
      const large = Float32Array.from(weights[name]!, (x) => 1000 * x);
      tf.tidy(() => language.model.weights.get(name)!.assign(tf.tensor(large, [6, 6])));
    }
    const policy = headPolicy(language, { rng: createRng(1) });
    const batch = toBatch(rows);
    const { loss, grads } = valueAndGrads(
      () => ({ loss: tf.sum(policy.score(batch).logits), metrics: {} }),
      [...policy.variables],
    );
    for (const grad of Object.values(grads)) expect((await grad.data()).every(Number.isFinite)).toBe(true);
    tf.dispose([loss, grads, batch.ids, batch.lengths] as tf.TensorContainer);
    policy.dispose();
    tf.disposeVariables();
  });
});

describe('config.json', () => {
  const valid = JSON.parse(bertConfigJson(smallBert(), 'float32')) as Record<string, unknown>;
  const parse = (changes: object) => parseBertConfig(JSON.stringify({ ...valid, ...changes }), 'config.json');

  test('what is written is read', () => {
    for (const [, changes] of variants) {
      const config = smallBert({ ...changes, specialTokens: { pad_token_id: 0 } });
      expect(parseBertConfig(bertConfigJson(config, 'bfloat16'), 'c')).toEqual(config);
    }
  });

  test('defaults and harmless fields', () => {
    const some = { layer_norm_eps: undefined, max_position_embeddings: undefined, type_vocab_size: undefined };
    expect(parse({ ...some, hidden_act: undefined, hidden_dropout_prob: 0.1, position_embedding_type: null })).toEqual(
      smallBert({ layerNormEpsilon: 1e-12, maxPositions: 512 }),
    );
    expect(parse({ hidden_act: 'gelu_pytorch_tanh' }).geluApproximate).toBe('tanh');
    const bare = JSON.stringify({ ...valid, tsrl_pooling: undefined, tsrl_normalize: undefined });
    expect(parseBertConfig(bare, 'c')).toEqual(smallBert());
    expect(parseBertConfig(bare, 'c', { pooling: 'first' })).toEqual(smallBert({ pooling: 'first' }));
  });

  test.each<[object, string]>([
    [{ model_type: 'roberta' }, 'model_type "roberta" is not supported; only bert'],
    [{ hidden_act: 'relu' }, 'hidden_act "relu" is not supported; only gelu, gelu_new, gelu_pytorch_tanh'],
    [
      { position_embedding_type: 'relative_key' },
      'position_embedding_type "relative_key" is not supported; only absolute',
    ],
    [{ is_decoder: true }, 'is_decoder true is not supported; only false'],
    [{ quantization_config: {} }, 'quantization_config {} is not supported; only null'],
    [{ num_attention_heads: 4 }, 'num_attention_heads must divide hidden_size, 6; got 4'],
    [{ hidden_size: '6' }, 'hidden_size must be a positive integer; got "6"'],
    [{ layer_norm_eps: 0 }, 'layer_norm_eps must be a positive number; got 0'],
    [{ tsrl_pooling: 'max' }, 'tsrl_pooling must be one of mean, first; got "max"'],
    [{ tsrl_normalize: 1 }, 'tsrl_normalize must be true or false; got 1'],
  ])('%j', (changes, message) => {
    expect(() => parse(changes)).toThrow(DataError);
    expect(() => parse(changes)).toThrow(`config.json: ${message}`);
  });
});

const file = (name: string, content: unknown) => ({ file: name, text: JSON.stringify(content) });

/** The files of a small encoder, with some tensors or settings changed. */
async function filesWith(
  change: (tensors: Map<string, TensorToWrite>) => void,
  settings: object = {},
): Promise<ModelFiles> {
  const { language } = make();
  const files = await modelFiles(language);
  language.model.dispose();
  const shard = parseSafetensors(files.get('model.safetensors') as Uint8Array, 'w');
  const tensors = new Map<string, TensorToWrite>([...shard.tensors.keys()].map((name) => [name, shard.read(name)]));
  change(tensors);
  return {
    config: file('config.json', { ...(JSON.parse(files.get('config.json') as string) as object), ...settings }),
    weights: [{ file: 'model.safetensors', bytes: writeSafetensors(tensors) }],
    tokenizer: { file: 'tokenizer.json', text: files.get('tokenizer.json') as string },
  };
}

describe('files', () => {
  const vectors = async (language: LanguageModel): Promise<Float32Array> => {
    const features = await textFeatures(language, ['a bc', '', 'c. a']);
    language.model.dispose();
    return features;
  };
  const rename = (tensors: Map<string, TensorToWrite>, to: (name: string) => string): void => {
    for (const [name, tensor] of [...tensors]) {
      tensors.delete(name);
      tensors.set(to(name), tensor);
    }
  };
  const one: TensorToWrite = { shape: [1], data: Float32Array.of(1) };

  test('of a model with a head, and of TensorFlow, the encoder is read', async () => {
    const expected = await vectors(loadModel(await filesWith(() => {})));
    const files = await filesWith((tensors) => {
      rename(tensors, (name) =>
        `bert.${name}`.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
      );
      for (const extra of ['bert.pooler.dense.weight', 'cls.predictions.bias', 'classifier.bias'])
        tensors.set(extra, one);
      tensors.set('bert.embeddings.position_ids', { shape: [1, 2], data: BigInt64Array.of(0n, 1n) });
    });
    expect(await vectors(loadModel(files))).toEqual(expected);
  });

  test('what does not fit is refused by name', async () => {
    const name = 'encoder.layer.1.output.dense.weight';
    const load = async (change: (tensors: Map<string, TensorToWrite>) => void) => {
      const files = await filesWith(change);
      return () => loadBert(files);
    };
    expect(await load((t) => t.delete(name))).toThrow(
      `model.safetensors: tensor "${name}" is missing, which the model of config.json needs`,
    );
    expect(await load((t) => t.set('lm_head.weight', one))).toThrow(
      'tensor "lm_head.weight" has no place in the model of config.json',
    );
    expect(await load((t) => t.set(name, one))).toThrow(
      `tensor "${name}" must have shape [6,5] by config.json; got [1]`,
    );
    expect(await load((t) => t.set(`bert.${name}`, t.get(name)!))).toThrow(
      /tensor "(bert\.)?encoder.layer.1.output.dense.weight" stands in model.safetensors already/,
    );
  });

  test('which pooling: the option, else config.json, else sentence-transformers, else the mean', async () => {
    const bare = await filesWith(() => {}, { tsrl_pooling: undefined, tsrl_normalize: undefined });
    const modules = (...kinds: string[]) =>
      file(
        'modules.json',
        kinds.map((kind, i) => ({ type: `sentence_transformers.models.${kind}`, path: i === 0 ? '' : `${i}_${kind}` })),
      );
    const poolingOf = (mode: string) =>
      file('1_Pooling/config.json', { [`pooling_mode_${mode}`]: true, include: true });
    const sentence: SentenceModules = {
      modules: modules('Transformer', 'Pooling', 'Normalize'),
      pooling: poolingOf('cls_token'),
    };
    const read = (files: ModelFiles, options: Parameters<typeof loadModel>[1] = {}) => {
      const { model } = loadModel(files, options) as LanguageModel<Bert>;
      model.dispose();
      return [model.config.pooling, model.config.normalize];
    };
    expect(read(bare)).toEqual(['mean', false]);
    expect(read({ ...bare, sentence })).toEqual(['first', true]);
    expect(read({ ...(await filesWith(() => {})), sentence })).toEqual(['mean', false]);
    expect(read({ ...bare, sentence }, { pooling: 'mean', normalize: false })).toEqual(['mean', false]);
    expect(read({ ...bare, sentence: { modules: modules('Transformer') } })).toEqual(['mean', false]);

    expect(poolingPath(sentence.modules)).toBe('1_Pooling/config.json');
    expect(poolingPath(modules('Transformer', 'Normalize'))).toBeUndefined();
    const refuse = (wrong: SentenceModules, message: string): void =>
      expect(() => loadModel({ ...bare, sentence: wrong })).toThrow(message);
    refuse(
      { modules: modules('Transformer', 'Pooling', 'Dense') },
      'modules.json: module "Dense" is not supported; only Transformer, Pooling, Normalize',
    );
    refuse(
      { ...sentence, pooling: poolingOf('max_tokens') },
      '1_Pooling/config.json: pooling by ["pooling_mode_max_tokens"] is not supported; only mean_tokens or cls_token',
    );
    refuse({ modules: file('modules.json', {}) }, 'modules.json: must list modules with a type and a path; got {}');
    refuse({ modules: file('modules.json', [{ type: 'x.Pooling', path: '../up' }]) }, 'must list modules with a type');
    refuse({ modules: { file: 'modules.json', text: '[' } }, 'modules.json: not JSON');
    expect(() => loadModel(bare, { pooling: 'max' as 'mean' })).toThrow(
      'loadBert: pooling must be one of mean, first; got "max"',
    );
  });

  test('the family is that of config.json', async () => {
    const other = await filesWith(() => {}, { model_type: 'gpt2' });
    expect(() => loadModel(other)).toThrow(
      'config.json: model_type "gpt2" is not supported; only llama, mistral, bert',
    );
    const llama = tiny({ texts: ['a'], vocabularySize: 259, hiddenSize: 8, heads: 1 }, createRng(1));
    const files = await modelFiles(llama);
    const all: ModelFiles = {
      config: { file: 'config.json', text: files.get('config.json') as string },
      weights: [{ file: 'model.safetensors', bytes: files.get('model.safetensors') as Uint8Array }],
      tokenizer: { file: 'tokenizer.json', text: files.get('tokenizer.json') as string },
    };
    expect(() => loadModel(all, { pooling: 'first' })).toThrow(
      'loadModel: pooling must be left out for a "llama"; got "first"',
    );
    llama.model.dispose();
    const again = loadModel(all, { scope: 'again/' });
    expect(again.model.family).toBe('llama');
    expect([...again.model.weights.values()][0]!.name).toBe('again/model.embed_tokens.weight');
    again.model.dispose();
  });

  test('a policy over an encoder comes back from its directory, bit for bit', async () => {
    const home = await mkdtemp(join(tmpdir(), 'tsrl-encoder-'));
    try {
      const { language } = make({ pooling: 'first', normalize: true });
      const policy = headPolicy(language, { rng: createRng(2), valueHead: true, trainable: 'head' });
      const batch = toBatch(rows);
      const scores = async (of: typeof policy | Awaited<ReturnType<typeof readPolicyDirectory>>['policy']) => {
        const { logits } = of.score(batch);
        const data = Float32Array.from(await logits.data());
        logits.dispose();
        return data;
      };
      await writePolicyDirectory(join(home, 'policy'), policy, { maxLength: 8, threshold: 0.3 });
      const saved = await readPolicyDirectory(join(home, 'policy'), { scope: 'saved/' });
      expect(await scores(saved.policy)).toEqual(await scores(policy));
      expect(saved.settings).toEqual({ maxLength: 8, threshold: 0.3 });
      expect((saved.policy.language.model as Bert).config).toEqual(language.model.config);
      tf.dispose([batch.ids, batch.lengths]);
      tf.disposeVariables();

      // A directory of sentence-transformers.
      const files = await filesWith(() => {}, { tsrl_pooling: undefined, tsrl_normalize: undefined });
      const at = (name: string): string => join(home, 'sentence', name);
      await mkdir(at('1_Pooling'), { recursive: true });
      await writeFile(at('config.json'), files.config.text);
      await writeFile(at('tokenizer.json'), files.tokenizer.text);
      await writeFile(at('model.safetensors'), files.weights[0]!.bytes);
      await writeFile(at('1_Pooling/config.json'), JSON.stringify({ pooling_mode_cls_token: true }));
      const list = [
        { type: 'sentence_transformers.models.Transformer', path: '' },
        { type: 'sentence_transformers.models.Pooling', path: '1_Pooling' },
      ];
      await writeFile(at('modules.json'), JSON.stringify(list));
      const { model } = (await readModelDirectory(join(home, 'sentence'))) as LanguageModel<Bert>;
      expect([model.config.pooling, model.config.normalize]).toEqual(['first', false]);
      model.dispose();
    } finally {
      await rm(home, { recursive: true });
    }
  });
});

describe('use', () => {
  test('encode keeps [CLS] and [SEP] and cuts the text between them', () => {
    const { language } = make();
    const policy = headPolicy(language);
    expect([...policy.encode('a BC. b', 8)]).toEqual([2, 4, 5, 7, 8, 5, 3]);
    expect([...policy.encode('a BC. b', 7)]).toEqual([2, 4, 5, 7, 8, 5, 3]);
    expect([...policy.encode('a BC. b', 5)]).toEqual([2, 4, 5, 7, 3]);
    expect([...policy.encode('a', 2)]).toEqual([2, 3]);
    expect([...policy.encode('', 8)]).toEqual([2, 3]);
    expect([...policy.encode('zz', 8)]).toEqual([2, 1, 3]);
    expect(() => policy.encode('a', 1)).toThrow(
      'headPolicy: maxLength must be at least 2, the special tokens of tokenizer.json; got 1',
    );
    expect(() => policy.encode('a', 9)).toThrow('headPolicy: maxLength must be an integer from 1 to 8; got 9');
    policy.dispose();
    language.model.dispose();
  });

  test('textFeatures: in the order of the texts, whatever the batches, with progress', async () => {
    const { language, weights } = make({ normalize: true });
    const texts = ['a bc. a b c', 'b', '', 'c c', 'a a a a a a a a a'];
    const expected = texts.flatMap((text) => {
      const ids = headIds(language, text);
      return [...oraclePooled(language.model.config, weights, ids)];
    });
    for (const batchSize of [1, 2, 32]) {
      const seen: number[] = [];
      const features = await textFeatures(language, texts, { batchSize, onProgress: (done) => seen.push(done) });
      expect(maxError(features, expected, { absolute: 1e-5, relative: 2e-5 })).toBeLessThanOrEqual(1);
      expect(seen.at(-1)).toBe(5);
      expect(seen).toHaveLength(Math.ceil(5 / batchSize));
    }
    expect(await textFeatures(language, [])).toHaveLength(0);
    const short = await textFeatures(language, ['a b c'], { maxLength: 3 });
    expect(maxError(short, oraclePooled(language.model.config, weights, [2, 4, 3]), float32)).toBeLessThan(5);
    await expect(textFeatures(language, texts, { batchSize: 0 })).rejects.toThrow(
      'sequenceFeatures: batchSize must be a positive integer; got 0',
    );
    await expect(textFeatures(language, texts, { maxLength: 9 })).rejects.toThrow(
      'textFeatures: maxLength must be an integer from 1 to 8; got 9',
    );
    language.model.dispose();
    const llama = tiny({ texts, vocabularySize: 259, hiddenSize: 8, heads: 1 }, createRng(1));
    const batch = toBatch([llama.tokenizer.encode('b')]);
    const last = llama.model.lastHidden(batch);
    expect(await textFeatures(llama, ['b'])).toEqual(Float32Array.from(await last.data()));
    tf.dispose([batch.ids, batch.lengths, last]);
    llama.model.dispose();
  });

  test('no verbalizer, no wrong shapes, no name twice', () => {
    const { language } = make();
    expect(() => verbalizerPolicy(language, { yes: ['a'], no: ['b'], template: '{text}' })).toThrow(
      'verbalizerPolicy: language must be a causal language model, which has a next token; got "a bert encoder"',
    );
    const { model } = language;
    const { ids, lengths } = toBatch([[2, 3]]);
    const wide: tf.Tensor2D = tf.zeros([1, 9], 'int32');
    const two = tf.tensor1d([1, 2], 'int32');
    expect(() => model.pooled({ ids: wide, lengths })).toThrow('bert: ids must be at most 8 tokens long; got [1,9]');
    expect(() => model.pooled({ ids, lengths: two })).toThrow(
      'bert: lengths must be int32 [1], one for each row of ids; got int32 [2]',
    );
    expect(() => model.hidden({ ids, lengths, tokenTypes: wide })).toThrow(
      'bert: tokenTypes must be int32 [1,2], like ids; got int32 [1,9]',
    );
    expect(() => make()).toThrow('bert: a variable named embeddings.word_embeddings.weight exists already');
    tf.dispose([ids, lengths, wide, two]);
    model.dispose();
  });
});

function headIds(language: LanguageModel, text: string): number[] {
  const policy = headPolicy(language);
  const ids = [...policy.encode(text, 8)];
  policy.dispose();
  return ids;
}
