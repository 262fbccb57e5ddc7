import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { selectiveLogSoftmax, valueAndGrads } from '@tsrl/tensor';
import { float32, maxError } from '@tsrl/testing';
import { describe, expect, test } from 'vitest';
import { createLlama, type Llama } from '../src/index.ts';
import { oracleHidden, oracleLogits, randomWeights } from './oracle.ts';
import { smallConfig, toBatch } from './small.ts';

const rows = [
  [1, 2, 3, 4, 5],
  [6, 5, 0, 1, 1],
  [2, 2, 4, 6, 3],
];
const config = smallConfig({ tieWordEmbeddings: false });
const weights = randomWeights(config, createRng(5));

/** Cross-entropy of each next token, and its gradients in every weight. */
function train(model: Llama, between: () => void = () => {}): Promise<Record<string, ArrayLike<number>>> {
  const { ids, lengths } = toBatch(rows);
  const { loss, grads } = valueAndGrads(() => {
    const hidden = tf.reshape(model.hidden(ids), [15, config.hiddenSize]) as tf.Tensor2D;
    between();
    const logits = tf.reshape(model.logits(hidden), [3, 5, config.vocabularySize]);
    const targets = tf.concat([tf.slice(ids, [0, 1]), tf.slice(ids, [0, 0], [3, 1])], 1) as tf.Tensor2D;
    return { loss: tf.neg(tf.mean(selectiveLogSoftmax(logits, targets))) as tf.Scalar, metrics: {} };
  }, [...model.weights.values()]);
  const tensors: Record<string, tf.Tensor> = { loss, ...grads };
  return Promise.all(Object.entries(tensors).map(async ([name, x]) => [name, await x.data()] as const)).then((all) => {
    tf.dispose([ids, lengths, ...Object.values(tensors)]);
    return Object.fromEntries(all);
  });
}

const build = (): Llama => createLlama(config, (name) => Float32Array.from(weights[name]!));

/** The loss in float64. */
function oracle(): number {
  const losses = rows.flatMap((row) =>
    oracleHidden(config, weights, row).map((state, i) => {
      const logits = oracleLogits(config, weights, state);
      const top = Math.max(...logits);
      const total = logits.reduce((sum, x) => sum + Math.exp(x - top), 0);
      return top + Math.log(total) - logits[row[(i + 1) % row.length]!]!;
    }),
  );
  return losses.reduce((sum, x) => sum + x, 0) / losses.length;
}

describe('a step of training a language model', () => {
  test('has the loss of the oracle, and in random directions its slope', async () => {
    const model = build();
    const got = await train(model);
    model.dispose();
    expect(maxError(got['loss']!, [oracle()], float32)).toBeLessThanOrEqual(1);
    for (const name of model.weights.keys()) {
      const rng = createRng(name.length);
      const direction = weights[name]!.map(() => rng.normal());
      const kept = weights[name]!.slice();
      const at = (step: number): number => {
        weights[name]!.set(kept.map((x, i) => x + step * direction[i]!));
        const loss = oracle();
        weights[name]!.set(kept);
        return loss;
      };
      const slope = (at(1e-5) - at(-1e-5)) / 2e-5;
      const gradient = direction.reduce((sum, d, i) => sum + d * (got[name]![i] as number), 0);
      // A sum over a whole matrix of gradients that are right within 2e-5.
      expect([name, maxError([gradient], [slope], { absolute: 2e-5, relative: 1e-4 })]).toEqual([
        name,
        expect.toSatisfy((error: number) => error <= 1),
      ]);
    }
  });

  test('survives the growth of the memory between the way forward and the way back', async () => {
    const model = build();
    const calm = await train(model);
    const heap = (): number | undefined =>
      (tf.backend() as unknown as { wasm?: { HEAPU8: Uint8Array } }).wasm?.HEAPU8.buffer.byteLength;
    const before = heap();
    const grown = await train(model, () => {
      for (let i = 0; i < 8; i++) tf.dispose(tf.keep(tf.zeros([(before ?? 2 ** 20) / 16])));
      tf.dispose(tf.keep(tf.zeros([(before ?? 2 ** 20) / 2])));
    });
    if (before !== undefined) expect(heap()).toBeGreaterThan(before);
    expect(grown).toEqual(calm);
    model.dispose();
  });
});
