import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { type BinaryScores, valueAndGrads } from '@tsrl/tensor';
import { finiteDifference, float32, maxError } from '@tsrl/testing';
import { describe, expect, test } from 'vitest';
import {
  createLlama,
  type HeadPolicyOptions,
  headPolicy,
  type LanguageModel,
  type LlamaConfig,
  type TextPolicy,
  type Tokenizer,
  tiny,
  type VerbalizerPolicyOptions,
  type VerbalizerWord,
  verbalizerLogits,
  verbalizerMass,
  verbalizerPolicy,
} from '../src/index.ts';
import { oracleHidden, oracleLogits, randomWeights, type Weights } from './oracle.ts';
import { smallConfig, toBatch } from './small.ts';

/** Letters a to g are the seven ids of the small model. */
const letters: Tokenizer = {
  encode: (text) => Int32Array.from(text, (letter) => letter.charCodeAt(0) - 97),
  encodePlain: (text) => letters.encode(text),
  decode: (ids) => String.fromCharCode(...Array.from(ids, (id) => id + 97)),
  tokenId: () => undefined,
  size: 7,
  json: {},
  file: 'letters',
};
const small = (config: LlamaConfig, weights: Weights): LanguageModel => ({
  model: createLlama(config, (name) => Float32Array.from(weights[name]!)),
  tokenizer: letters,
});
const rows = [[1, 2, 3, 4], [2], [6, 5]];
const texts = ['win a free prize now', 'call me when you are home', 'free cash, call now', 'see you at home, ok?'];

/** The last hidden state of every row, in float64. */
const oracleFeatures = (config: LlamaConfig, weights: Weights): Float64Array[] =>
  rows.map((row) => oracleHidden(config, weights, row).at(-1)!);

/** z and V of every row, in float64, with V reading features of its own when it is detached. */
function oracleScores(
  { form, language }: TextPolicy,
  weights: Weights,
  frozen?: readonly Float64Array[],
): { z: number[]; v: number[] } {
  const config = language.model.config as LlamaConfig;
  const dot = (name: string, x: Float64Array): number =>
    x.reduce((sum, value, i) => sum + value * weights[`${name}.weight`]![i]!, weights[`${name}.bias`]![0]!);
  const logOdds = (h: Float64Array): number => {
    if (form.form === 'head') return dot('score', h);
    const x = oracleLogits(config, weights, h);
    const score = (words: readonly VerbalizerWord[]): number => {
      const own = words.map((word) => x[word as number]!); // of several tokens: verbalizer.test.ts
      if (form.aggregate === 'max') return Math.max(...own);
      if (form.aggregate === 'mean') return own.reduce((a, b) => a + b) / own.length;
      return Math.log(own.reduce((sum, logit) => sum + Math.exp(logit), 0));
    };
    return (score(form.yes) - score(form.no)) / form.temperature - form.logitBias;
  };
  const features = oracleFeatures(config, weights);
  return { z: features.map(logOdds), v: (frozen ?? features).map((h) => dot('value', h)) };
}

/** Σ cᵢ zᵢ + ½ zᵢ² + eᵢ Vᵢ + ½ Vᵢ²: every row counts differently, and z and V are far from symmetric. */
const c = [0.7, -1.3, 0.4];
const e = [-0.6, 0.9, 1.4];
const oracleLoss = ({ z, v }: { z: number[]; v: number[] }): number =>
  z.reduce((sum, zi, i) => sum + c[i]! * zi + zi ** 2 / 2 + e[i]! * v[i]! + v[i]! ** 2 / 2, 0);
const loss = ({ logits, values }: BinaryScores): tf.Scalar =>
  tf.sum(
    tf.addN([tf.mul(logits, c), tf.mul(0.5, tf.square(logits)), tf.mul(values!, e), tf.mul(0.5, tf.square(values!))]),
  );

/** The weights of a policy as it stands, head included, in float64. */
async function weightsOf(policy: TextPolicy): Promise<Weights> {
  const all: Weights = {};
  for (const [name, variable] of [...policy.language.model.weights, ...policy.head]) {
    all[name] = Float64Array.from(await variable.data());
  }
  return all;
}

