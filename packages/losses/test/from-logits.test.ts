import * as tf from '@tensorflow/tfjs-core';
import { createRng, isTsrlError, type Rng } from '@tsrl/core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import {
  k3,
  type Loss,
  type PerToken,
  type StepContext,
  sequenceMean,
  sequenceSum,
  tokenMean,
  valueAndGrads,
} from '@tsrl/tensor';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  entropyBonus,
  fromHidden,
  fromLogits,
  kl,
  objective,
  ppoClip,
  scale,
  tokenTermsOf,
  withTokenTerms,
} from '../src/index.ts';
import { losses } from '../src/registry.ts';

afterEach(() => {
  installFastKernels();
});

interface Batch {
  readonly logits: tf.Tensor3D;
  readonly ids: tf.Tensor2D;
  readonly oldLogProbs: PerToken;
  readonly refLogProbs: PerToken;
  readonly advantages: PerToken;
  readonly mask: PerToken;
}

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  tokens: fc.integer({ min: 1, max: 5 }),
  size: fc.integer({ min: 1, max: 70 }),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
});

function draw(rng: Rng, shape: { rows: number; tokens: number; size: number }): Batch {
  const { rows, tokens, size } = shape;
  const perToken = (value: () => number): PerToken =>
    tf.tensor2d(Float32Array.from({ length: rows * tokens }, value), [rows, tokens]);
  return {
    logits: tf.tensor3d(
      Float32Array.from({ length: rows * tokens * size }, () => 2 * rng.normal()),
      [rows, tokens, size],
    ),
    ids: tf.tensor2d(
      Int32Array.from({ length: rows * tokens }, () => Math.floor(size * rng.uniform())),
      [rows, tokens],
    ),
    // Near log(1/size), so that ratios lie inside and outside the clip range.
    oldLogProbs: perToken(() => -Math.log(size) + rng.normal()),
    refLogProbs: perToken(() => -Math.log(size) + rng.normal()),
    advantages: perToken(() => rng.normal()),
    mask: perToken(() => (rng.uniform() < 0.7 ? 1 : 0)),
  };
}

const build = () =>
  objective({
    policy: ppoClip({ clipLow: 0.2, clipHigh: 0.3, dualClip: 3, aggregate: sequenceMean }),
    entropy: scale(0.05, entropyBonus()),
    kl: scale((step) => 0.1 + step, kl({ estimator: k3, aggregate: tokenMean })),
  });
const context: StepContext = { step: 1 };

/** Loss, metrics and the gradient in each of `by`, as numbers. */
async function evaluate<I extends object>(loss: Loss<I>, inputs: I, by: readonly (keyof I & string)[], at = context) {
  const variables = by.map((name) => tf.variable(inputs[name] as unknown as tf.Tensor));
  const {
    loss: value,
    metrics,
    grads,
  } = valueAndGrads(
    () => loss({ ...inputs, ...Object.fromEntries(by.map((name, i) => [name, variables[i]])) }, at),
    variables,
  );
  const numbers = {
    loss: (await value.data())[0] as number,
    metrics: Object.fromEntries(
      await Promise.all(Object.entries(metrics).map(async ([name, x]) => [name, (await x.data())[0] as number])),
    ) as Record<string, number>,
    gradients: await Promise.all(
      variables.map(async ({ name }) => Array.from(await (grads[name] as tf.Tensor).data())),
    ),
  };
  tf.dispose([value, metrics, grads, variables] as unknown as tf.TensorContainer);
  return numbers;
}

/**
 * The bound of device code, of which the relative part is that of the largest gradient: those of a row add up to 0, and
 * over a vocabulary of one token all are roundings of 1 − p.
 */
const near = (gradient: readonly number[]) => ({
  absolute: 1e-6 + 2e-5 * Math.max(...gradient.map(Math.abs), 0),
  relative: 2e-5,
});

function expectSame(a: Awaited<ReturnType<typeof evaluate>>, b: Awaited<ReturnType<typeof evaluate>>): void {
  expect(maxError([a.loss], [b.loss], float32)).toBeLessThan(1);
  expect(Object.keys(a.metrics).sort()).toEqual(Object.keys(b.metrics).sort());
  for (const [name, value] of Object.entries(b.metrics)) {
    expect([name, maxError([a.metrics[name] as number], [value], float32) < 1]).toEqual([name, true]);
  }
  a.gradients.forEach((gradient, i) => {
    const other = b.gradients[i] as number[];
    expect(maxError(gradient, other, near(other))).toBeLessThan(1);
  });
}

