import * as tf from '@tensorflow/tfjs-core';
import { createRng, gridOf, runningMoments } from '@tsrl/core';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  apoZeroUnpaired,
  bco,
  classMeanShift,
  fitPromptClassifier,
  kto,
  type Loss,
  type LossResult,
  matchingWeights,
  mismatched,
  pooledShift,
  promptProbabilities,
  samplePrompts,
} from '../src/index.ts';

const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0);
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

type Columns = Readonly<Record<string, readonly number[]>>;

/** Loss, gradient in the log-probs, metrics, and the largest gradient in any other input. */
function run<I>(loss: Loss<I>, columns: Columns, context = {}) {
  return tf.tidy(() => {
    const names = Object.keys(columns);
    const tensors = names.map((name) => tf.tensor1d([...(columns[name] as number[])]));
    const call = (...x: tf.Tensor[]): LossResult =>
      loss(Object.fromEntries(names.map((name, i) => [name, x[i]])) as I, context);
    const result = call(...tensors);
    const at = names.indexOf('logProbs');
    const gradient = tf.grad((x) => call(...tensors.with(at, x as tf.Tensor1D)).loss)(tensors[at] as tf.Tensor);
    return {
      loss: result.loss.dataSync()[0] as number,
      gradient: Array.from(gradient.dataSync()),
      metrics: Object.fromEntries(Object.entries(result.metrics).map(([k, x]) => [k, x.dataSync()[0] as number])),
    };
  });
}

/** Log-probs that float32 holds exactly, so that their differences are exact too. */
const logProb = fc.integer({ min: -40 * 64, max: 0 }).map((k) => k / 64);
const example = fc.record({
  now: logProb,
  ref: logProb,
  label: fc.constantFrom(0, 1),
  weight: fc.integer({ min: 0, max: 64 }).map((k) => k / 8),
});
type Example = typeof example extends fc.Arbitrary<infer E> ? E : never;
const batches = fc.array(example, { minLength: 1, maxLength: 7 });
const beta = fc.constantFrom(0.01, 0.1, 0.5);
const columnsOf = (batch: readonly Example[]): Columns => ({
  logProbs: batch.map(({ now }) => now),
  refLogProbs: batch.map(({ ref }) => ref),
  labels: batch.map(({ label }) => label),
});
const mean = (x: readonly number[]): number => (x.length === 0 ? 0 : sum(x) / x.length);
const rewardsOf = (batch: readonly Example[], b: number, label: number): number[] =>
  batch.filter((one) => one.label === label).map(({ now, ref }) => b * (now - ref));