describe('gradients of the whole model against differences of the float64 oracle', () => {
  const init = () => ({ weights: headWeights(), valueHead: true });
  /** A head of order one: 0.02 would leave the backbone's gradients below what float32 resolves. */
  const headWeights = () => {
    const rng = createRng(8);
    return (_: string, shape: readonly number[]) =>
      Float32Array.from({ length: shape[0]! * (shape[1] ?? 1) }, () => 0.5 * rng.normal());
  };
  const head = (options: HeadPolicyOptions) => (language: LanguageModel) =>
    headPolicy(language, { ...init(), ...options });
  const verbalizer = (options: Partial<VerbalizerPolicyOptions>) => (language: LanguageModel) =>
    verbalizerPolicy(language, { ...init(), yes: [1, 4, 5], no: [0, 2], template: '{text}', ...options });

  test.each<[string, Partial<LlamaConfig>, (language: LanguageModel) => TextPolicy]>([
    ['head', {}, head({})],
    ['head, value head not detached', {}, head({ detachValueFeatures: false })],
    ['head alone', {}, head({ trainable: 'head' })],
    ['head, untied', { tieWordEmbeddings: false }, head({})],
    ['one layer', { layers: 1 }, head({ detachValueFeatures: false })],
    ['verbalizer', {}, verbalizer({ temperature: 0.8, logitBias: 0.3 })],
    ['verbalizer, untied', { tieWordEmbeddings: false }, verbalizer({ detachValueFeatures: false })],
    ['verbalizer, max', {}, verbalizer({ aggregate: 'max' })],
    ['verbalizer, mean', {}, verbalizer({ aggregate: 'mean' })],
  ])('%s', async (_, changes, make) => {
    const config = smallConfig(changes);
    const policy = make(small(config, randomWeights(config, createRng(5))));
    const base = await weightsOf(policy);
    const batch = toBatch(rows);
    const { loss: value, grads } = valueAndGrads(
      () => ({ loss: loss(policy.score(batch, { values: true })), metrics: {} }),
      [...policy.variables],
    );
    const frozen = policy.form.detachValueFeatures ? oracleFeatures(config, base) : undefined;
    expect(maxError(await value.data(), [oracleLoss(oracleScores(policy, base))], float32)).toBeLessThan(5);

    expect(Object.keys(grads).sort()).toEqual(policy.variables.map(({ name }) => name).sort());
    for (const [name, grad] of Object.entries(grads)) {
      const expected = finiteDifference((x) => {
        const moved = { ...base, [name]: x };
        return oracleLoss(oracleScores(policy, moved, frozen));
      }, base[name]!);
      const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      // Elements of one gradient are sums over the same tokens; what cancels in a small one was as large as a big one.
      const error = maxError(await grad.data(), expected, { absolute: 1e-6 + 2e-5 * largest, relative: 2e-5 });
      expect.soft(error, name).toBeLessThanOrEqual(1);
      expect(largest).toBeGreaterThan(1e-3);
    }
    tf.dispose([value, grads, batch.ids, batch.lengths] as tf.TensorContainer);
    policy.dispose();
    policy.language.model.dispose();
  });
});

