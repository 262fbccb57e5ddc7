import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import type { TokenBatch } from '@tsrl/tensor';
import { forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLlama, type Llama, type LlamaConfig, llamaShapes, tokenBatch } from '../src/index.ts';
import { oracleHidden, oracleLogits, randomWeights, roundings, tolerance, type Weights } from './oracle.ts';
import { smallConfig, toBatch } from './small.ts';

const build = (config: LlamaConfig, weights: Weights): Llama =>
  createLlama(config, (name) => Float32Array.from(weights[name]!));
const numbers = async (make: () => tf.Tensor): Promise<Float32Array> => {
  const tensor = tf.tidy(make);
  const data = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return data;
};
const withBatch = async <T>(rows: readonly number[][], run: (batch: TokenBatch) => Promise<T>): Promise<T> => {
  const batch = toBatch(rows);
  try {
    return await run(batch);
  } finally {
    tf.dispose([batch.ids, batch.lengths]);
  }
};
const flat = (rows: readonly ArrayLike<number>[]): number[] => rows.flatMap((row) => Array.from(row));

const configs = fc
  .record({
    groups: fc.integer({ min: 1, max: 3 }),
    keyValueHeads: fc.integer({ min: 1, max: 3 }),
    half: fc.integer({ min: 1, max: 3 }),
    hiddenSize: fc.integer({ min: 2, max: 9 }),
    layers: fc.integer({ min: 1, max: 3 }),
    tieWordEmbeddings: fc.boolean(),
    ropeTheta: fc.constantFrom(10, 10_000, 500_000),
  })
  .map(({ groups, keyValueHeads, half, ...rest }) =>
    smallConfig({ ...rest, keyValueHeads, heads: groups * keyValueHeads, headSize: 2 * half }),
  );
const sequences = fc.array(fc.array(fc.nat(6), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });

