import * as tf from '@tensorflow/tfjs-core';
import { OptionError, StateError } from '@tsrl/core';
import { bco, dpo } from '@tsrl/losses';
import { bernoulliLogProbs } from '@tsrl/tensor';
import { finiteDifference, float32, float64, forAll, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BinaryFeedbackColumns, binaryFeedback } from '../src/index.ts';
import { f32 } from './evaluate.ts';
import { sigmoid } from './oracle.ts';

const example = fc.record({
  y: fc.constantFrom<0 | 1>(0, 1),
  reference: f32(-4, 4),
  old: f32(-6, 6),
  now: f32(-6, 6),
});
const batch = fc.array(example, { minLength: 1, maxLength: 10 });
const betas = fc.constantFrom(0.1, 1, 3);
type Example = typeof example extends fc.Arbitrary<infer T> ? T : never;

const unzip = (examples: readonly Example[]) => ({
  labels: Float64Array.from(examples, ({ y }) => y),
  refLogits: Float64Array.from(examples, ({ reference }) => reference),
  logits: Float64Array.from(examples, ({ old }) => old),
  now: Float64Array.from(examples, ({ now }) => now),
});

/** r(x, a) = β log(π(a|x) / π_ref(a|x)) */
const reward = (beta: number, action: number, logit: number, reference: number): number => {
  const p = (z: number): number => (action === 1 ? sigmoid(z) : 1 - sigmoid(z));
  return beta * Math.log(p(logit) / p(reference));
};

const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b) / of.length;

const shiftOf = (beta: number, examples: readonly Example[]): number => {
  const of = (a: (y: number) => number): number =>
    mean(examples.map(({ y, old, reference }) => reward(beta, a(y), old, reference)));
  return (of((y) => y) + of((y) => 1 - y)) / 2;
};

/** Loss, metrics and gradient at these logits. */
async function evaluate(beta: number, columns: BinaryFeedbackColumns, at: ArrayLike<number>, sequences?: number) {
  const { loss } = binaryFeedback({ beta });
  const { told, slopes } = tf.tidy(() => {
    const row = (values: ArrayLike<number>): tf.Tensor1D => tf.tensor1d(Float32Array.from(values));
    const fixed = {
      labels: row(columns.labels),
      refChosenLogProbs: row(columns.refChosenLogProbs),
      refRejectedLogProbs: row(columns.refRejectedLogProbs),
    };
    const run = (z: tf.Tensor1D) => loss({ logits: z, ...fixed }, sequences === undefined ? {} : { sequences });
    const result = run(row(at));
    const names = ['chosenReward', 'rejectedReward', 'margin', 'accuracy'] as const;
    const told = tf.stack([result.loss, ...names.map((name) => result.metrics[name] as tf.Scalar)]);
    return { told, slopes: tf.grad((z) => run(z as tf.Tensor1D).loss)(row(at)) };
  });
  const [value = Number.NaN, ...metrics] = await told.data<'float32'>();
  const result = { loss: value, metrics, slopes: await slopes.data<'float32'>() };
  tf.dispose([told, slopes]);
  return result;
}

test('the loss, its gradient and its metrics, against loops in float64', async () => {
  await forAllAsync([batch, betas], async (examples, beta) => {
    const { labels, refLogits, logits, now } = unzip(examples);
    const columns = binaryFeedback({ beta }).prepare({ labels, logits, refLogits });
    const shift = shiftOf(beta, examples);
    const total = (at: ArrayLike<number>): number =>
      mean(
        examples.map(({ y, reference }, i) => {
          const desired = reward(beta, y, at[i] as number, reference) - shift;
          const undesired = reward(beta, 1 - y, at[i] as number, reference) - shift;
          return -Math.log(sigmoid(desired)) - Math.log(sigmoid(-undesired));
        }),
      );
    const result = await evaluate(beta, columns, now);
    expect(maxError([result.loss], [total(now)], float32)).toBeLessThanOrEqual(1);
    expect(maxError(result.slopes, finiteDifference(total, now), float32)).toBeLessThanOrEqual(1);
    const rewards = (of: (y: number) => number): number =>
      mean(examples.map(({ y, now: z, reference }) => reward(beta, of(y), z, reference))) - shift;
    const [chosen, rejected] = [rewards((y) => y), rewards((y) => 1 - y)];
    expect(maxError(result.metrics.slice(0, 3), [chosen, rejected, chosen - rejected], float32)).toBeLessThanOrEqual(1);
  });
});

test('the shift is the mean of both classes of answers, and enters the columns alone', () => {
  forAll([batch, betas], (examples, beta) => {
    const { labels, refLogits, logits } = unzip(examples);
    const { refChosenLogProbs, refRejectedLogProbs } = binaryFeedback({ beta }).prepare({ labels, logits, refLogits });
    const shift = shiftOf(beta, examples) / beta;
    const logProb = (sign: number) =>
      labels.map((y, i) => Math.log(sigmoid(sign * (2 * y - 1) * (refLogits[i] as number))));
    expect(
      maxError(
        refChosenLogProbs,
        logProb(1).map((x) => x + shift),
        float64,
      ),
    ).toBeLessThanOrEqual(1);
    expect(
      maxError(
        refRejectedLogProbs,
        logProb(-1).map((x) => x + shift),
        float64,
      ),
    ).toBeLessThanOrEqual(1);
  });
});