describe('what trains', () => {
  const variables = (policy: TextPolicy): string[] => {
    const names = policy.variables.map(({ name }) => name);
    policy.dispose();
    return names;
  };

  test('the variables of each form', () => {
    const config = smallConfig({ tieWordEmbeddings: false });
    const language = small(config, randomWeights(config, createRng(5)));
    const all = [...language.model.weights.keys()];
    const words = { yes: ['a'], no: ['b'], template: '{text}' };
    expect(variables(headPolicy(language))).toEqual([
      ...all.filter((name) => name !== 'lm_head.weight'), // no part of a classification
      'score.weight',
      'score.bias',
    ]);
    const value = ['value.weight', 'value.bias'];
    expect(variables(headPolicy(language, { trainable: 'head', valueHead: true }))).toEqual([
      'score.weight',
      'score.bias',
      ...value,
    ]);
    expect(variables(verbalizerPolicy(language, words))).toEqual(all);
    expect(variables(verbalizerPolicy(language, { ...words, valueHead: true, scope: 'x/' }))).toEqual([
      ...all,
      ...value.map((name) => `x/${name}`),
    ]);
    language.model.dispose();
  });

  test("trainable 'head' keeps nothing of the language model on the tape", () => {
    const config = smallConfig();
    const language = small(config, randomWeights(config, createRng(5)));
    const batch = toBatch(rows);
    const recorded = (trainable: 'full' | 'head'): number => {
      const policy = headPolicy(language, { trainable, rng: createRng(1) });
      let nodes = 0;
      const { loss: value, grads } = valueAndGrads(() => {
        const { logits } = policy.score(batch);
        nodes = tf.engine().state.activeTape?.length ?? 0;
        return { loss: tf.sum(logits), metrics: {} };
      }, [...policy.variables]);
      tf.dispose([value, grads] as tf.TensorContainer);
      policy.dispose();
      return nodes;
    };
    expect(recorded('full')).toBeGreaterThan(50);
    expect(recorded('head')).toBeLessThan(12);
    tf.dispose([batch.ids, batch.lengths]);
    language.model.dispose();
  });

  test('a fresh head is zero or small, with the bias that was asked for', async () => {
    const config = smallConfig({ hiddenSize: 400, heads: 1, keyValueHeads: 1 });
    const language = small(config, randomWeights(config, createRng(5)));
    const data = async (options: HeadPolicyOptions) => {
      const policy = headPolicy(language, options);
      const read = await weightsOf(policy);
      policy.dispose();
      return read;
    };
    expect((await data({ bias: -1.5 }))['score.weight']!.every((x) => x === 0)).toBe(true);
    expect([...(await data({ bias: -1.5 }))['score.bias']!]).toEqual([-1.5]);
    const drawn = await data({ rng: createRng(4), valueHead: true });
    const std = Math.sqrt(drawn['score.weight']!.reduce((sum, x) => sum + x * x, 0) / 400);
    expect(std).toBeGreaterThan(0.017);
    expect(std).toBeLessThan(0.023);
    expect([...drawn['value.bias']!]).toEqual([0]);
    expect(drawn['value.weight']).not.toEqual(drawn['score.weight']);
    expect(await data({ rng: createRng(4), valueHead: true })).toEqual(drawn);
    language.model.dispose();
  });
});

