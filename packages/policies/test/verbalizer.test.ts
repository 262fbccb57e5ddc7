import * as tf from '@tensorflow/tfjs-core';
import { createRng, OptionError, type Rng } from '@tsrl/core';
import { type BinaryScores, valueAndGrads } from '@tsrl/tensor';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  contentFreeTexts,
  contextualBias,
  createLlama,
  type LanguageModel,
  type Llama,
  type LlamaConfig,
  type LoraOptions,
  loadPolicy,
  policyFiles,
  type TextPolicy,
  type Tokenizer,
  tiny,
  type VerbalizerForm,
  type VerbalizerPolicyOptions,
  verbalizerMass,
  verbalizerPolicy,
} from '../src/index.ts';
import { merged, numbers, stir } from './adapters.ts';
import { oracleHidden, oracleLogits, randomWeights, roundings, type Weights } from './oracle.ts';
import { smallConfig, toBatch } from './small.ts';

/** Letters from a on are the ids from 0 on. */
const letters: Tokenizer = {
  encode: (text) => Int32Array.from(text, (letter) => letter.charCodeAt(0) - 97),
  encodePlain: (text) => letters.encode(text),
  decode: (ids) => String.fromCharCode(...Array.from(ids, (id) => id + 97)),
  tokenId: () => undefined,
  size: 7,
  json: {},
  file: 'letters',
};
const small = (config: LlamaConfig, weights: Weights): LanguageModel<Llama> => ({
  model: createLlama(config, (name) => Float32Array.from(weights[name]!)),
  tokenizer: letters,
});
const template = '{text}';
const rows = [[1, 2, 3, 4], [2], [6, 5]];

type Words = readonly (readonly number[])[];
interface OracleForm {
  readonly yes: Words;
  readonly no: Words;
  readonly aggregate?: VerbalizerForm['aggregate'];
  readonly temperature?: number;
  readonly logitBias?: number;
  readonly normalizeLength?: boolean;
}

/** z, log-mass and last state of one prompt in float64: every word is spelled out behind it, token by token. */
function oracle(config: LlamaConfig, weights: Weights, prompt: readonly number[], form: OracleForm) {
  const { aggregate = 'logsumexp', temperature = 1, logitBias = 0, normalizeLength = false } = form;
  const logSumExp = (x: readonly number[]): number => {
    const top = Math.max(...x);
    return top + Math.log(x.reduce((sum, y) => sum + Math.exp(y - top), 0));
  };
  const logProb = (word: readonly number[]): number => {
    const states = oracleHidden(config, weights, [...prompt, ...word]);
    let sum = 0;
    for (const [i, id] of word.entries()) {
      const logits = Array.from(oracleLogits(config, weights, states[prompt.length - 1 + i]!));
      sum += logits[id]! - logSumExp(logits);
    }
    return sum;
  };
  const [ones, zeros] = [form.yes.map(logProb), form.no.map(logProb)];
  const together = (logProbs: readonly number[], words: Words): number => {
    const scores = logProbs.map((x, i) => (normalizeLength ? x / words[i]!.length : x));
    if (aggregate === 'max') return Math.max(...scores);
    if (aggregate === 'mean') return scores.reduce((a, b) => a + b) / scores.length;
    return logSumExp(scores);
  };
  return {
    z: (together(ones, form.yes) - together(zeros, form.no)) / temperature - logitBias,
    logMass: logSumExp([...ones, ...zeros]),
    state: oracleHidden(config, weights, prompt).at(-1)!,
  };
}

const scoresOf = async ({ logits, values, logMass }: BinaryScores): Promise<number[][]> => {
  const all = await Promise.all([logits, values, logMass].map(async (x) => Array.from((await x?.data()) ?? [])));
  tf.dispose([logits, values, logMass].filter((x) => x !== undefined));
  return all;
};

