import * as tf from '@tensorflow/tfjs-core';
import { createRng, linear, OptionError, softplus } from '@tsrl/core';
import { binaryCrossEntropy, ppoClip } from '@tsrl/losses';
import { sequenceSum } from '@tsrl/tensor';
import { finiteDifference, float32, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BinaryPpoOptions, binaryPpo, clippedSurrogate } from '../src/index.ts';
import { evaluate, f32 } from './evaluate.ts';
import { sigmoid } from './oracle.ts';

describe('the surrogate as one operation', () => {
  const action = fc.record({ weight: f32(0, 1), advantage: f32(-3, 3), old: f32(-6, -0.01), move: f32(-2, 2) });
  const rows = fc.array(fc.array(action, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 8 });

  async function both(
    drawn: readonly (readonly { weight: number; advantage: number; old: number; move: number }[])[],
    { dualClip, ...clips }: { clipLow: number; clipHigh: number; dualClip?: number },
  ) {
    const dual = dualClip === undefined ? {} : { dualClip };
    const losses = [clippedSurrogate({ ...clips, ...dual }), ppoClip({ ...clips, ...dual, aggregate: sequenceSum })];
    const [ours, theirs] = await Promise.all(
      losses.map(async (loss) => {
        const told = tf.tidy(() => {
          const grid = (of: (at: (typeof drawn)[number][number]) => number): tf.Tensor2D =>
            tf.tensor2d(drawn.map((row) => row.map(of)));
          const sums = drawn.map((row) => row.reduce((sum, { weight }) => sum + weight, 0));
          // Rows that sum to 1, or to 0 where nothing was drawn.
          const mask = tf.tensor2d(drawn.map((row, i) => row.map(({ weight }) => weight / (sums[i] || 1))));
          const fixed = { oldLogProbs: grid(({ old }) => old), advantages: grid(({ advantage }) => advantage), mask };
          const run = (logProbs: tf.Tensor2D) => loss({ logProbs, ...fixed }, { sequences: 7 });
          const at = grid(({ old, move }) => Math.fround(old + move));
          const { loss: value, metrics } = run(at);
          const held = tf.add(metrics['clipFraction'] as tf.Scalar, metrics['dualClipFraction'] ?? 0);
          return [tf.stack([value, held]), tf.grad((x) => run(x as tf.Tensor2D).loss)(at)] as const;
        });
        const numbers = [await told[0].data<'float32'>(), await told[1].data<'float32'>()] as const;
        tf.dispose([...told]);
        return numbers;
      }),
    );
    return { ours, theirs } as Record<'ours' | 'theirs', readonly [Float32Array, Float32Array]>;
  }

  test.each([
    { clipLow: 0.2, clipHigh: 0.2 },
    { clipLow: 0, clipHigh: 0.5 },
    { clipLow: 0.1, clipHigh: 0.28, dualClip: 1.5 },
  ])('is ppoClip with the sum over the actions: %j', async (clips) => {
    await forAllAsync([rows], async (drawn) => {
      const { ours, theirs } = await both(drawn, clips);
      const [[loss, held], slopes] = ours as unknown as [[number, number], Float32Array];
      const [[expected, share], gradient] = theirs as unknown as [[number, number], Float32Array];
      expect(maxError([loss], [expected], float32)).toBeLessThanOrEqual(1);
      expect(maxError(slopes, gradient, float32)).toBeLessThanOrEqual(1);
      // ppoClip divides by the sum of the mask, which is the number of rows where all of them count.
      const counted = drawn.every((row) => row.some(({ weight }) => weight > 0.01));
      if (counted) expect(maxError([held], [share], float32)).toBeLessThanOrEqual(1);
    });
  });

  test('a ratio beyond all bounds is a number, and what is none is told', async () => {
    const run = async (moved: readonly number[]): Promise<ArrayLike<number>> => {
      const told = tf.tidy(() => {
        const logProbs = tf.tensor2d([moved as number[]]);
        const fixed = {
          oldLogProbs: tf.tensor2d([[-1, -1]]),
          advantages: tf.tensor2d([[1, -1]]),
          mask: tf.tensor2d([[0.5, 0.5]]),
        };
        const { loss, metrics } = clippedSurrogate({ clipLow: 0.2, clipHigh: 0.2 })({ logProbs, ...fixed });
        return tf.stack([loss, ...Object.values(metrics)]);
      });
      const numbers = await told.data();
      told.dispose();
      return numbers;
    };
    expect([...Array.from(await run([200, 200])), ...Array.from(await run([-200, -1e6]))].every(Number.isFinite)).toBe(
      true,
    );
    expect(Array.from(await run([Number.NaN, -1])).some(Number.isNaN)).toBe(true);
    expect(Array.from(await run([-1, Number.NaN])).some(Number.isNaN)).toBe(true);
  });
});