describe('the verbalizer', () => {
  test('the golden numbers of core.md, 2.6', async () => {
    const logits = (aggregate: 'logsumexp' | 'max' | 'mean', temperature = 1, logitBias = 0) =>
      tf.tidy(() => verbalizerLogits(tf.tensor2d([[2, 1, 0.5]]), 2, { aggregate, temperature, logitBias }));
    const z = logits('logsumexp');
    const p = tf.sigmoid(z);
    expect(maxError(await z.data(), [1.8132616875], float32)).toBeLessThanOrEqual(1);
    expect(maxError(await p.data(), [0.8597556168], float32)).toBeLessThanOrEqual(1);
    const others = [logits('max'), logits('mean'), logits('logsumexp', 0.5, 1)];
    const expected = [1.5, 1, 2 * 1.8132616875 - 1];
    for (const [i, other] of others.entries()) {
      expect(maxError(await other.data(), [expected[i]!], float32)).toBeLessThanOrEqual(1);
    }
    tf.dispose([z, p, ...others]);
  });

  test('mass: the golden number through a whole policy, and the oracle', async () => {
    // One hidden number: the final norm makes it ±1 (epsilon aside), so the logits are the untied output's column.
    const config = smallConfig({ hiddenSize: 1, vocabularySize: 5, tieWordEmbeddings: false, rmsNormEpsilon: 1e-12 });
    const weights = randomWeights(config, createRng(2));
    weights['model.norm.weight']!.fill(1);
    weights['model.embed_tokens.weight']!.fill(1);
    for (const name of ['o_proj', 'down_proj']) {
      for (let layer = 0; layer < 2; layer++) {
        weights[`model.layers.${layer}.${name === 'o_proj' ? 'self_attn' : 'mlp'}.${name}.weight`]!.fill(0);
      }
    }
    weights['lm_head.weight']!.set([2, 1, 0.5, 0, 0]);
    const language = small(config, weights);
    const policy = verbalizerPolicy(language, { yes: ['a', 'b'], no: ['c'], template: '{text}' });
    const batch = toBatch([[1, 2, 3], [4]]);
    const mass = verbalizerMass(policy, batch);
    const { logits } = policy.score(batch);
    expect(maxError(await mass.data(), [0.8546095236, 0.8546095236], float32)).toBeLessThanOrEqual(1);
    expect(maxError(await logits.data(), [1.8132616875, 1.8132616875], float32)).toBeLessThanOrEqual(1);
    tf.dispose([mass, logits, batch.ids, batch.lengths]);
    policy.dispose();
    language.model.dispose();
  });

  test('encode fills the template, and cuts the text, never the question', () => {
    const language = tiny({ texts, vocabularySize: 300, maxPositions: 64 }, createRng(1));
    const template = 'Message: {text}\nSpam (yes/no)?';
    const policy = verbalizerPolicy(language, { yes: ['y'], no: ['n'], template });
    const decoded = (text: string, maxLength: number): string => {
      const ids = policy.encode(text, maxLength);
      expect(ids.length).toBeLessThanOrEqual(maxLength);
      expect(ids[0]).toBe(1);
      return language.tokenizer.decode(ids);
    };
    const whole = language.tokenizer.encode(template.replace('{text}', texts[0]!)).length;
    expect(decoded(texts[0]!, 64)).toBe(template.replace('{text}', texts[0]!));
    expect(decoded(texts[0]!, whole)).toBe(template.replace('{text}', texts[0]!));
    const cut = decoded(texts[0]!, whole - 2);
    expect(cut).toMatch(/^Message: win a free p.*\nSpam \(yes\/no\)\?$/);
    expect(cut.length).toBeLessThan(decoded(texts[0]!, 64).length);
    // A letter of several code units or bytes is cut between letters only.
    const shortest = policy.encode('', 64).length;
    for (let maxLength = shortest; maxLength <= 64; maxLength++) {
      expect(decoded('😀é'.repeat(20), maxLength)).toMatch(/^Message: (😀é)*😀?\nSpam \(yes\/no\)\?$/u);
    }
    // A text that looks like a replacement pattern is only a text.
    expect(decoded('$& {text}', 64)).toBe('Message: $& {text}\nSpam (yes/no)?');
    expect(policy.encode('😀 anything', shortest)).toEqual(policy.encode('', 64));
    expect(() => policy.encode('a', shortest - 1)).toThrow(
      `verbalizerPolicy: maxLength must be at least ${shortest}, what the template takes; got ${shortest - 1}`,
    );
    policy.dispose();
    language.model.dispose();
  });

  test('says which word is none, and what else it refuses', () => {
    const language = tiny({ texts, vocabularySize: 300 }, createRng(1));
    const words = { yes: ['y'], no: ['n'], template: '{text}' };
    const make = (options: Partial<VerbalizerPolicyOptions>) => () =>
      verbalizerPolicy(language, { ...words, ...options });
    expect(make({ no: [300] })).toThrow('verbalizerPolicy: no must be words in tokens of the model; got 300');
    expect(make({ no: [-1] })).toThrow('no must be words in tokens of the model; got -1');
    expect(make({ no: [[3, 300]] })).toThrow('no must be words in tokens of the model; got [3,300]');
    expect(make({ yes: [[]] })).toThrow('yes must be words in tokens of the model; got []');
    expect(make({ yes: [''] })).toThrow('yes must be words in tokens of the model; got ""');
    expect(make({ yes: [] })).toThrow('verbalizerPolicy: yes must be at least one word; got []');
    expect(make({ no: ['y'] })).toThrow(/no must be without token \d+ of yes; got \["y"\]/);
    expect(make({ template: 'Spam?' })).toThrow('template must be a text with {text} in it, once; got "Spam?"');
    expect(make({ template: '{text}{text}' })).toThrow('once');
    expect(make({ temperature: 0 })).toThrow('verbalizerPolicy: temperature must be positive; got 0');
    expect(make({ logitBias: Number.NaN })).toThrow('verbalizerPolicy: logitBias must be finite; got NaN');
    expect(make({ aggregate: 'sum' as 'max' })).toThrow('aggregate must be one of logsumexp, max, mean; got "sum"');
    const { tokenizer, model } = language;
    const closing = { ...tokenizer, encode: (text: string) => Int32Array.of(...tokenizer.encode(text), 2) };
    expect(() => verbalizerPolicy({ model, tokenizer: closing }, words)).toThrow(
      'tokenizer.json: puts a token behind every text, where verbalizerPolicy reads the answer',
    );
    // Spelled as in the vocabulary (Ġ is the space), as a text, as an id: one token; twice the same counts once.
    const policy = verbalizerPolicy(language, { ...words, yes: ['y', 'Ġ', ' ', tokenizer.tokenId('y')!] });
    expect(policy.form.yes).toEqual([tokenizer.tokenId('y'), tokenizer.tokenId('Ġ')]);
    policy.dispose();
    model.dispose();
  });
});

