import * as tf from '@tensorflow/tfjs-core';
import { createRng, type Rng } from '@tsrl/core';
import { type BinaryScores, valueAndGrads } from '@tsrl/tensor';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bert,
  type BertConfig,
  bertShapes,
  createBert,
  createLlama,
  createLora,
  headPolicy,
  type LanguageModel,
  type Llama,
  type Lora,
  type LoraOptions,
  type TextPolicy,
  type Tokenizer,
} from '../src/index.ts';
import { merged, normals, numbers, stir } from './adapters.ts';
import { oraclePooled } from './bert-oracle.ts';
import { oracleHidden, randomWeights, roundings, tolerance, type Weights } from './oracle.ts';
import { smallConfig, toBatch } from './small.ts';

const unused: Tokenizer = {
  encode: () => new Int32Array(),
  encodePlain: () => new Int32Array(),
  decode: () => '',
  tokenId: () => undefined,
  size: 7,
  json: {},
  file: 'unused',
};
const bertConfig: BertConfig = {
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
};
const rows = [[2, 4, 6, 5, 1], [2, 6, 3], [2]];
const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
/** A family: its projections, a model of it from weights, and the vector that a head reads, in float64. */
interface Kind {
  readonly family: 'llama' | 'bert';
  readonly projections: readonly string[];
  readonly usual: readonly string[];
  draw(rng: Rng): Weights;
  model(weights: Weights): Llama | Bert;
  features(weights: Weights, row: readonly number[]): Float64Array;
}
const kinds: Record<'llama' | 'bert', Kind> = {
  llama: {
    family: 'llama',
    projections: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
    usual: ['q_proj', 'v_proj'],
    draw: (rng) => randomWeights(smallConfig(), rng),
    model: (weights) => createLlama(smallConfig(), (name) => Float32Array.from(weights[name]!)),
    features: (weights, row) => oracleHidden(smallConfig(), weights, row).at(-1)!,
  },
  bert: {
    family: 'bert',
    projections: ['query', 'key', 'value', 'attention.output.dense', 'intermediate.dense', 'output.dense'],
    usual: ['query', 'value'],
    draw: (rng) =>
      Object.fromEntries(
        [...bertShapes(bertConfig)].map(([name, shape]) => {
          const center = name.endsWith('LayerNorm.weight') ? 1 : 0;
          return [name, normals(size(shape), 0.5, rng).map((x) => Math.fround(center + x))];
        }),
      ),
    model: (weights) => createBert(bertConfig, (name) => Float32Array.from(weights[name]!)),
    features: (weights, row) => oraclePooled(bertConfig, weights, row),
  },
};
const both = Object.values(kinds);

const featuresOf = (model: Llama | Bert, batch: ReturnType<typeof toBatch>, lora?: Lora): tf.Tensor2D =>
  model.family === 'llama' ? model.lastHidden(batch, lora) : model.pooled(batch, lora);
const statesOf = (model: Llama | Bert, batch: ReturnType<typeof toBatch>, lora?: Lora): tf.Tensor3D =>
  model.family === 'llama' ? model.hidden(batch.ids, lora) : model.hidden(batch, lora);