/** What a policy of these words says of the rows. */
async function read(
  language: LanguageModel,
  options: Partial<VerbalizerPolicyOptions> & Pick<VerbalizerPolicyOptions, 'yes' | 'no'>,
  prompts: readonly (readonly number[])[] = rows,
  padding = 0,
): Promise<{ z: number[]; logMass: number[] }> {
  const policy = verbalizerPolicy(language, { template, renormalize: false, ...options });
  const longer = padding > 0 ? [...prompts, Array<number>(padding).fill(3)] : prompts;
  const batch = toBatch(longer, padding > 0 ? 5 : 0);
  const [z, , logMass] = await scoresOf(policy.score(batch, { logMass: true }));
  tf.dispose([batch.ids, batch.lengths]);
  policy.dispose();
  return { z: z!.slice(0, prompts.length), logMass: logMass!.slice(0, prompts.length) };
}

/** Words of which none begins another: the first words of a shuffle that fit. */
function drawWords(rng: Rng, vocabulary: number): { yes: number[][]; no: number[][] } {
  const begins = (a: readonly number[], b: readonly number[]): boolean => a.every((id, i) => id === b[i]);
  const below = (n: number): number => Math.floor(n * rng.uniform());
  const words: number[][] = [];
  while (words.length < 2 || (words.length < 6 && rng.uniform() < 0.7)) {
    const start = words.length > 0 && rng.uniform() < 0.5 ? words[0]!.slice(0, 1 + below(2)) : [];
    const more = Array.from({ length: 1 + below(3) }, () => below(vocabulary));
    const word = [...start, ...more].slice(0, 4);
    if (!words.some((other) => begins(word, other) || begins(other, word))) words.push(word);
  }
  const cut = 1 + below(words.length - 1);
  return { yes: words.slice(0, cut), no: words.slice(cut) };
}