describe('the head', () => {
  test('encode keeps the first tokens; an empty text needs a tokenizer that adds one', () => {
    const language = tiny({ texts, maxPositions: 16 }, createRng(1));
    const policy = headPolicy(language);
    const whole = language.tokenizer.encode(texts[0]!);
    expect(policy.encode(texts[0]!, 16)).toEqual(whole.subarray(0, 16));
    expect(policy.encode(texts[0]!, 3)).toEqual(whole.subarray(0, 3));
    expect([...policy.encode('', 16)]).toEqual([1]);
    for (const wrong of [0, 17, 1.5]) {
      expect(() => policy.encode('a', wrong)).toThrow(
        `headPolicy: maxLength must be an integer from 1 to 16; got ${wrong}`,
      );
    }
    policy.dispose();
    const { tokenizer, model } = language;
    const bare = headPolicy({ model, tokenizer: { ...tokenizer, encode: tokenizer.encodePlain } });
    expect(() => bare.encode('', 16)).toThrow('tokenizer.json: an empty text gives no token');
    bare.dispose();
    model.dispose();
  });

  test('options and values are checked', () => {
    const config = smallConfig();
    const language = small(config, randomWeights(config, createRng(5)));
    const before = tf.memory().numTensors;
    expect(() => headPolicy(language, { trainable: 'some' as 'head' })).toThrow(
      `headPolicy: trainable must be 'full', 'head' or 'lora'; got "some"`,
    );
    expect(() => headPolicy(language, { bias: Number.NaN })).toThrow('headPolicy: bias must be finite; got NaN');
    const policy = headPolicy(language);
    const batch = toBatch(rows);
    expect(() => policy.score(batch, { values: true })).toThrow(
      'headPolicy: valueHead must be true when values are asked for; got false',
    );
    expect(() => headPolicy(language)).toThrow('a variable named score.weight exists already');
    tf.dispose([batch.ids, batch.lengths]);
    policy.dispose();
    expect(tf.memory().numTensors).toBe(before);
    language.model.dispose();
  });

  test('a few steps of gradient descent tell two kinds of text apart, with the head alone too', async () => {
    for (const trainable of ['full', 'head'] as const) {
      const language = tiny({ texts, hiddenSize: 16, layers: 1, vocabularySize: 300 }, createRng(1));
      const policy = headPolicy(language, { trainable, rng: createRng(2) });
      const batch = toBatch(texts.map((text) => policy.encode(text, 64)));
      const labels = tf.tensor1d([1, 0, 1, 0]);
      const optimize = (): void => {
        const { loss: value, grads } = valueAndGrads(() => {
          const { logits } = policy.score(batch);
          return { loss: tf.mean(tf.softplus(tf.mul(logits, tf.sub(1, tf.mul(2, labels))))), metrics: {} };
        }, [...policy.variables]);
        for (const variable of policy.variables) {
          const step = tf.tidy(() => tf.sub(variable, tf.mul(0.3, grads[variable.name]!)));
          variable.assign(step);
          step.dispose();
        }
        tf.dispose([value, grads] as tf.TensorContainer);
      };
      for (let step = 0; step < 40; step++) optimize();
      const { logits } = policy.score(batch);
      expect([...(await logits.data())].map((z) => z > 0)).toEqual([true, false, true, false]);
      tf.dispose([logits, labels, batch.ids, batch.lengths]);
      policy.dispose();
      language.model.dispose();
    }
  });
});