describe.each(both)('$family: adapters', (kind) => {
  test('start as the model itself, exactly, whatever they adapt', async () => {
    const model = kind.model(kind.draw(createRng(1)));
    const batch = toBatch(rows);
    const base = [await numbers(() => featuresOf(model, batch)), await numbers(() => statesOf(model, batch))];
    for (const projections of [kind.projections, kind.usual, [kind.projections[1]!]]) {
      const lora = createLora(model, { projections, rng: createRng(2) });
      expect(lora.weights.size).toBe(2 * 2 * projections.length);
      expect(await numbers(() => featuresOf(model, batch, lora))).toEqual(base[0]);
      expect(await numbers(() => statesOf(model, batch, lora))).toEqual(base[1]);
      stir(lora, createRng(3));
      expect(await numbers(() => featuresOf(model, batch, lora))).not.toEqual(base[0]);
      lora.dispose();
    }
    tf.dispose([batch.ids, batch.lengths]);
    model.dispose();
  });

  test('A is uniform within ±1/√in, of its own stream; B is 0; names, shapes and defaults', async () => {
    const model = kind.model(kind.draw(createRng(1)));
    const one = createLora(model, { rng: createRng(4) });
    expect([one.rank, one.alpha]).toEqual([8, 16]);
    const layer = kind.family === 'llama' ? 'model.layers.0.self_attn.' : 'encoder.layer.0.attention.self.';
    const out = kind.family === 'llama' ? [16, 8] : [6, 6];
    expect([...one.weights].slice(0, 4).map(([name, { shape }]) => [name, shape])).toEqual(
      kind.usual.flatMap((name, i) => [
        [`${layer}${name}.lora_A.weight`, [8, 6]],
        [`${layer}${name}.lora_B.weight`, [out[i], 8]],
      ]),
    );
    const more = createLora(model, { projections: kind.projections, rng: createRng(4), scope: 'more/' });
    expect([...more.weights.values()].every(({ name }) => name.startsWith('more/'))).toBe(true);
    for (const [name, variable] of one.weights) {
      const data = [...(await variable.data())];
      expect(data).toEqual([...(await more.weights.get(name)!.data())]);
      if (name.endsWith('lora_B.weight')) {
        expect(data.every((x) => x === 0)).toBe(true);
        continue;
      }
      expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(6));
      // The standard deviation of that uniform is 1/√18; of 48 draws it is off by 7 % (one sigma).
      const std = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
      expect(std * Math.sqrt(18)).toBeGreaterThan(0.7);
      expect(std * Math.sqrt(18)).toBeLessThan(1.3);
    }
    one.dispose();
    more.dispose();
    model.dispose();
  });

  test('the adapted model is the float64 oracle with W + (alpha / rank) B A', async () => {
    await forAllAsync(
      [
        fc.nat(),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(0.5, 1, 4),
        fc.subarray([...kind.projections], { minLength: 1 }),
      ],
      async (seed, rank, alpha, projections) => {
        const rng = createRng(seed);
        const weights = kind.draw(rng.fork('weights'));
        const model = kind.model(weights);
        const lora = createLora(model, { rank, alpha, projections, rng });
        const batch = toBatch(rows);
        try {
          const all = { ...weights, ...stir(lora, rng, 0.3) };
          const oracle = (w: Weights): number[] => rows.flatMap((row) => [...kind.features(merged(w, lora), row)]);
          const near = { ...tolerance, absolute: tolerance.absolute + roundings(all, rng, oracle) };
          const got = await numbers(() => featuresOf(model, batch, lora));
          expect(maxError(got, oracle(all), near)).toBeLessThanOrEqual(1);
        } finally {
          tf.dispose([batch.ids, batch.lengths]);
          lora.dispose();
          model.dispose();
        }
      },
      { runs: 20 },
    );
  });
});

/** Σ cᵢ zᵢ + ½ zᵢ² + eᵢ Vᵢ + ½ Vᵢ². */
const c = [0.7, -1.3, 0.4];
const e = [-0.6, 0.9, 1.4];
const loss = ({ logits, values }: BinaryScores): tf.Scalar =>
  tf.sum(
    tf.addN([tf.mul(logits, c), tf.mul(0.5, tf.square(logits)), tf.mul(values!, e), tf.mul(0.5, tf.square(values!))]),
  );
const policyOf = (kind: Kind, weights: Weights, lora: LoraOptions): TextPolicy => {
  const rng = createRng(8);
  return headPolicy(
    { model: kind.model(weights), tokenizer: unused },
    {
      trainable: 'lora',
      lora,
      valueHead: true,
      detachValueFeatures: false,
      rng: createRng(9),
      weights: (_, shape) => Float32Array.from({ length: size(shape) }, () => 0.5 * rng.normal()),
    },
  );
};
const release = (policy: TextPolicy): void => {
  policy.dispose();
  policy.language.model.dispose();
};

