import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { float32, maxError } from '@tsrl/testing';
import { expect, expectTypeOf, test } from 'vitest';
import { type Batch, evaluate, type loss } from '../../../docs/examples/composed-objective.ts';

const rng = createRng(1);
const normal = (...shape: number[]): Float32Array =>
  Float32Array.from({ length: shape.reduce((size, n) => size * n, 1) }, rng.normal);

test('the objective of docs/composing.md: its terms add up, its weights move, and its gradient leads down', async () => {
  const initial = tf.tensor3d(normal(2, 3, 5), [2, 3, 5]);
  const logits = tf.variable(initial) as tf.Variable<tf.Rank.R3>;
  const logProbs = tf.fill([2, 3], -1.6) as tf.Tensor2D;
  const batch: Batch = {
    tokens: tf.tensor2d([0, 1, 2, 3, 4, 0], [2, 3], 'int32'),
    oldLogProbs: logProbs,
    refLogProbs: logProbs,
    advantages: tf.tensor2d([1, 1, 1, -1, -1, -1], [2, 3]),
    mask: tf.tensor2d([1, 1, 1, 1, 1, 0], [2, 3]),
  };
  const read = async (step: number): Promise<Record<string, number>> => {
    const { loss, metrics, grads } = evaluate(logits, batch, step);
    const numbers: Record<string, number> = {};
    for (const [name, scalar] of Object.entries({ loss, ...metrics }))
      numbers[name] = (await scalar.data())[0] as number;
    const [gradient] = Object.values(grads) as [tf.Tensor];
    const next = tf.tidy(() => tf.sub<tf.Tensor3D>(logits, tf.mul(gradient, 0.01)));
    logits.assign(next);
    tf.dispose([next, loss, metrics, grads]);
    return numbers;
  };

  const first = await read(0);
  const terms = ['policy/loss', 'kl/loss', 'entropy/loss', 'certainty/loss'].map((name) => first[name] as number);
  expect(maxError([terms.reduce((sum, term) => sum + term)], [first['loss'] as number], float32)).toBeLessThanOrEqual(
    1,
  );
  expect(
    maxError([first['kl/loss'] as number], [0.05 * (first['kl/unscaled'] as number)], float32),
  ).toBeLessThanOrEqual(1);
  const second = await read(0);
  expect(second['loss']).toBeLessThan(first['loss'] as number);
  const late = await read(1_000);
  expect(maxError([late['kl/loss'] as number], [0.01 * (late['kl/unscaled'] as number)], float32)).toBeLessThanOrEqual(
    1,
  );
  tf.dispose([initial, batch]);
});

test('it needs what its terms need, and says so to the compiler', () => {
  expectTypeOf<keyof Parameters<typeof loss>[0]>().toEqualTypeOf<
    'logProbs' | 'oldLogProbs' | 'refLogProbs' | 'advantages' | 'entropy' | 'mask'
  >();
});

test('docs/composing.md and the README show the file that runs', () => {
  const docs = new URL('../../../docs/', import.meta.url);
  const read = (name: string): string => readFileSync(new URL(name, docs), 'utf8');
  const example = read('examples/composed-objective.ts');
  expect(read('composing.md')).toContain(`\`\`\`ts\n${example}\`\`\`\n`);
  expect(read('../README.md')).toContain(`\`\`\`ts\n${example}\`\`\`\n`);
});