describe('fromLogits', () => {
  test('one pass gives the loss, the metrics and the gradient of the composed operations', async () => {
    await forAllAsync(
      [shapes, fc.constantFrom(0.5, 1, 2)],
      async (shape, temperature) => {
        const batch = draw(createRng(shape.seed), shape);
        const loss = fromLogits(build(), { temperature });
        installFastKernels();
        const fused = await evaluate(loss, batch, ['logits']);
        uninstallFastKernels();
        const composed = await evaluate(loss, batch, ['logits']);
        expectSame(fused, composed);
        tf.dispose({ ...batch });
      },
      { runs: 40 },
    );
  });

  test('the gradient is that of the loss in float64', async () => {
    await forAllAsync(
      [shapes],
      async (shape) => {
        const rng = createRng(shape.seed);
        const batch = draw(rng, { ...shape, size: Math.min(shape.size, 9) });
        const size = Math.min(shape.size, 9);
        const [x, ids, old, ref, advantages, mask] = await Promise.all(
          [batch.logits, batch.ids, batch.oldLogProbs, batch.refLogProbs, batch.advantages, batch.mask].map(async (t) =>
            Array.from(await t.data()),
          ),
        );
        const oracle = (logits: ArrayLike<number>): number => {
          let [policy, entropy, penalty, counted] = [0, 0, 0, 0];
          for (let row = 0; row < ids!.length; row++) {
            if (mask![row] === 0) continue;
            const z = Array.from({ length: size }, (_, v) => logits[row * size + v] as number);
            const top = Math.max(...z);
            const logSum = top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0));
            const logProb = z[ids![row]!]! - logSum;
            const ratio = Math.exp(logProb - old![row]!);
            const a = advantages![row]!;
            const surrogate = Math.min(ratio * a, Math.min(Math.max(ratio, 0.8), 1.2) * a);
            policy -= surrogate;
            entropy -= z.reduce((sum, v) => sum + Math.exp(v - logSum) * (v - logSum), 0);
            const d = logProb - ref![row]!;
            penalty += Math.exp(-d) - 1 + d;
            counted++;
          }
          return counted === 0 ? 0 : (policy - 0.1 * entropy + 0.3 * penalty) / counted;
        };
        const loss = fromLogits(
          objective({ policy: ppoClip(), entropy: scale(0.1, entropyBonus()), kl: scale(0.3, kl()) }),
        );
        const got = await evaluate(loss, batch, ['logits']);
        expect(maxError([got.loss], [oracle(x!)], float32)).toBeLessThan(1);
        const expected = Array.from(finiteDifference(oracle, x!));
        expect(maxError(got.gradients[0]!, expected, { absolute: 3e-6, relative: 1e-4 })).toBeLessThan(1);
        tf.dispose({ ...batch });
      },
      { runs: 25 },
    );
  });

  test('tokens outside the mask may hold anything, and get no gradient', async () => {
    const batch = draw(createRng(1), { rows: 2, tokens: 3, size: 5 });
    const mask = tf.tensor2d([1, 0, 1, 1, 1, 0], [2, 3]);
    const clean = await evaluate(fromLogits(build()), { ...batch, mask }, ['logits']);
    const logits = tf.tidy(() => {
      const hole = tf.reshape(tf.tensor1d([0, Number.NaN, 0, 0, 0, Number.NaN]), [2, 3, 1]);
      return tf.add<tf.Tensor3D>(batch.logits, hole);
    });
    const ids = tf.tidy(() => tf.where(tf.notEqual(mask, 0), batch.ids, tf.fill([2, 3], 77, 'int32')) as tf.Tensor2D);
    const dirty = await evaluate(fromLogits(build()), { ...batch, mask, logits, ids }, ['logits']);
    expect(dirty).toEqual(clean);
    expect(clean.gradients[0]!.slice(5, 10)).toEqual([0, 0, 0, 0, 0]);
    tf.dispose([{ ...batch }, mask, logits, ids] as tf.TensorContainer);
  });

  test('a loss that is no sum over tokens goes by log-probs and entropies', async () => {
    const own: Loss<{ logProbs: PerToken; entropy: PerToken; mask: PerToken }> = ({ logProbs, entropy, mask }) =>
      tf.tidy(() => ({
        loss: tf.square(tf.sub(sequenceSum(logProbs, mask, {}), tokenMean(entropy, mask, {}))) as tf.Scalar,
        metrics: {},
      }));
    const batch = draw(createRng(2), { rows: 2, tokens: 3, size: 7 });
    const inputs = { logits: batch.logits, ids: batch.ids, mask: batch.mask };
    const fast = await evaluate(fromLogits(own), inputs, ['logits']);
    uninstallFastKernels();
    expectSame(fast, await evaluate(fromLogits(own), inputs, ['logits']));
    tf.dispose({ ...batch });
  });

  test('is scaled by what comes after it', async () => {
    const batch = draw(createRng(3), { rows: 2, tokens: 3, size: 7 });
    const loss = fromLogits(build());
    const plain = await evaluate(loss, batch, ['logits']);
    const thrice = await evaluate(scale(3, loss), batch, ['logits']);
    expect(
      maxError(
        thrice.gradients[0]!,
        plain.gradients[0]!.map((g) => 3 * g),
        float32,
      ),
    ).toBeLessThan(1);
    tf.dispose({ ...batch });
  });

  test('parts of a batch add up to the whole', async () => {
    const batch = draw(createRng(4), { rows: 4, tokens: 3, size: 6 });
    const loss = fromLogits(objective({ policy: ppoClip(), entropy: scale(0.1, entropyBonus()) }));
    const tokens = Array.from(await batch.mask.data()).reduce((sum, m) => sum + m, 0);
    const whole = await evaluate(loss, batch, ['logits'], { tokens });
    const half = (start: number): Batch =>
      Object.fromEntries(
        Object.entries(batch).map(([name, t]) => [name, tf.slice(t as tf.Tensor, start, 2)]),
      ) as unknown as Batch;
    const [first, second] = [half(0), half(2)];
    const parts = [
      await evaluate(loss, first, ['logits'], { tokens }),
      await evaluate(loss, second, ['logits'], { tokens }),
    ];
    expect(maxError([parts[0]!.loss + parts[1]!.loss], [whole.loss], float32)).toBeLessThan(1);
    expect(
      maxError(
        parts.flatMap(({ gradients }) => gradients[0]!),
        whole.gradients[0]!,
        float32,
      ),
    ).toBeLessThan(1);
    tf.dispose([{ ...batch }, { ...first }, { ...second }] as tf.TensorContainer);
  });

  test('refuses what does not fit', () => {
    expect(() => fromLogits(build(), { temperature: 0 })).toThrow(
      'fromLogits: temperature must be positive and finite; got 0',
    );
    const batch = draw(createRng(5), { rows: 2, tokens: 3, size: 7 });
    const bad = { ...batch, ids: tf.zeros([2, 4], 'int32') as tf.Tensor2D };
    let error: unknown;
    try {
      fromLogits(build())(bad, context);
    } catch (caught) {
      error = caught;
    }
    expect(isTsrlError(error, 'shape')).toBe(true);
    expect((error as Error).message).toBe('fromLogits: ids must be int32 [2, 3]; got int32 [2, 4]');
    tf.dispose([{ ...batch }, bad.ids] as tf.TensorContainer);
  });
});