describe('words of any number of tokens', () => {
  test('say what the oracle says, which spells them out one by one', async () => {
    await forAllAsync(
      [
        fc.nat(),
        fc.constantFrom('logsumexp', 'max', 'mean'),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(0.5, 1, 2.5),
        fc.constantFrom(0, -0.7),
      ],
      async (seed, aggregate, normalizeLength, tieWordEmbeddings, temperature, logitBias) => {
        const rng = createRng(seed);
        const config = smallConfig({ tieWordEmbeddings });
        const weights = randomWeights(config, rng.fork('weights'));
        const language = small(config, weights);
        const options = { ...drawWords(rng, 7), aggregate, normalizeLength, temperature, logitBias };
        const got = await read(language, options);
        language.model.dispose();
        const expected = (w: Weights) => {
          const all = rows.map((row) => oracle(config, w, row, options));
          return [...all.map(({ z }) => z), ...all.map(({ logMass }) => logMass)];
        };
        const bound = { absolute: 1e-6 + roundings(weights, rng, expected), relative: 2e-5 };
        expect(maxError([...got.z, ...got.logMass], expected(weights), bound)).toBeLessThanOrEqual(1);
      },
      { runs: 25 },
    );
  });

  /** Large enough for shared beginnings, small enough for every weight to be moved. */
  const config = smallConfig({
    vocabularySize: 6,
    hiddenSize: 4,
    intermediateSize: 3,
    headSize: 2,
    heads: 2,
    layers: 2,
  });
  const c = [0.7, -1.3];
  const e = [-0.6, 0.9];
  const prompts = [[1, 2, 3], [5]];

  test.each<[string, Partial<LlamaConfig>, OracleForm, LoraOptions?]>([
    [
      'shared beginnings',
      {},
      {
        yes: [[0, 1, 2], [0, 1, 3], [4]],
        no: [
          [0, 2],
          [5, 5],
        ],
        temperature: 0.8,
        logitBias: 0.3,
      },
    ],
    ['by length, untied', { tieWordEmbeddings: false }, { yes: [[0, 1, 2], [4]], no: [[5, 5]], normalizeLength: true }],
    ['mean', { keyValueHeads: 1 }, { yes: [[0, 1], [2]], no: [[3, 0]], aggregate: 'mean' }],
    ['single tokens', {}, { yes: [[0], [1]], no: [[3]] }],
    ['adapters, single tokens', {}, { yes: [[0], [1]], no: [[3]] }, { rank: 2 }],
    [
      'adapters of all, shared beginnings, untied',
      { tieWordEmbeddings: false },
      { yes: [[0, 1, 2], [0, 1, 3], [4]], no: [[5, 5]], temperature: 0.8 },
      { rank: 1, alpha: 3, projections: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] },
    ],
  ])('%s: gradients of z, V and log-mass in all that trains against differences', async (_, changes, form, lora) => {
    const changed = { ...config, keyValueHeads: 2, ...changes };
    const base = randomWeights(changed, createRng(5));
    const language = small(changed, base);
    const rng = createRng(8);
    const policy = verbalizerPolicy(language, {
      ...form,
      template,
      renormalize: false,
      valueHead: true,
      detachValueFeatures: false,
      ...(lora && { trainable: 'lora', lora: { ...lora, rng: createRng(9) } }),
      weights: (_name, shape) => Float32Array.from({ length: shape[0]! * (shape[1] ?? 1) }, () => 0.5 * rng.normal()),
    });
    for (const [name, variable] of policy.head) base[name] = Float64Array.from(await variable.data());
    // At 0.5 one rounding of a weight moves some of these gradients by 1e-4, more than the bound.
    if (policy.lora) Object.assign(base, stir(policy.lora, createRng(10), 0.3));
    const oracleLoss = (all: Weights): number => {
      const weights = policy.lora ? merged(all, policy.lora) : all;
      return prompts.reduce((sum, prompt, i) => {
        const { z, logMass, state } = oracle(changed, weights, prompt, form);
        const v = state.reduce((s, h, j) => s + h * weights['value.weight']![j]!, weights['value.bias']![0]!);
        return sum + c[i]! * z + z ** 2 / 2 + e[i]! * v + v ** 2 / 2 + c[i]! * e[i]! * logMass + logMass ** 2 / 4;
      }, 0);
    };
    const batch = toBatch(prompts);
    const { loss, grads } = valueAndGrads(() => {
      const { logits, values, logMass } = policy.score(batch, { values: true, logMass: true });
      const terms = [
        tf.mul(logits, c),
        tf.mul(0.5, tf.square(logits)),
        tf.mul(values!, e),
        tf.mul(0.5, tf.square(values!)),
        tf.mul(
          logMass!,
          c.map((x, i) => x * e[i]!),
        ),
        tf.mul(0.25, tf.square(logMass!)),
      ];
      return { loss: tf.sum<tf.Scalar>(tf.addN(terms)), metrics: {} };
    }, policy.variables);
    expect(maxError(await loss.data(), [oracleLoss(base)], float32)).toBeLessThan(5);
    const trained = lora ? policy.lora!.weights : language.model.weights;
    expect(Object.keys(grads).sort()).toEqual([...trained.keys(), ...policy.head.keys()].sort());
    for (const [name, grad] of Object.entries(grads)) {
      const expected = finiteDifference((x) => oracleLoss({ ...base, [name]: x }), base[name]!);
      const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      // Elements of one gradient are sums over the same tokens; what cancels in a small one was as large as a big one.
      const error = maxError(await grad.data(), expected, { absolute: 1e-6 + 2e-5 * largest, relative: 2e-5 });
      expect.soft(error, name).toBeLessThanOrEqual(1);
      expect(largest).toBeGreaterThan(1e-3);
    }
    tf.dispose([loss, grads, batch.ids, batch.lengths] as tf.TensorContainer);
    policy.dispose();
    language.model.dispose();
  });
});