describe('gradients of A, B and the head against differences of the float64 oracle', () => {
  test.each<[string, Kind, LoraOptions]>([
    ['llama, as it is by default', kinds.llama, { rank: 2 }],
    ['llama, everything', kinds.llama, { rank: 2, alpha: 3, projections: kinds.llama.projections }],
    ['llama, key alone', kinds.llama, { rank: 1, projections: ['k_proj'] }],
    ['bert, as it is by default', kinds.bert, { rank: 2 }],
    ['bert, everything', kinds.bert, { rank: 2, alpha: 3, projections: kinds.bert.projections }],
    ['bert, intermediate alone', kinds.bert, { rank: 3, projections: ['intermediate.dense'] }],
  ])('%s', async (_, kind, options) => {
    const weights = kind.draw(createRng(5));
    const policy = policyOf(kind, weights, options);
    const lora = policy.lora!;
    const base: Weights = { ...weights, ...stir(lora, createRng(6)) };
    for (const [name, variable] of policy.head) base[name] = Float64Array.from(await variable.data());
    const oracle = (w: Weights): number => {
      const full = merged(w, lora);
      return rows.reduce((sum, row, i) => {
        const h = kind.features(full, row);
        const dot = (name: string): number =>
          h.reduce((total, x, j) => total + x * w[`${name}.weight`]![j]!, w[`${name}.bias`]![0]!);
        const [z, v] = [dot('score'), dot('value')];
        return sum + c[i]! * z + z ** 2 / 2 + e[i]! * v + v ** 2 / 2;
      }, 0);
    };
    const batch = toBatch(rows);
    const { loss: value, grads } = valueAndGrads(
      () => ({ loss: loss(policy.score(batch, { values: true })), metrics: {} }),
      [...policy.variables],
    );
    expect(maxError(await value.data(), [oracle(base)], float32)).toBeLessThan(5);
    expect(Object.keys(grads).sort()).toEqual([...lora.weights.keys(), ...policy.head.keys()].sort());
    for (const [name, grad] of Object.entries(grads)) {
      const expected = finiteDifference((x) => oracle({ ...base, [name]: x }), base[name]!);
      const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      // Elements of one gradient are sums over the same tokens; what cancels in a small one was as large as a big one.
      const error = maxError(await grad.data(), expected, { absolute: 1e-6 + 2e-5 * largest, relative: 2e-5 });
      expect.soft(error, name).toBeLessThanOrEqual(1);
      expect(largest).toBeGreaterThan(1e-4);
    }
    tf.dispose([value, grads, batch.ids, batch.lengths] as tf.TensorContainer);
    release(policy);
  });
});