describe('coefficients on a schedule, and the warm-up', () => {
  const example = fc.record({ y: fc.constantFrom<0 | 1>(0, 1), old: f32(-3, 3), move: f32(-1, 1), value: f32(-2, 2) });
  const batch = fc.array(example, { minLength: 1, maxLength: 8 });
  const at = async (
    options: BinaryPpoOptions,
    step: number,
    examples: readonly { y: 0 | 1; old: number; move: number; value: number }[],
  ) => {
    const method = binaryPpo(options);
    const labels = Float64Array.from(examples, ({ y }) => y);
    const old = Float64Array.from(examples, ({ old }) => old);
    const values = Float64Array.from(examples, ({ value }) => value);
    const logits = Float64Array.from(examples, ({ old, move }) => Math.fround(old + move));
    const refLogits = old.map((z) => z / 2);
    const columns = method.prepare({ labels, logits: old, values, refLogits, rng: createRng(1) });
    return { logits, labels, ...(await evaluate(method, columns, logits, values, { step })) };
  };
  const fixed = { valueCoefficient: 0.5, supervisedCoefficient: 0.6, entropyCoefficient: 0.2, klCoefficient: 0.4 };

  test('a schedule at a step is its number there', async () => {
    const scheduled = Object.fromEntries(Object.entries(fixed).map(([name, c]) => [name, linear(0, 2 * c, 10)]));
    await forAllAsync([batch], async (examples) => {
      const baseline = 'valueHead';
      const [first, second] = [
        await at({ baseline, ...fixed }, 5, examples),
        await at({ baseline, ...scheduled }, 5, examples),
      ];
      expect(maxError([second.loss], [first.loss], float32)).toBeLessThanOrEqual(1);
      expect(maxError(second.slopes, first.slopes, float32)).toBeLessThanOrEqual(1);
      expect(Object.keys(second.metrics)).toEqual(Object.keys(first.metrics));
      const none = await at({ baseline, ...scheduled }, 0, examples);
      const policyAlone = { valueCoefficient: 0, supervisedCoefficient: 0, entropyCoefficient: 0 };
      const alone = await at({ baseline, ...policyAlone }, 0, examples);
      expect(maxError([none.loss], [alone.loss], float32)).toBeLessThanOrEqual(1);
    });
  });

  test('a schedule needs the step', () => {
    const { loss } = binaryPpo({ entropyCoefficient: linear(1, 0, 10) });
    const call = () =>
      tf.tidy(() => {
        const [row, grid] = [tf.tensor1d([1]), tf.tensor2d([[0.5, 0.5]])];
        return loss({ logits: row, labels: row, oldLogProbs: grid, weights: grid, advantages: grid, returns: grid })
          .loss;
      });
    expect(call).toThrow('scale: context.step must be given for a weight on a schedule; got undefined');
  });

  test('a schedule of the divergence from the reference asks for the reference', () => {
    expect(binaryPpo({ klCoefficient: linear(1, 0, 10) }).observes).toEqual(['logits', 'refLogits']);
  });

  test.each([0, 0.3, 1])(
    'in the warm-up the loss is cross-entropy, after it what it is without: β = %d',
    async (beta) => {
      const plain = { ...fixed, baseline: 'valueHead', supervisedCoefficient: beta } as const;
      const options = { ...plain, warmupSteps: 3 };
      await forAllAsync(
        [batch],
        async (examples) => {
          const first = await at(options, 0, examples);
          const { labels, logits } = first;
          const crossEntropy = (z: ArrayLike<number>): number =>
            labels.reduce((sum, y, i) => sum + softplus((1 - 2 * y) * (z[i] as number)) / labels.length, 0);
          const last = await at(options, 2, examples);
          for (const { loss, slopes, valueSlopes } of [first, last]) {
            expect(maxError([loss], [crossEntropy(logits)], float32)).toBeLessThanOrEqual(1);
            expect(maxError(slopes, finiteDifference(crossEntropy, logits), float32)).toBeLessThanOrEqual(1);
            expect(valueSlopes?.every((slope) => slope === 0)).toBe(true);
          }
          const [after, without] = [await at(options, 3, examples), await at(plain, 3, examples)];
          expect(maxError([after.loss], [without.loss], float32)).toBeLessThanOrEqual(1);
          expect(maxError(after.slopes, without.slopes, float32)).toBeLessThanOrEqual(1);
          // History lines are means over the steps of both kinds.
          expect(Object.keys(after.metrics)).toEqual(Object.keys(first.metrics));
          const moved = examples.map(({ old, move }) => [sigmoid(old), sigmoid(Math.fround(old + move))] as const);
          const kl = moved.reduce(
            (sum, [p, q]) => sum + (p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q))) / moved.length,
            0,
          );
          expect(maxError([first.metrics['policy/kl'] ?? Number.NaN], [kl], float32)).toBeLessThanOrEqual(1);
        },
        { runs: 20 },
      );
    },
  );

  test('the loss of the warm-up is the supervised term, whichever it is', async () => {
    const supervisedLoss = binaryCrossEntropy({ classWeights: [3, 0.5] });
    const examples = [{ y: 1, old: 0.5, move: 0.2, value: 0 }] as const;
    const { loss, logits } = await at({ supervisedLoss, supervisedCoefficient: 0.1, warmupSteps: 1 }, 0, examples);
    expect(maxError([loss], [0.5 * softplus(-(logits[0] as number))], float32)).toBeLessThanOrEqual(1);
  });

  test.each([-1, 0.5, Number.NaN])('warmupSteps of %d are refused', (warmupSteps) => {
    expect(() => binaryPpo({ warmupSteps })).toThrow(
      new OptionError('binaryPpo', 'warmupSteps', 'an integer of at least 0', warmupSteps),
    );
  });
});