describe('both ways', () => {
  test('agree where an id asks for nothing, and with NaN outside the mask', async () => {
    const batch = draw(createRng(8), { rows: 1, tokens: 3, size: 4 });
    const mask = tf.tensor2d([1, 1, 0], [1, 3]);
    const ids = tf.tensor2d([1, -100, 2], [1, 3], 'int32');
    const logits = tf.tidy(() => {
      const hole = tf.reshape(tf.tensor1d([0, 0, Number.NaN]), [1, 3, 1]);
      return tf.add<tf.Tensor3D>(batch.logits, hole);
    });
    const inputs = { ...batch, mask, ids, logits };
    const loss = fromLogits(objective({ policy: ppoClip(), entropy: scale(0.5, entropyBonus()) }));
    const fused = await evaluate(loss, inputs, ['logits']);
    const value = loss(inputs, context);
    expect(maxError(await value.loss.data(), [fused.loss], float32)).toBeLessThan(1);
    uninstallFastKernels();
    const composed = await evaluate(loss, inputs, ['logits']);
    expectSame(fused, composed);
    expect(fused.gradients[0]!.slice(4)).toEqual(Array(8).fill(0));
    tf.dispose([{ ...batch }, mask, ids, logits, value.loss, { ...value.metrics }] as tf.TensorContainer);
  });

  test('name an input of another shape, and a vocabulary of nothing', () => {
    const batch = draw(createRng(9), { rows: 2, tokens: 3, size: 4 });
    const advantages = tf.tensor2d([1, 1], [1, 2]);
    const logits = tf.variable(batch.logits);
    for (const prepare of [installFastKernels, uninstallFastKernels]) {
      prepare();
      expect(() => valueAndGrads(() => fromLogits(ppoClip())({ ...batch, logits, advantages }), [logits])).toThrow(
        /advantages must be float32 \[2, 3\].*got float32 \[1, 2\]/,
      );
    }
    const none = tf.zeros([2, 3, 0]) as tf.Tensor3D;
    expect(() => fromLogits(ppoClip())({ ...batch, logits: none })).toThrow(
      'fromLogits: logits must be float32 [B, T, V], V at least 1; got [2, 3, 0]',
    );
    tf.dispose([{ ...batch }, advantages, none, logits] as tf.TensorContainer);
  });

  test('inside another operation, where nothing is recorded, the loss is still computed', async () => {
    const batch = draw(createRng(10), { rows: 1, tokens: 2, size: 4 });
    const plain = fromLogits(ppoClip())(batch);
    const custom = tf.customGrad((x) => ({
      value: fromLogits(ppoClip())({ ...batch, logits: x as tf.Tensor3D }).loss,
      gradFunc: () => tf.zeros(batch.logits.shape),
    }));
    const { value, grad } = tf.valueAndGrad((x) => custom(x) as tf.Scalar)(batch.logits);
    expect(maxError(await value.data(), await plain.loss.data(), float32)).toBeLessThan(1);
    tf.dispose([{ ...batch }, plain.loss, { ...plain.metrics }, value, grad] as tf.TensorContainer);
  });
});