describe('bco', () => {
  const shifts = fc.oneof(
    fc.constant('batch' as const),
    fc.integer({ min: -64, max: 64 }).map((k) => k / 32),
  );

  const shiftOf = (batch: readonly Example[], b: number, shift: number | 'batch'): number => {
    if (shift !== 'batch') return shift;
    const present = [1, 0].map((label) => rewardsOf(batch, b, label)).filter((r) => r.length > 0);
    return mean(present.map(mean));
  };

  test('is its definition, in value, gradient and metrics', () => {
    forAll([batches, beta, shifts, fc.boolean()], (batch, b, shift, weighted) => {
      const delta = shiftOf(batch, b, shift); // a constant of the gradient
      const value = (now: ArrayLike<number>): number =>
        sum(
          batch.map(({ ref, label, weight }, i) => {
            const z = b * ((now[i] as number) - ref) - delta;
            return (weighted ? weight : 1) * (label === 1 ? softplus(-z) : softplus(z));
          }),
        ) / batch.length;
      const columns = { ...columnsOf(batch), ...(weighted ? { weights: batch.map(({ weight }) => weight) } : {}) };
      const { loss, gradient, metrics } = run(bco({ beta: b, shift }), columns);
      const at = batch.map(({ now }) => now);
      expect(maxError([loss], [value(at)], float32)).toBeLessThan(1);
      expect(maxError(gradient, finiteDifference(value, at), float32)).toBeLessThan(1);
      const expected = [mean(rewardsOf(batch, b, 1)), mean(rewardsOf(batch, b, 0)), delta];
      const { desirableReward, undesirableReward, shift: told } = metrics;
      expect(maxError([desirableReward, undesirableReward, told] as number[], expected, float32)).toBeLessThan(1);
    });
  });

  test('the numbers of the specification: a pair with rewards 1.2 and -0.4', () => {
    const pair = { logProbs: [1.2, -0.4], refLogProbs: [0, 0], labels: [1, 0] };
    const total = (shift: number | 'batch'): number => run(bco({ beta: 1, shift }), pair, { sequences: 1 }).loss;
    expect(maxError([total(0), total(0.4)], [0.7762977197, 0.7422013319], float32)).toBeLessThan(1);
    expect(total('batch')).toBeCloseTo(total(0.4), 6);
    expect(run(bco({ beta: 1 }), pair).metrics['accuracy']).toBe(1);
  });

  test('bounds the DPO loss of a pair from above for every shift, by the gap of its documentation', () => {
    const reward = fc.integer({ min: -512, max: 512 }).map((k) => k / 64);
    forAll([reward, reward, reward], (won, lost, shift) => {
      const pair = { logProbs: [won, lost], refLogProbs: [0, 0], labels: [1, 0] };
      const { loss } = run(bco({ beta: 1, shift }), pair, { sequences: 1 });
      const dpo = softplus(lost - won);
      const [a, b] = [won - shift, lost - shift];
      const gap = Math.log1p((Math.exp(-a) + Math.exp(b)) / (1 + Math.exp(b - a)));
      expect(gap).toBeGreaterThan(0);
      expect(loss).toBeGreaterThanOrEqual(dpo * (1 - 1e-6));
      expect(maxError([loss], [dpo + gap], float32)).toBeLessThan(1);
      // The least gap over all shifts is at the middle, which 'batch' finds.
      const best = run(bco({ beta: 1, shift: 'batch' }), pair, { sequences: 1 }).loss;
      expect(maxError([best], [dpo + Math.log1p(1 / Math.cosh((won - lost) / 2))], float32)).toBeLessThan(1);
      expect(best).toBeLessThanOrEqual(loss * (1 + 1e-6));
    });
  });

  test('the mean of class means is the mean over examples with weights N / (2 N of the class)', () => {
    forAll([batches.filter((batch) => new Set(batch.map(({ label }) => label)).size === 2), beta], (batch, beta) => {
      const ofClass = (y: number) => batch.filter(({ label }) => label === y);
      const weights = batch.map(({ label }) => batch.length / (2 * ofClass(label).length));
      const meanOf = (y: number) =>
        sum(ofClass(y).map(({ now, ref }) => softplus((1 - 2 * y) * beta * (now - ref)))) / ofClass(y).length;
      const { loss } = run(bco({ beta }), { ...columnsOf(batch), weights });
      expect(maxError([loss], [(meanOf(0) + meanOf(1)) / 2], float32)).toBeLessThanOrEqual(1);
    });
  });

  test('negating rewards and shift and swapping the labels changes nothing', () => {
    forAll([batches, beta, shifts], (batch, b, shift) => {
      const columns = columnsOf(batch);
      const mirrored = {
        logProbs: columns['refLogProbs'] as number[],
        refLogProbs: columns['logProbs'] as number[],
        labels: (columns['labels'] as number[]).map((label) => 1 - label),
      };
      const here = run(bco({ beta: b, shift }), columns);
      const there = run(bco({ beta: b, shift: shift === 'batch' ? shift : -shift }), mirrored);
      expect(there.loss).toBeCloseTo(here.loss, 6);
      expect(
        maxError(
          there.gradient,
          here.gradient.map((g) => -g),
          float32,
        ),
      ).toBeLessThan(1);
    });
  });

  test('refuses', () => {
    expect(() => bco({ beta: 0 })).toThrow('bco: beta must be positive and finite; got 0');
    expect(() => bco({ shift: Number.NaN })).toThrow("bco: shift must be finite, or 'batch'; got NaN");
    const columns = { logProbs: [0, 0], refLogProbs: [0, 0], labels: [0, 1] };
    expect(() => run(bco(), { ...columns, labels: [1] })).toThrow('bco: labels must be float32 [2] like logProbs');
    expect(() => run(bco(), { ...columns, weights: [1] })).toThrow('bco: weights must be float32 [2] like logProbs');
  });
});