describe('laws', () => {
  const config = smallConfig();
  const weights = randomWeights(config, createRng(5));
  const close = (got: readonly number[], expected: readonly number[]) =>
    expect(maxError(got, expected, { absolute: 5e-6, relative: 2e-5 })).toBeLessThanOrEqual(1); // sums of 7 log-probs
  const withModel = async (run: (language: LanguageModel<Llama>) => Promise<void>): Promise<void> => {
    const language = small(config, weights);
    await run(language);
    language.model.dispose();
  };

  test('of single tokens, z is that of their logits, bit for bit, whatever else is asked', () =>
    withModel(async (language) => {
      const batch = toBatch(rows);
      const plain = tf.tidy(() => {
        const h = language.model.lastHidden(batch);
        const x = tf.matMul(h, tf.gather(language.model.output, tf.tensor1d([4, 1, 2], 'int32')), false, true);
        return tf.sub(tf.logSumExp(tf.slice(x, [0, 0], [3, 2]), 1), tf.reshape(tf.slice(x, [0, 2], [3, 1]), [3]));
      });
      const z = Array.from(await plain.data());
      expect((await read(language, { yes: [4, 1], no: [2] })).z).toEqual(z);
      expect((await read(language, { yes: [[4], 'b'], no: ['c'], normalizeLength: true })).z).toEqual(z);
      tf.dispose([batch.ids, batch.lengths, plain]);
    }));

  test('a word is all that can follow it: [a] says what [a, 0] to [a, V − 1] say together', () =>
    withModel(async (language) => {
      const all = (word: readonly number[]): number[][] => Array.from({ length: 7 }, (_, id) => [...word, id]);
      const short = await read(language, { yes: [4, [1, 2]], no: [2] });
      const long = await read(language, { yes: [...all([4]), ...all([1, 2])], no: all([2]) });
      close(long.z, short.z);
      close(long.logMass, short.logMass);
      // Of many prompts, some would be above 0 by rounding.
      const prompts = all([]).flatMap(all);
      for (const words of [all([]), prompts]) {
        const everything = await read(language, { yes: words.slice(0, 3), no: words.slice(3) }, prompts);
        expect(Math.max(...everything.logMass)).toBeLessThanOrEqual(0);
        close(everything.logMass, Array<number>(49).fill(0));
      }
    }));

  test('the two classes change places, words change places, and what stands behind a prompt is not seen', () =>
    withModel(async (language) => {
      const [yes, no] = [
        [[4, 1], [3, 3, 3], [0]],
        [[4, 2], [5]],
      ];
      const here = await read(language, { yes, no });
      const there = await read(language, { yes: no, no: yes });
      close(
        there.z,
        here.z.map((z) => -z),
      );
      close(there.logMass, here.logMass);
      const mixed = await read(language, { yes: [...yes.toReversed(), yes[0]!], no: ['f', 'ec'] });
      close(mixed.z, here.z);
      const padded = await read(language, { yes, no }, rows, 9);
      close(padded.z, here.z);
      close(padded.logMass, here.logMass);
    }));

  test('the parts of the mass are what the model says of each class, and verbalizerMass is all of it', () =>
    withModel(async (language) => {
      const form = { yes: [[4, 1], [0]], no: [[4, 2], [5]] };
      const { z, logMass } = await read(language, form);
      const parts = (x: number, sign: 1 | -1): number => logMass[x]! - Math.log1p(Math.exp(-sign * z[x]!));
      for (const [i, row] of rows.entries()) {
        const alone = (words: Words): number =>
          oracle(config, weights, row, { yes: words, no: words }).logMass - Math.LN2;
        close([parts(i, 1), parts(i, -1)], [alone(form.yes), alone(form.no)]);
      }
      const policy = verbalizerPolicy(language, { ...form, template, aggregate: 'max', temperature: 3 });
      const batch = toBatch(rows);
      const mass = verbalizerMass(policy, batch);
      close(Array.from(await mass.data()), logMass.map(Math.exp));
      tf.dispose([mass, batch.ids, batch.lengths]);
      policy.dispose();
    }));

  test('the golden numbers of core.md, 2.6, as a log-mass', async () => {
    // One hidden number: the final norm makes it ±1 (epsilon aside), so the logits are the untied output's column.
    const one = smallConfig({
      hiddenSize: 1,
      vocabularySize: 5,
      layers: 1,
      tieWordEmbeddings: false,
      rmsNormEpsilon: 1e-12,
    });
    const fixed = randomWeights(one, createRng(2));
    for (const name of ['model.norm.weight', 'model.embed_tokens.weight']) fixed[name]!.fill(1);
    for (const name of ['self_attn.o_proj', 'mlp.down_proj']) fixed[`model.layers.0.${name}.weight`]!.fill(0);
    fixed['lm_head.weight']!.set([2, 1, 0.5, 0, 0]);
    const language = small(one, fixed);
    const { z, logMass } = await read(language, { yes: ['a', 'b'], no: ['c'] }, [[1, 2, 3], [4]]);
    expect(maxError(z, [1.8132616875, 1.8132616875], float32)).toBeLessThanOrEqual(1);
    expect(maxError(logMass.map(Math.exp), [0.8546095236, 0.8546095236], float32)).toBeLessThanOrEqual(1);
    language.model.dispose();
  });
});