test('it is twice `bco` of both answers, and above DPO of the pair', async () => {
  await forAllAsync([batch, betas], async (examples, beta) => {
    const { labels, refLogits, logits, now } = unzip(examples);
    const columns = binaryFeedback({ beta }).prepare({ labels, logits, refLogits });
    const { loss } = await evaluate(beta, columns, now);
    const others = tf.tidy(() => {
      const both = (z: ArrayLike<number>): tf.Tensor1D =>
        tf.reshape(bernoulliLogProbs(tf.tensor1d(Float32Array.from(z))), [-1]);
      const desirable = tf.tensor1d(Array.from(labels).flatMap((y) => [1 - y, y]));
      const inputs = { logProbs: both(now), refLogProbs: both(refLogits), labels: desirable };
      const { loss: unpaired } = bco({ beta, shift: shiftOf(beta, examples) })(inputs);
      const pick = (z: ArrayLike<number>, sign: number): tf.Tensor1D =>
        tf.neg(tf.softplus(tf.tensor1d(Array.from(labels, (y, i) => -sign * (2 * y - 1) * (z[i] as number)))));
      const pairs = dpo({ beta })({
        chosenLogProbs: pick(now, 1),
        rejectedLogProbs: pick(now, -1),
        refChosenLogProbs: pick(refLogits, 1),
        refRejectedLogProbs: pick(refLogits, -1),
      });
      return tf.stack([unpaired, pairs.loss]);
    });
    const [unpaired = Number.NaN, preference = Number.NaN] = await others.data<'float32'>();
    others.dispose();
    expect(maxError([loss / 2], [unpaired], float32)).toBeLessThanOrEqual(1);
    expect(loss).toBeGreaterThan(preference);
  });
});

test('before the first step δ = 0 and the loss is 2 log 2 with gradient −β (2y − 1) / 2', async () => {
  await forAllAsync([batch, betas], async (examples, beta) => {
    const { labels, refLogits } = unzip(examples);
    const columns = binaryFeedback({ beta }).prepare({ labels, logits: refLogits, refLogits });
    const { loss, slopes } = await evaluate(beta, columns, refLogits);
    expect(maxError([loss], [2 * Math.LN2], float32)).toBeLessThanOrEqual(1);
    const expected = labels.map((y) => (-beta * (2 * y - 1)) / (2 * labels.length));
    expect(maxError(slopes, expected, float32)).toBeLessThanOrEqual(1);
  });
});

test('swapping the classes changes the sign of the gradient alone', async () => {
  await forAllAsync([batch, betas], async (examples, beta) => {
    const mirror = examples.map(
      ({ y, reference, old, now }): Example => ({ y: y === 1 ? 0 : 1, reference: -reference, old: -old, now: -now }),
    );
    const [here, there] = await Promise.all(
      [examples, mirror].map((of) => evaluate(beta, binaryFeedback({ beta }).prepare(unzip(of)), unzip(of).now)),
    );
    expect(maxError([there?.loss ?? Number.NaN], [here?.loss ?? 0], float32)).toBeLessThanOrEqual(1);
    expect(maxError(there?.slopes.map((x) => -x) ?? [], here?.slopes ?? [], float32)).toBeLessThanOrEqual(1);
  });
});

test('parts with the size of the whole add up to it', async () => {
  await forAllAsync([fc.array(example, { minLength: 3, maxLength: 9 })], async (examples) => {
    const columns = binaryFeedback({ beta: 1 }).prepare(unzip(examples));
    const { now } = unzip(examples);
    const n = examples.length;
    const whole = await evaluate(1, columns, now);
    const part = (from: number, to: number) => {
      const cut = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.slice(from, to)]));
      return evaluate(1, cut as BinaryFeedbackColumns, now.slice(from, to), n);
    };
    const parts = [await part(0, 1), await part(1, n)];
    expect(maxError([parts.reduce((sum, { loss }) => sum + loss, 0)], [whole.loss], float32)).toBeLessThanOrEqual(1);
    expect(
      maxError(
        parts.flatMap(({ slopes }) => [...slopes]),
        whole.slopes,
        float32,
      ),
    ).toBeLessThanOrEqual(1);
  });
});

test('what it asks for', () => {
  const method = binaryFeedback();
  expect(method).toMatchObject({ name: 'bco', observes: ['logits', 'refLogits'] });
  const labels = Float64Array.of(0, 1);
  expect(() => method.prepare({ labels, logits: labels })).toThrow(
    new StateError('binaryFeedback', 'needs logits and refLogits'),
  );
  expect(() => method.prepare({ labels, logits: labels.slice(1), refLogits: labels })).toThrow(
    'binaryFeedback: logits must be of length 2; got length 1',
  );
  expect(() => method.prepare({ labels, logits: labels, refLogits: labels.slice(1) })).toThrow(
    'binaryFeedback: refLogits must be of length 2; got length 1',
  );
  expect(() => binaryFeedback({ beta: 0 })).toThrow(OptionError);
});