describe('the shift of bco', () => {
  const batch = fc.array(
    fc.record({ reward: fc.integer({ min: -99, max: 99 }).map((k) => k / 10), label: fc.constantFrom(0, 1) }),
    {
      maxLength: 6,
    },
  );
  const observe = (of: readonly { reward: number; label: number }[]) => ({
    rewards: of.map(({ reward }) => reward),
    labels: of.map(({ label }) => label),
  });
  const meanOf = (of: readonly { reward: number; label: number }[], label: number): number | undefined => {
    const own = of.filter((one) => one.label === label).map(({ reward }) => reward);
    return own.length === 0 ? undefined : mean(own);
  };

  test('class means: an exponential average of each class, written as the sum it is', () => {
    forAll([fc.array(batch, { maxLength: 6 }), fc.constantFrom(0, 0.5, 0.9)], (steps, decay) => {
      const tracker = classMeanShift({ decay });
      const state = steps.reduce((at, one) => tracker.update(at, observe(one)), tracker.initial);
      const averages = [1, 0].map((label) => {
        const seen = steps.map((one) => meanOf(one, label)).filter((m) => m !== undefined);
        if (seen.length === 0) return undefined;
        const last = seen.length - 1;
        return sum(seen.map((m, i) => m * decay ** (last - i) * (i === 0 ? 1 : 1 - decay)));
      });
      const known = averages.filter((m) => m !== undefined);
      expect(tracker.shift(state)).toBeCloseTo(mean(known), 9);
    });
  });

  test('pooled: the mean of everything seen, and the class means where they are balanced', () => {
    forAll([fc.array(batch, { maxLength: 6 })], (steps) => {
      const state = steps.reduce((at, one) => pooledShift.update(at, observe(one)), pooledShift.initial);
      expect(pooledShift.shift(state)).toBeCloseTo(mean(steps.flat().map(({ reward }) => reward)), 9);
      expect(state.count).toBe(steps.flat().length);
    });
    const balanced = { rewards: [1, 2, -3, 4], labels: [1, 0, 0, 1] };
    const { initial, update, shift } = classMeanShift();
    expect(shift(update(initial, balanced))).toBe(pooledShift.shift(pooledShift.update(pooledShift.initial, balanced)));
    expect(pooledShift.initial).toBe(runningMoments.initial);
  });

  test('starts at 0, takes the class that there is, and its state is JSON', () => {
    const { initial, update, shift } = classMeanShift();
    expect(shift(initial)).toBe(0);
    const one = update(initial, { rewards: [2, 4], labels: [0, 0] });
    expect(shift(one)).toBe(3);
    expect(shift(JSON.parse(JSON.stringify(update(one, { rewards: [5], labels: [1] }))))).toBe(4);
  });

  test('refuses', () => {
    expect(() => classMeanShift({ decay: 1 })).toThrow('decay must be in [0, 1); got 1');
    for (const [who, tracker] of Object.entries({ classMeanShift: classMeanShift(), pooledShift })) {
      const update = (rewards: number[], labels: number[]): unknown =>
        tracker.update(tracker.initial as never, { rewards, labels });
      expect(() => update([1, 2], [1])).toThrow(`${who}: labels must be of length 2; got length 1`);
      expect(() => update([1], [2])).toThrow(`${who}: label 0 must be 0 or 1; got 2`);
      expect(() => update([Number.NaN], [1])).toThrow(`${who}: rewards must be finite; got NaN`);
    }
  });
});