test('words that begin alike share a row, and logits over the vocabulary are those of single states', async () => {
  const config = smallConfig({ vocabularySize: 53 });
  const language = small(config, randomWeights(config, createRng(5)));
  const shapes: (readonly number[])[] = [];
  const hidden: Llama['hidden'] = (ids) => {
    shapes.push(ids.shape);
    return language.model.hidden(ids);
  };
  const watched = { ...language, model: { ...language.model, hidden } };
  const batch = toBatch(rows);
  const cases: [Words, Words, number[][], number][] = [
    [[[1]], [[2]], [], 0],
    [
      [
        [1, 2, 3],
        [1, 2, 4],
        [1, 5],
      ],
      [[1, 6], [7]],
      [[3, 6]],
      5,
    ],
    [[[1, 2]], [[2, 1, 1]], [[6, 6]], 3],
  ];
  for (const [yes, no, passes, later] of cases) {
    shapes.length = 0;
    const policy = verbalizerPolicy(watched, { yes, no, template });
    const { kernels, result } = await tf.profile(() => policy.score(batch).logits);
    expect(shapes).toEqual(passes);
    const wide = kernels.flatMap(({ outputShapes }) => outputShapes).filter((shape) => shape.at(-1) === 53);
    for (const shape of wide) expect(shape.reduce((a, b) => a * b) / 53).toBeLessThanOrEqual(rows.length * later);
    expect(wide.length > 0).toBe(later > 0);
    (result as tf.Tensor).dispose();
    policy.dispose();
  }
  tf.dispose([batch.ids, batch.lengths]);
  language.model.dispose();
});