describe('the forward pass', () => {
  test('is the float64 oracle: hidden states, last hidden states, logits', async () => {
    await forAllAsync(
      [configs, sequences, fc.nat()],
      async (config, rows, seed) => {
        const weights = randomWeights(config, createRng(seed));
        const model = build(config, weights);
        try {
          await withBatch(rows, async (batch) => {
            const states = (w: Weights): Float64Array[][] => rows.map((row) => oracleHidden(config, w, row));
            const expected = states(weights);
            const last = expected.map((row) => row.at(-1)!);
            const oracle = flat(last.map((state) => oracleLogits(config, weights, state)));
            const moved = roundings(weights, createRng(seed), (w) => flat(states(w).flat()));
            const near = { ...tolerance, absolute: tolerance.absolute + moved };
            const hidden = await numbers(() => model.hidden(batch.ids));
            for (const [i, row] of expected.entries()) {
              const start = i * batch.ids.shape[1] * config.hiddenSize;
              const actual = hidden.slice(start, start + row.length * config.hiddenSize);
              expect(maxError(actual, flat(row), near)).toBeLessThanOrEqual(1);
            }
            expect(maxError(await numbers(() => model.lastHidden(batch)), flat(last), near)).toBeLessThanOrEqual(1);
            // Sums over the state with weights of up to about 2 in size.
            const logits = await numbers(() => model.logits(model.lastHidden(batch)));
            const wider = { ...near, absolute: tolerance.absolute + 2 * config.hiddenSize * moved };
            expect(maxError(logits, oracle, wider)).toBeLessThanOrEqual(1);
          });
        } finally {
          model.dispose(); // also of a counterexample: shrinking builds the next model of the same names
        }
      },
      { runs: 25 },
    );
  });

  test('neither padding nor later tokens change a state, and rows do not see each other', async () => {
    const config = smallConfig();
    const model = build(config, randomWeights(config, createRng(3)));
    const H = config.hiddenSize;
    const states = (rows: number[][]) => withBatch(rows, (batch) => numbers(() => model.hidden(batch.ids)));
    const last = (rows: number[][], padding: number) => {
      const batch = toBatch(rows, padding);
      return numbers(() => model.lastHidden(batch)).finally(() => tf.dispose([batch.ids, batch.lengths]));
    };
    const [a, b] = [await states([[1, 2, 3, 4]]), await states([[1, 2, 6, 0]])];
    expect(a.slice(0, 2 * H)).toEqual(b.slice(0, 2 * H));
    expect(a.slice(2 * H)).not.toEqual(b.slice(2 * H));
    const rows = [[1, 2, 3, 4, 5], [6, 5], [2]];
    expect(await last(rows, 0)).toEqual(await last(rows, 6));
    const backwards = await last([...rows].reverse(), 0);
    const forwards = await last(rows, 0);
    expect(maxError(backwards.slice(0, H), forwards.slice(2 * H), tolerance)).toBeLessThanOrEqual(1);
    expect(maxError(await last([[6, 5]], 0), forwards.slice(H, 2 * H), tolerance)).toBeLessThanOrEqual(1);
    model.dispose();
  });

  test('tokenBatch pads on the right', async () => {
    const batch = tokenBatch([[1, 2, 3], Int32Array.of(4)]);
    expect(batch.ids.shape).toEqual([2, 3]);
    expect([...(await batch.ids.data()), ...(await batch.lengths.data())]).toEqual([1, 2, 3, 4, 0, 0, 3, 1]);
    expect([batch.ids.dtype, batch.lengths.dtype]).toEqual(['int32', 'int32']);
    tf.dispose([batch.ids, batch.lengths]);
    expect(() => tokenBatch([])).toThrow('tokenBatch: rows must be at least one row; got none');
    expect(() => tokenBatch([[1], []])).toThrow('tokenBatch: row 1 must be at least one token; got none');
  });

  test('results are the only tensors left, and say what was wrong with the input', () => {
    const config = smallConfig();
    const model = build(config, randomWeights(config, createRng(3)));
    const batch = toBatch([[1, 2], [3]]);
    const before = tf.memory().numTensors;
    const results = [model.hidden(batch.ids), model.lastHidden(batch)];
    expect(tf.memory().numTensors - before).toBe(2);
    expect(results.map(({ shape }) => shape)).toEqual([
      [2, 2, 6],
      [2, 6],
    ]);
    tf.dispose(results);
    const floats = tf.zeros<tf.Rank.R2>([1, 2]);
    const long = tf.zeros<tf.Rank.R2>([1, 33], 'int32');
    expect(() => model.hidden(floats)).toThrow('llama: ids must be int32 [B, S]; got float32 [1,2]');
    expect(() => model.hidden(long)).toThrow('llama: ids must be at most 32 tokens long; got [1,33]');
    const short = tf.tensor1d([1], 'int32');
    expect(() => model.lastHidden({ ids: batch.ids, lengths: short })).toThrow(
      'llama: lengths must be int32 [2], one for each row of ids; got int32 [1]',
    );
    tf.dispose([batch.ids, batch.lengths, floats, long, short]);
    model.dispose();
  });
});

describe('the weights', () => {
  test('are variables by their Hugging Face names; a second model needs a scope', () => {
    const config = smallConfig({ tieWordEmbeddings: false });
    const weights = randomWeights(config, createRng(3));
    const model = build(config, weights);
    expect([...model.weights.keys()]).toEqual([...llamaShapes(config).keys()]);
    expect([...model.weights.values()].map(({ name }) => name)).toEqual([...model.weights.keys()]);
    expect(model.output).toBe(model.weights.get('lm_head.weight'));
    const before = tf.memory().numTensors;
    expect(() => build(config, weights)).toThrow('llama: a variable named model.embed_tokens.weight exists already');
    const reference = createLlama(config, (name) => Float32Array.from(weights[name]!), { scope: 'reference/' });
    expect(reference.weights.get('model.norm.weight')?.name).toBe('reference/model.norm.weight');
    reference.dispose();
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
    expect(() => createLlama(config, () => new Float32Array(3))).toThrow(
      'llama: model.embed_tokens.weight must be of shape [7,6]; got 3 numbers',
    );
    const broken = (name: string): Float32Array =>
      new Float32Array(name === 'lm_head.weight' ? 0 : weights[name]!.length);
    const start = tf.memory().numTensors;
    expect(() => createLlama(config, broken)).toThrow('lm_head.weight');
    expect(tf.memory().numTensors).toBe(start);
  });
});