describe('underlying distribution matching', () => {
  const value = fc.integer({ min: -300, max: 300 }).map((k) => k / 100);
  const prompts = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 8 })).chain(([size, more]) =>
    fc.record({
      rows: fc.array(fc.array(value, { minLength: size, maxLength: size }), {
        minLength: more + 2,
        maxLength: more + 2,
      }),
      labels: fc.array(fc.constantFrom(0, 1), { minLength: more, maxLength: more }).map((rest) => [1, 0, ...rest]),
      C: fc.constantFrom(0.1, 1, 10),
    }),
  );
  const logOddsOf = (weights: ArrayLike<number>, bias: number, row: readonly number[]): number =>
    row.reduce((z, e, j) => z + e * (weights[j] as number), bias);
  /** The definition, at a point (w…, b). */
  const penalized = (rows: readonly number[][], labels: readonly number[], C: number) => (x: ArrayLike<number>) => {
    const size = x.length - 1;
    const n1 = labels.filter((y) => y === 1).length;
    let total = 0;
    for (let j = 0; j < size; j++) total += (x[j] as number) ** 2 / 2;
    rows.forEach((row, i) => {
      const z = logOddsOf(x, x[size] as number, row);
      const c = rows.length / (2 * (labels[i] === 1 ? n1 : rows.length - n1));
      total += C * c * softplus(labels[i] === 1 ? -z : z);
    });
    return total;
  };

  test('the fit is where the penalized loss has no slope, and higher around', () => {
    forAll([prompts, fc.integer()], ({ rows, labels, C }, seed) => {
      const { weights, bias } = fitPromptClassifier({ embeddings: gridOf(rows), labels }, { inverseRegularization: C });
      const objective = penalized(rows, labels, C);
      const at = [...weights, bias];
      for (const slope of finiteDifference(objective, at))
        expect(Math.abs(slope)).toBeLessThan(1e-7 * (1 + C * rows.length));
      const rng = createRng(seed >>> 0);
      const near = at.map((x) => x + 0.1 * rng.normal());
      expect(objective(near)).toBeGreaterThan(objective(at));
    });
  });

  test('one symmetric feature: the root of w = C Σ e sigmoid(−w e), by bisection', () => {
    let [low, high] = [0, 10];
    for (let i = 0; i < 80; i++) {
      const w = (low + high) / 2;
      if (2 * sigmoid(-w) + 2 * 3 * sigmoid(-3 * w) > w) low = w;
      else high = w;
    }
    const { weights, bias } = fitPromptClassifier({ embeddings: gridOf([[1], [3], [-1], [-3]]), labels: [1, 1, 0, 0] });
    expect(weights[0]).toBeCloseTo(low, 9);
    expect(bias).toBeCloseTo(0, 9);
  });

  test('copies of one class change nothing: the classes weigh the same', () => {
    // With w held by the penalty relative to C N, doubling all of one class and halving C (N: 4 to 6) keeps the minimum.
    const [up, down] = [
      [
        [1, 2],
        [0, 3],
      ],
      [
        [-1, 0],
        [2, -1],
      ],
    ];
    const once = fitPromptClassifier(
      { embeddings: gridOf([...up, ...down]), labels: [1, 1, 0, 0] },
      { inverseRegularization: 3 },
    );
    const twice = fitPromptClassifier(
      { embeddings: gridOf([...up, ...down, ...down]), labels: [1, 1, 0, 0, 0, 0] },
      { inverseRegularization: 2 },
    );
    expect(maxError([...twice.weights, twice.bias], [...once.weights, once.bias])).toBeLessThan(1);
  });

  test('as many dimensions as an embedding has, and more than there are prompts', () => {
    const rng = createRng(3);
    const [count, size] = [60, 384];
    const labels = Array.from({ length: count }, (_, i) => i % 2);
    const rows = labels.map((label) =>
      Array.from({ length: size }, (_, j) => rng.normal() + (j === 0 ? 2 * label : 0)),
    );
    const fit = fitPromptClassifier({ embeddings: gridOf(rows), labels });
    const p = promptProbabilities(fit, gridOf(rows));
    // At the minimum Σ c_i (p_i − y_i) = 0 and w = C Σ c_i (y_i − p_i) e_i; here c_i = 1.
    expect(sum(p)).toBeCloseTo(count / 2, 7);
    const w = rows[0]?.map((_, j) =>
      sum(rows.map((row, i) => ((labels[i] as number) - (p[i] as number)) * (row[j] as number))),
    );
    expect(maxError(fit.weights, w as number[])).toBeLessThan(1);
  });

  test('recovers the density ratio of two normal distributions', () => {
    // log N(x; 1, 1) / N(x; −1, 1) = 2 x, for any share of the classes.
    const rng = createRng(5);
    const labels = Array.from({ length: 40_000 }, (_, i) => (i % 4 === 0 ? 1 : 0));
    const rows = labels.map((label) => [rng.normal() + (label === 1 ? 1 : -1)]);
    const { weights, bias } = fitPromptClassifier({ embeddings: gridOf(rows), labels });
    expect(Math.abs((weights[0] as number) - 2)).toBeLessThan(0.2);
    expect(Math.abs(bias)).toBeLessThan(0.2);
  });

  test('the weights: 1 for the desirable, the clamped odds for the others', () => {
    const labels = [0, 0, 0, 0, 0, 1, 1];
    const weights = matchingWeights({ probabilities: [0, 0.5, 0.75, 0.99, 1, 0.1, 0.9], labels });
    expect(maxError(weights, [0.5, 1, 3, 10, 10, 1, 1])).toBeLessThan(1);
    const wide = matchingWeights(
      { probabilities: [0, 1], labels: [0, 0] },
      { minDensityRatio: 0, maxDensityRatio: 99 },
    );
    expect([...wide]).toEqual([0, 99]);
  });

  test('the sample: rows of each class, in order, no more than asked for, all of them equally often', () => {
    const labels = [1, 0, 1, 1, 0, 0, 0, 1];
    expect([...samplePrompts(labels, createRng(1))]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const drawn = Array<number>(8).fill(0);
    const rng = createRng(2);
    for (let i = 0; i < 2000; i++) {
      const rows = samplePrompts(labels, rng, { perClass: 2 });
      expect(rows.map((row) => labels[row] as number).reduce((a, b) => a + b)).toBe(2);
      expect(rows).toHaveLength(4);
      expect([...rows].sort((a, b) => a - b)).toEqual([...rows]);
      for (const row of rows) drawn[row]! += 1;
    }
    for (const count of drawn) expect(Math.abs(count - 1000)).toBeLessThan(120); // five deviations of 22
  });

  test('refuses', () => {
    const embeddings = gridOf([[1], [2]]);
    const classify = (labels: number[], C = 1) =>
      fitPromptClassifier({ embeddings, labels }, { inverseRegularization: C });
    expect(() => classify([1, 0], 0)).toThrow('inverseRegularization must be positive and finite; got 0');
    expect(() => classify([1])).toThrow('labels must be of length 2; got length 1');
    expect(() => classify([1, 3])).toThrow('label 1 must be 0 or 1; got 3');
    expect(() => classify([1, 1])).toThrow('prompts of both classes are needed; none of the 2 is undesirable');
    expect(() => classify([0, 0])).toThrow('none of the 2 is desirable');
    const classifier = classify([1, 0]);
    expect(() => promptProbabilities(classifier, gridOf([[1, 2]]))).toThrow('embeddings must be [N, 1]; got [1, 2]');
    expect(() => promptProbabilities(classifier, gridOf([[1], [Number.NaN]]))).toThrow(
      'promptProbabilities: embeddings must be finite; got NaN in row 1, column 0',
    );
    expect(() => promptProbabilities(classifier, { rows: 2, columns: 1, data: new Float64Array(3) })).toThrow(
      'embeddings must be [2, 1] = 2 numbers; got 3 numbers',
    );
    const weigh = (p: number, options = {}) => matchingWeights({ probabilities: [p], labels: [0] }, options);
    expect(() => weigh(1.5)).toThrow('probability 0 must be in [0, 1]; got 1.5');
    expect(() => weigh(0.5, { minDensityRatio: -1 })).toThrow('minDensityRatio must be at least 0; got -1');
    expect(() => weigh(0.5, { maxDensityRatio: 0.1 })).toThrow(
      'maxDensityRatio must be finite and at least 0.5; got 0.1',
    );
    expect(() => samplePrompts([1], createRng(1), { perClass: 0 })).toThrow(
      'perClass must be a whole number of at least 1',
    );
    const huge = gridOf([[1e200], [-1e200], [2e200]]);
    expect(() => fitPromptClassifier({ embeddings: huge, labels: [1, 0, 0] })).toThrow('scale the points down');
  });
});