describe('adapters', () => {
  const config = smallConfig();
  const weights = randomWeights(config, createRng(5));
  const lora = { rank: 2, rng: createRng(6) };
  const words: Record<string, Pick<VerbalizerPolicyOptions, 'yes' | 'no'>> = {
    'single tokens': { yes: [4, 1], no: [2] },
    'several tokens': { yes: [[4, 1], [0]], no: [[4, 2], [5]] },
  };

  test.each(Object.entries(words))('of %s start as the policy without, bit for bit', async (_, { yes, no }) => {
    const language = small(config, weights);
    const base = await read(language, { yes, no });
    const batch = toBatch(rows);
    const policy = verbalizerPolicy(language, { yes, no, template, renormalize: false, trainable: 'lora', lora });
    const now = async () => {
      const [z, , logMass] = await scoresOf(policy.score(batch, { logMass: true }));
      return { z, logMass };
    };
    expect(await now()).toEqual(base);
    stir(policy.lora!, createRng(7));
    const { z, logMass } = await now();
    for (const [i, row] of rows.entries()) {
      expect(Math.abs(z![i]! - base.z[i]!)).toBeGreaterThan(1e-3);
      expect(Math.abs(logMass![i]! - base.logMass[i]!), `${row}`).toBeGreaterThan(1e-3);
    }
    const mass = await numbers(() => verbalizerMass(policy, batch));
    expect(maxError(mass, logMass!.map(Math.exp), float32)).toBeLessThanOrEqual(1);
    tf.dispose([batch.ids, batch.lengths]);
    policy.dispose();
    language.model.dispose();
  });

  test.each(Object.entries(words))(
    'of %s train alone: no gradient of what is frozen is computed',
    async (_, chosen) => {
      const wide = smallConfig({ vocabularySize: 53, tieWordEmbeddings: false });
      const language = small(wide, randomWeights(wide, createRng(5)));
      const options = { ...chosen, template, renormalize: false };
      // Seven texts, so that nothing but a gradient is of the shape of a matrix.
      const batch = toBatch([...rows, ...rows, [3]]);
      const held = (): Promise<number[][]> =>
        Promise.all([...language.model.weights.values()].map(async (variable) => [...(await variable.data())]));
      const before = await held();
      /** Products of a step that are of the shape of a frozen matrix, either way round: their gradients. */
      const step = async (policy: TextPolicy): Promise<number> => {
        const { kernels } = await tf.profile(() => {
          const { loss, grads } = valueAndGrads(() => {
            const { logits, logMass } = policy.score(batch, { logMass: true });
            return { loss: tf.sum<tf.Scalar>(tf.add(logits, logMass!)), metrics: {} };
          }, policy.variables);
          for (const variable of policy.lora?.weights.values() ?? []) {
            tf.tidy(() => variable.assign(tf.sub(variable, tf.mul(0.05, grads[variable.name] as tf.Tensor))));
          }
          tf.dispose([loss, grads] as tf.TensorContainer);
        });
        const shapes = ['53×6', '32×6', '16×6', '6×16', '5×6', '6×5'];
        const turned = shapes.map((shape) => shape.split('×').reverse().join('×'));
        return kernels
          .filter(({ name }) => /MatMul|UnsortedSegmentSum/.test(name))
          .map(({ outputShapes }) => (outputShapes[0] as number[]).join('×').replace(/^(1×)+/, ''))
          .filter((shape) => shapes.includes(shape) || turned.includes(shape)).length;
      };
      const full = verbalizerPolicy(language, options);
      expect(await step(full)).toBeGreaterThanOrEqual(11);
      full.dispose();

      const policy = verbalizerPolicy(language, {
        ...options,
        valueHead: true,
        trainable: 'lora',
        lora: { ...lora, rank: 3 },
      });
      expect(policy.variables).toEqual([...policy.lora!.weights.values(), ...policy.head.values()]);
      expect(await step({ ...policy, variables: [...policy.lora!.weights.values()] })).toBe(0);
      expect(await held()).toEqual(before);
      expect([...(await [...policy.lora!.weights.values()][1]!.data())].some((b) => b !== 0)).toBe(true);
      tf.dispose([batch.ids, batch.lengths]);
      policy.dispose();
      language.model.dispose();
    },
  );

  test('what cannot be is said, and nothing is left behind', () => {
    const language = small(config, weights);
    const before = tf.memory().numTensors;
    const make = (options: object) => (): unknown =>
      verbalizerPolicy(language, { yes: ['b'], no: ['c'], template, valueHead: true, ...options });
    expect(make({ trainable: 'head' })).toThrow(`verbalizerPolicy: trainable must be 'full' or 'lora'; got "head"`);
    expect(make({ lora })).toThrow(
      `verbalizerPolicy: trainable must be 'lora' when there are options for it; got "full"`,
    );
    expect(make({ trainable: 'lora' })).toThrow('lora: rng must be given, to draw A; got undefined');
    expect(tf.memory().numTensors).toBe(before);
    language.model.dispose();
  });
});