describe.each(both)('$family: what is frozen', (kind) => {
  /** The products of a training step, as the shapes of their factors and their results. */
  async function products(lora: LoraOptions | undefined): Promise<{ inputs: string[]; output: string }[]> {
    const weights = kind.draw(createRng(5));
    const policy = lora
      ? policyOf(kind, weights, lora)
      : headPolicy({ model: kind.model(weights), tokenizer: unused }, { rng: createRng(9) });
    const batch = toBatch(rows);
    const variables = policy.variables.filter(({ name }) => !name.startsWith('value'));
    const { kernels } = await tf.profile(() => {
      const { loss: unread, grads } = valueAndGrads(
        () => ({ loss: tf.sum(policy.score(batch).logits) as tf.Scalar, metrics: {} }),
        variables,
      );
      tf.dispose([unread, grads] as tf.TensorContainer);
    });
    tf.dispose([batch.ids, batch.lengths]);
    release(policy);
    const shape = (of: readonly number[]): string => of.join('×').replace(/^(1×)+/, '');
    return kernels
      .filter(({ name }) => /MatMul/.test(name))
      .map(({ inputShapes, outputShapes }) => ({
        inputs: inputShapes.map((of) => shape(of ?? [])),
        output: shape(outputShapes[0] as number[]),
      }));
  }
  /** The gradient of a weight [out, in], of one or of several side by side: no other product is of this shape. */
  const ofWeights = kind.family === 'llama' ? ['32×6', '16×6', '6×16', '5×6', '6×5'] : ['18×6', '6×6', '5×6', '6×5'];

  test('no product is the gradient of a frozen weight, nor of what lies before every adapter', async () => {
    const turned = (shape: string): string => shape.split('×').reverse().join('×');
    const gradients = (all: { output: string }[]): number =>
      all.filter(({ output }) => ofWeights.includes(output) || ofWeights.map(turned).includes(output)).length;
    // Two layers of four products in an encoder and of five in a decoder, whose last layer has query apart.
    expect(gradients(await products(undefined))).toBe(kind.family === 'llama' ? 11 : 8);
    const step = await products({ rank: 3 });
    expect(gradients(step)).toBe(0);
    // 15 tokens: the gradient in the input of the projections to q, k and v, which the first layer does not need.
    const back = (all: { inputs: string[]; output: string }[]): number =>
      all.filter(
        ({ inputs, output }) => output === '15×6' && inputs[0] === (kind.family === 'llama' ? '15×32' : '15×18'),
      ).length;
    expect(back(step)).toBe(kind.family === 'llama' ? 0 : 1);
    expect(back(await products(undefined))).toBe(kind.family === 'llama' ? 1 : 2);
    // Adapted or not, a layer before the first adapter has no way back at all.
    const late = await products({ rank: 3, projections: kind.projections.slice(-1) });
    expect(gradients(late)).toBe(0);
    expect(back(late)).toBe(kind.family === 'llama' ? 0 : 1);
    expect(late.length).toBeLessThan(step.length);
  });

  test('the weights of the model stay, and only adapters and head are variables', async () => {
    const policy = policyOf(kind, kind.draw(createRng(5)), { rank: 2 });
    expect(policy.variables).toEqual([...policy.lora!.weights.values(), ...policy.head.values()]);
    const held = async (): Promise<number[][]> =>
      Promise.all([...policy.language.model.weights.values()].map(async (variable) => [...(await variable.data())]));
    const before = await held();
    const batch = toBatch(rows);
    const value = (): number => tf.tidy(() => tf.sum(policy.score(batch).logits).dataSync()[0]!);
    const start = value();
    for (let step = 0; step < 3; step++) {
      const { loss: unread, grads } = valueAndGrads(
        () => ({ loss: tf.sum(policy.score(batch).logits) as tf.Scalar, metrics: {} }),
        [...policy.lora!.weights.values()],
      );
      for (const variable of policy.lora!.weights.values()) {
        tf.tidy(() => variable.assign(tf.sub(variable, tf.mul(0.05, grads[variable.name] as tf.Tensor))));
      }
      tf.dispose([unread, grads] as tf.TensorContainer);
    }
    expect(value()).toBeLessThan(start - 1e-3);
    expect(await held()).toEqual(before);
    tf.dispose([batch.ids, batch.lengths]);
    release(policy);
  });

  test('what cannot be is said, and nothing is left behind', () => {
    const weights = kind.draw(createRng(1));
    const model = kind.model(weights);
    const language: LanguageModel = { model, tokenizer: unused };
    const before = tf.memory().numTensors;
    const rng = createRng(2);
    const names = kind.projections.join(', ');
    for (const [options, message] of [
      [{ rank: 0 }, 'lora: rank must be a positive integer; got 0'],
      [{ rank: 1.5 }, 'lora: rank must be a positive integer; got 1.5'],
      [{ alpha: 0 }, 'lora: alpha must be positive; got 0'],
      [{ alpha: Number.NaN }, 'lora: alpha must be positive; got NaN'],
      [{ projections: ['q'] }, `lora: projections must be some of ${names}; got ["q"]`],
      [{ projections: [] }, `lora: projections must be some of ${names}; got []`],
    ] as const) {
      expect(() => createLora(model, { rng, ...options })).toThrow(message);
      expect(() => headPolicy(language, { trainable: 'lora', lora: { ...options }, rng })).toThrow(message);
    }
    expect(() => headPolicy(language, { trainable: 'lora' })).toThrow(
      'lora: rng must be given, to draw A; got undefined',
    );
    expect(() => headPolicy(language, { lora: {}, rng })).toThrow(
      `headPolicy: trainable must be 'lora' when there are options for it; got "full"`,
    );
    expect(() => headPolicy(language, { trainable: 'some' as 'lora' })).toThrow(
      `headPolicy: trainable must be 'full', 'head' or 'lora'; got "some"`,
    );
    expect(tf.memory().numTensors).toBe(before);

    const lora = createLora(model, { rng });
    const kept = tf.memory().numTensors;
    expect(() => createLora(model, { rng })).toThrow(/^lora: a variable named .*lora_A\.weight exists already/);
    expect(() => headPolicy(language, { trainable: 'lora', rng })).toThrow('exists already');
    const other = kinds[kind.family === 'llama' ? 'bert' : 'llama'];
    const stranger = other.model(other.draw(rng));
    expect(() => headPolicy({ model: stranger, tokenizer: unused }, { trainable: 'lora', lora })).toThrow(
      /^lora: .*lora_A\.weight must be an adapter of this model; got \[8,6\]/,
    );
    stranger.dispose();
    const wider = { ...lora, rank: 7 };
    expect(() => headPolicy(language, { trainable: 'lora', lora: wider })).toThrow(
      /^lora: .*lora_A\.weight must be of shape \[7,6\]; got \[8,6\]/,
    );
    expect(tf.memory().numTensors).toBe(kept);
    lora.dispose();
    model.dispose();
  });
});