describe('kto', () => {
  const pairs = fc.array(fc.tuple(logProb, logProb), { maxLength: 5 });
  const weights = fc.constantFrom(0, 0.7, 1, 1.33);
  const referenceOf = (of: readonly (readonly [number, number])[]): number =>
    Math.max(0, mean(of.map(([p, q]) => p - q)));

  test('is its definition, in value, gradient and metrics', () => {
    forAll([batches, pairs, beta, weights, weights], (batch, others, b, desirableWeight, undesirableWeight) => {
      const columns = {
        ...columnsOf(batch),
        klLogProbs: others.map(([p]) => p),
        refKlLogProbs: others.map(([, q]) => q),
      };
      const z0 = referenceOf(others);
      const value = (now: ArrayLike<number>): number =>
        sum(
          batch.map(({ ref, label }, i) => {
            const r = (now[i] as number) - ref;
            return label === 1
              ? desirableWeight * (1 - sigmoid(b * (r - z0)))
              : undesirableWeight * (1 - sigmoid(b * (z0 - r)));
          }),
        ) / batch.length;
      const { loss, gradient, metrics } = run(kto({ beta: b, desirableWeight, undesirableWeight }), columns);
      const at = batch.map(({ now }) => now);
      expect(maxError([loss], [value(at)], float32)).toBeLessThan(1);
      expect(maxError(gradient, finiteDifference(value, at), float32)).toBeLessThan(1);
      const expected = [mean(rewardsOf(batch, b, 1)), mean(rewardsOf(batch, b, 0)), z0];
      const { desirableReward, undesirableReward, kl } = metrics;
      expect(maxError([desirableReward, undesirableReward, kl] as number[], expected, float32)).toBeLessThan(1);
      expect(loss).toBeLessThanOrEqual(Math.fround(Math.max(desirableWeight, undesirableWeight)));
      expect(loss).toBeGreaterThanOrEqual(0);
    });
  });

  test('the numbers of the specification: r = 0.8 and -0.3, z0 = 0.2', () => {
    const reference = { klLogProbs: [0.2], refKlLogProbs: [0] };
    const one = (r: number, label: number): number =>
      run(kto(), { logProbs: [r], refLogProbs: [0], labels: [label], ...reference }).loss;
    expect(maxError([one(0.8, 1), one(-0.3, 0)], [0.4850044984, 0.4875026035], float32)).toBeLessThan(1);
    expect(one(0.2, 1)).toBeCloseTo(0.5, 6);
  });

  test('no gradient flows through the estimate of the divergence', () => {
    const [x, zero] = [tf.tensor1d([-1, -2]), tf.zeros<tf.Rank.R1>([2])];
    const total = tf.grad(
      (p) =>
        kto()({
          logProbs: p as tf.Tensor1D,
          refLogProbs: zero,
          labels: zero,
          klLogProbs: p as tf.Tensor1D,
          refKlLogProbs: zero,
        }).loss,
    )(x);
    const own = tf.grad(
      (p) =>
        kto()({ logProbs: p as tf.Tensor1D, refLogProbs: zero, labels: zero, klLogProbs: x, refKlLogProbs: zero }).loss,
    )(x);
    expect([...total.dataSync()]).toEqual([...own.dataSync()]);
    tf.dispose([x, zero, total, own]);
  });

  test('without a reference it is APO-zero, whose pair is its two halves', () => {
    forAll([batches, beta], (batch, b) => {
      const none = { klLogProbs: [], refKlLogProbs: [] };
      const unpaired = run(apoZeroUnpaired({ beta: b }), columnsOf(batch));
      const here = run(kto({ beta: b }), { ...columnsOf(batch), ...none });
      expect(unpaired.loss).toBe(here.loss);
      expect(unpaired.gradient).toEqual(here.gradient);
      const [won, lost] = batch.map(({ now, ref }) => now - ref);
      if (lost === undefined) return;
      const pair = columnsOf([
        { ...(batch[0] as Example), label: 1 },
        { ...(batch[1] as Example), label: 0 },
      ]);
      const apo = 1 - sigmoid(b * (won as number)) + sigmoid(b * lost);
      expect(maxError([run(apoZeroUnpaired({ beta: b }), pair, { sequences: 1 }).loss], [apo], float32)).toBeLessThan(
        1,
      );
    });
  });

  test('every prompt gets the completion of another, and every completion is used once', () => {
    forAll([fc.integer({ min: 2, max: 9 }), fc.nat()], (count, seed) => {
      const others = mismatched(count, createRng(seed));
      expect(others.every((other, i) => other !== i)).toBe(true);
      expect(others.toSorted()).toEqual(Int32Array.from({ length: count }, (_, i) => i));
    });
    const shifts = new Set(Array.from({ length: 60 }, (_, seed) => mismatched(5, createRng(seed))[0]));
    expect([...shifts].sort()).toEqual([1, 2, 3, 4]);
  });

  test('refuses', () => {
    expect(() => kto({ beta: -1 })).toThrow('kto: beta must be positive and finite; got -1');
    expect(() => kto({ desirableWeight: -1 })).toThrow(
      'kto: desirableWeight must be a finite number of at least 0; got -1',
    );
    expect(() => apoZeroUnpaired({ undesirableWeight: Infinity })).toThrow(
      'apoZeroUnpaired: undesirableWeight must be a finite',
    );
    expect(() => mismatched(1, createRng(1))).toThrow('mismatched: count must be a whole number of at least 2; got 1');
    const columns = { logProbs: [0], refLogProbs: [0], labels: [1], klLogProbs: [0, 1], refKlLogProbs: [0] };
    expect(() => run(kto(), columns)).toThrow('kto: refKlLogProbs must be float32 [2] like klLogProbs');
    expect(() => run(kto(), { ...columns, refKlLogProbs: [0, 0], refLogProbs: [0, 0] })).toThrow(
      'kto: refLogProbs must be',
    );
  });
});