describe('what is refused', () => {
  const config = smallConfig();
  const weights = randomWeights(config, createRng(5));

  test('words that begin others, in either class', () => {
    const language = small(config, weights);
    const refused = (yes: VerbalizerPolicyOptions['yes'], no: VerbalizerPolicyOptions['no'], message: string): void => {
      const make = (): unknown => verbalizerPolicy(language, { yes, no, template });
      expect(make).toThrow(OptionError);
      expect(make).toThrow(`verbalizerPolicy: ${message}`);
    };
    refused(['bc'], ['a', 'b'], 'yes must be without "bc" [1,2], which begins with "b" [1]; got ["bc"]');
    refused(['ab'], ['abc', 'e'], 'no must be without "abc" [0,1,2], which begins with "ab" [0,1]; got ["abc","e"]');
    refused(['a', 'ab'], ['e'], 'yes must be without "ab" [0,1], which begins with "a" [0]; got ["a","ab"]');
    refused(['ab'], ['e', [0, 1]], 'no must be without token 0, 1 of yes; got ["e",[0,1]]');
    refused(['a'], ['z'], 'no must be words in tokens of the model; got "z"');
    const policy = verbalizerPolicy(language, { yes: ['ab', 'ab', [2]], no: ['ba', [0, 2]], template });
    expect([policy.form.yes, policy.form.no]).toEqual([
      [[0, 1], 2],
      [
        [1, 0],
        [0, 2],
      ],
    ]);
    policy.dispose();
    language.model.dispose();
  });

  test('a log-mass of classes that are said to be all there is, and prompts that leave a word no place', async () => {
    const language = small(config, weights);
    const policy = verbalizerPolicy(language, { yes: ['ab'], no: ['dcba'], template });
    const batch = toBatch(rows);
    expect(() => policy.score(batch, { logMass: true })).toThrow(
      new OptionError('verbalizerPolicy', 'renormalize', 'false when logMass is asked for', true),
    );
    const long = 'a'.repeat(40);
    expect(policy.encode(long, 29)).toHaveLength(29); // and three tokens more are 32, what the model can read
    expect(() => policy.encode(long, 30)).toThrow(
      'verbalizerPolicy: maxLength must be an integer from 1 to 29; got 30',
    );
    const whole = toBatch([policy.encode(long, 29)]);
    const [z] = await scoresOf(policy.score(whole));
    expect(z!.every(Number.isFinite)).toBe(true);
    tf.dispose([batch.ids, batch.lengths, whole.ids, whole.lengths]);
    policy.dispose();
    language.model.dispose();
  });
});

