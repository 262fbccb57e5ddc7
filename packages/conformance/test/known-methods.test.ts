import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { gridOf } from '@tsrl/core';
import { type Loss, type PerToken, toTensor, useBackend } from '@tsrl/tensor';
import { beforeAll, expect, test } from 'vitest';
import * as methods from '../../../docs/examples/known-methods.ts';

beforeAll(() => useBackend('cpu'));

const rollouts = {
  rewards: [1, 0, 1, 0, 0, 1, 1, 1],
  groups: [0, 0, 0, 0, 1, 1, 1, 1],
  mask: gridOf([
    [1, 1, 1],
    [1, 1, 0],
    [1, 0, 0],
    [1, 1, 1],
    [1, 1, 1],
    [1, 0, 0],
    [1, 1, 0],
    [1, 1, 1],
  ]),
};

type Everything = Record<'logProbs' | 'oldLogProbs' | 'refLogProbs' | 'advantages' | 'mask', PerToken>;

test.each(Object.entries(methods))(
  '%s: tokens of better responses become more likely, the others less',
  async (_, method) => {
    const advantages = method.advantages(rollouts);
    expect(advantages.data.every((a, i) => Number.isFinite(a) && (rollouts.mask.data[i] === 1 || a === 0))).toBe(true);
    const logProbs = tf.fill([8, 3], -1.5) as PerToken;
    const rest = {
      // Tensors of their own: the gradient in the same one would hold theirs too.
      oldLogProbs: tf.fill([8, 3], -1.5) as PerToken,
      refLogProbs: tf.fill([8, 3], -1.5) as PerToken,
      advantages: toTensor(advantages),
      mask: toTensor(rollouts.mask),
    };
    const loss = method.loss as Loss<Everything>;
    const gradient = tf.tidy(() => tf.grad((x) => loss({ ...rest, logProbs: x as PerToken }).loss)(logProbs));
    const slopes = await gradient.data();
    tf.dispose([logProbs, rest, gradient]);
    advantages.data.forEach((a, i) => {
      expect(Math.sign(slopes[i] as number) + 0).toBe(-Math.sign(a) + 0);
    });
  },
);

test('docs/composing.md shows the file that runs', () => {
  const docs = new URL('../../../docs/', import.meta.url);
  const read = (name: string): string => readFileSync(new URL(name, docs), 'utf8');
  expect(read('composing.md')).toContain(`\`\`\`ts\n${read('examples/known-methods.ts')}\`\`\`\n`);
});