describe('fromHidden', () => {
  const widths = fc.integer({ min: 1, max: 9 });

  test('is fromLogits of hidden times weight transposed, with its gradients in both', async () => {
    await forAllAsync(
      [shapes, widths, fc.constantFrom(0.5, 1)],
      async (shape, width, temperature) => {
        const rng = createRng(shape.seed);
        const { logits, ...batch } = draw(rng, shape);
        logits.dispose();
        const normal = (size: number): Float32Array => Float32Array.from({ length: size }, () => rng.normal());
        const hidden = tf.tensor3d(normal(shape.rows * shape.tokens * width), [shape.rows, shape.tokens, width]);
        const weight = tf.tensor2d(normal(shape.size * width), [shape.size, width]);
        const inputs = { ...batch, hidden, weight };
        const inner = fromLogits(build(), { temperature });
        const composed: typeof chunked = ({ hidden: h, weight: w, ...rest }, at) => {
          const flat = tf.reshape(h, [-1, width]) as tf.Tensor2D;
          const x = tf.reshape(tf.matMul(flat, w, false, true), [shape.rows, shape.tokens, shape.size]) as tf.Tensor3D;
          return inner({ ...rest, logits: x }, at);
        };
        const chunked = fromHidden(build(), { temperature });
        installFastKernels();
        const fused = await evaluate(chunked, inputs, ['hidden', 'weight']);
        uninstallFastKernels();
        expectSame(fused, await evaluate(chunked, inputs, ['hidden', 'weight']));
        expectSame(fused, await evaluate(composed, inputs, ['hidden', 'weight']));
        tf.dispose({ ...inputs });
      },
      { runs: 25 },
    );
  });
});

test('more logits than a chunk holds give the same', async () => {
  // 48 MB of logits: two chunks.
  const { logits, ...batch } = draw(createRng(6), { rows: 3, tokens: 100, size: 1 });
  logits.dispose();
  const rng = createRng(7);
  const normal = (size: number): Float32Array => Float32Array.from({ length: size }, () => rng.normal());
  const hidden = tf.tensor3d(normal(600), [3, 100, 2]);
  const weight = tf.tensor2d(normal(80_000), [40_000, 2]);
  const inputs = { ...batch, hidden, weight };
  const [fast, whole] = [fromHidden(build()), fromLogits(build())];
  const fused = await evaluate(fast, inputs, ['hidden', 'weight']);
  const composed = await evaluate<typeof inputs>(
    ({ hidden: h, weight: w, ...rest }, at) => {
      const flat = tf.matMul(tf.reshape(h, [300, 2]) as tf.Tensor2D, w, false, true);
      return whole({ ...rest, logits: tf.reshape(flat, [3, 100, 40_000]) as tf.Tensor3D }, at);
    },
    inputs,
    ['hidden', 'weight'],
  );
  expectSame(fused, composed);
  tf.dispose({ ...inputs });
});

describe('token terms', () => {
  const entries = losses.filter(({ evaluate: loss }) => tokenTermsOf(loss as Loss<never>));
  test('are told by the losses over tokens', () => {
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(['entropyBonus', 'kl', 'ppoClip']));
  });

  test('an objective has them when all of its terms do', () => {
    expect(tokenTermsOf(build() as Loss<never>)?.(context)).toHaveLength(3);
    const own: Loss<{ logProbs: PerToken; mask: PerToken }> = ({ logProbs, mask }, at = {}) => ({
      loss: tokenMean(logProbs, mask, at),
      metrics: {},
    });
    expect(tokenTermsOf(objective({ policy: ppoClip(), own }) as Loss<never>)).toBeUndefined();
    const told = withTokenTerms(own, () => [{ of: 'logProbs', inputs: [], slope: () => 1, aggregate: tokenMean }]);
    expect(tokenTermsOf(objective({ policy: ppoClip(), own: told }) as Loss<never>)?.({})).toHaveLength(2);
  });
});