describe('over a tokenizer', () => {
  const texts = ['win a free prize now', 'call me when you are home', 'free cash, call now', 'see you at home, ok?'];
  const make = (): LanguageModel<Llama> => tiny({ texts, vocabularySize: 300, hiddenSize: 16 }, createRng(1));
  const words = { yes: ['free', 'yes'], no: ['home', 'n'], template: '{text}\nSpam?' };

  test('a saved policy of such words is the same policy, and one that was saved before there were any is read', async () => {
    const language = make();
    const policy = verbalizerPolicy(language, { ...words, renormalize: false, normalizeLength: true });
    const lengths = policy.form.yes.map((word) => (typeof word === 'number' ? 1 : word.length));
    expect(lengths).toEqual(words.yes.map((word) => language.tokenizer.encodePlain(word).length));
    expect(Math.max(...lengths)).toBeGreaterThan(1);
    const batch = toBatch(texts.map((text) => policy.encode(text, 64)));
    const expected = await scoresOf(policy.score(batch, { logMass: true }));
    const files = await policyFiles(policy, { maxLength: 64, threshold: 0.5 });
    policy.dispose();
    language.model.dispose();

    const text = (file: string) => ({ file, text: files.get(file) as string });
    const bytes = (file: string) => ({ file, bytes: files.get(file) as Uint8Array });
    const load = (description: string): TextPolicy =>
      loadPolicy({
        config: text('config.json'),
        tokenizer: text('tokenizer.json'),
        weights: [bytes('model.safetensors')],
        policy: { file: 'tsrl.json', text: description },
        head: bytes('head.safetensors'),
      }).policy;
    const again = load(files.get('tsrl.json') as string);
    expect(again.form).toEqual(policy.form);
    expect(await scoresOf(again.score(batch, { logMass: true }))).toEqual(expected);
    again.dispose();
    again.language.model.dispose();

    const json = JSON.parse(files.get('tsrl.json') as string) as { policy: Record<string, unknown> };
    const { normalizeLength: _, renormalize: __, trainable: ___, ...former } = json.policy;
    const old = load(JSON.stringify({ ...json, policy: { ...former, yes: [5], no: [6, 7] } }));
    expect(old.form).toMatchObject({
      yes: [5],
      no: [6, 7],
      normalizeLength: false,
      renormalize: true,
      trainable: 'full',
    });
    old.dispose();
    old.language.model.dispose();
    const changed = (changes: object) => () =>
      load(JSON.stringify({ ...json, policy: { ...json.policy, ...changes } }));
    expect(changed({ no: [[5, 'x']] })).toThrow(
      'tsrl.json: no must be a list of words, each a token id or a list of them; got [[5,"x"]]',
    );
    expect(changed({ trainable: 'head' })).toThrow(`tsrl.json: trainable must be 'full' or 'lora'; got "head"`);
    expect(changed({ renormalize: 1 })).toThrow('tsrl.json: renormalize must be true or false; got 1');
    tf.dispose([batch.ids, batch.lengths]);
  });

  test('contextualBias: with it, texts without content are undecided in the mean', async () => {
    const language = make();
    const build = (options: Partial<VerbalizerPolicyOptions>) =>
      verbalizerPolicy(language, { ...words, temperature: 0.25, ...options });
    const logOdds = async (policy: TextPolicy, chosen: readonly string[], maxLength = 64): Promise<number[]> => {
      const batch = toBatch(chosen.map((text) => policy.encode(text, maxLength)));
      const [z] = await scoresOf(policy.score(batch));
      tf.dispose([batch.ids, batch.lengths]);
      return z!;
    };
    const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b) / x.length;
    const policy = build({});
    expect(contentFreeTexts).toEqual(['N/A', '[MASK]', '']);
    const z = await logOdds(policy, contentFreeTexts);
    const bias = await contextualBias(policy);
    expect(Math.abs(bias)).toBeGreaterThan(0.01);
    expect(new Set(z).size).toBe(3);
    const near = (got: number, expected: number) => expect(maxError([got], [expected], float32)).toBeLessThanOrEqual(1);
    near(bias, mean(z));

    // The bias that a policy has already is no part of what its words prefer.
    const calibrated = build({ logitBias: bias, scope: 'c/' });
    near(mean(await logOdds(calibrated, contentFreeTexts)), 0);
    near(await contextualBias(calibrated), bias);

    // For one text it is that of the paper, log p / (1 − p); and prompts are cut as elsewhere.
    const [p] = (await logOdds(policy, [texts[0]!])).map((x) => 1 / (1 + Math.exp(-x)));
    near(await contextualBias(policy, [texts[0]!]), Math.log(p! / (1 - p!)));
    const short = policy.encode('', 64).length + 1;
    near(await contextualBias(policy, [texts[0]!], short), (await logOdds(policy, [texts[0]!], short))[0]!);

    const before = tf.memory().numTensors;
    await expect(contextualBias(policy, [])).rejects.toThrow(
      new OptionError('contextualBias', 'texts', 'at least one text', []),
    );
    await expect(contextualBias(policy, ['a'], 0)).rejects.toThrow(
      'verbalizerPolicy: maxLength must be an integer from',
    );
    expect(tf.memory().numTensors).toBe(before);
    for (const each of [policy, calibrated]) each.dispose();
    language.model.dispose();
  });
});
