import * as tf from '@tensorflow/tfjs-core';
import { analyticBaseline, gae } from '@tsrl/advantages';
import { createRng, DataError, type Grid, gridOf, OptionError, StateError } from '@tsrl/core';
import { binaryCrossEntropy } from '@tsrl/losses';
import {
  backwardCorrected,
  constantReward,
  costWeighted,
  logComplement,
  logScore,
  printed,
  probReward,
  surprise,
} from '@tsrl/rewards';
import { confidenceRewards } from '@tsrl/rewards/registry';
import { finiteDifference, float32, float64, forAll, forAllAsync, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  adaptive,
  type BinaryPpo,
  type BinaryPpoColumns,
  type BinaryPpoInputs,
  type BinaryPpoOptions,
  binaryPpo,
  enumerateActions,
  labelActions,
  paper,
  ppoOnly as ppoOnlyPreset,
  rewardsOfActions,
  sampleActions,
  stable,
  supervised,
} from '../src/index.ts';
import { evaluate, f32, rowsOf } from './evaluate.ts';
import { oracleColumns, oracleTerms, sigmoid, sumOf } from './oracle.ts';

const policyOnly = { supervisedCoefficient: 0, entropyCoefficient: 0 } as const;
const rng = () => createRng(1);

const label = fc.constantFrom<0 | 1>(0, 1);
/** One example: label, z of the behaviour policy, its value, how far the policy has moved since, and its value now. */
const example = fc.record({ y: label, old: f32(-4, 4), v: f32(-2, 2), move: f32(-1, 1), value: f32(-2, 2) });
type Example = typeof example extends fc.Arbitrary<infer T> ? T : never;
const batch = fc.array(example, { minLength: 1, maxLength: 12 });

const unzip = (examples: readonly Example[]) => ({
  labels: Float64Array.from(examples, ({ y }) => y),
  old: Float64Array.from(examples, ({ old }) => old),
  v: Float64Array.from(examples, ({ v }) => v),
  logits: Float64Array.from(examples, ({ old, move }) => Math.fround(old + move)),
  values: Float64Array.from(examples, ({ value }) => value),
});

/** Advantages, weights and so on of one refresh, with a value head's values where they are asked for. */
const prepared = (options: BinaryPpoOptions, examples: readonly Example[], seed = 1): BinaryPpoColumns => {
  const { labels, old, v } = unzip(examples);
  return binaryPpo(options).prepare({ labels, logits: old, values: v, rng: createRng(seed) });
};

/** How far the values are from the kinks of the clipped value loss. */
function examplesApart(
  values: ArrayLike<number>,
  old: ArrayLike<number>,
  returns: readonly (readonly [number, number])[],
  clip: number,
): number {
  const distances = returns.flatMap((row, i) => {
    const [value, start] = [values[i] as number, old[i] as number];
    const near = Math.min(Math.max(value, start - clip), start + clip);
    return row.map((target) =>
      Math.min(
        Math.abs(Math.abs(value - start) - clip),
        near === value ? Infinity : Math.abs(Math.abs(value - target) - Math.abs(near - target)),
      ),
    );
  });
  return Math.min(...distances);
}

const swapped = (grid: Grid): Float64Array => gridOf(rowsOf(grid).map(([a, b]) => [b, a])).data;

describe('the whole of 2.8 and 2.9 against loops in float64', () => {
  const variants: Record<string, BinaryPpoOptions> = {
    stable: {},
    'value head': { baseline: 'valueHead' },
    'value head, whitened': { baseline: 'valueHead', normalize: 'whiten', valueCoefficient: 2 },
    sampled: { actions: 'sample' },
    'the paper': { actions: 'sample', baseline: 'valueHead', normalize: 'whiten' },
    'five draws, not normalised': { actions: 'sample', samplesPerExample: 5, baseline: 'valueHead', normalize: 'none' },
    'clip higher, dual clip': { clipLow: 0.1, clipHigh: 0.28, dualClip: 1.5, normalize: 'none' },
    'all terms large': { supervisedCoefficient: 3, entropyCoefficient: 2 },
    'policy alone': policyOnly,
    'the action of the label': { actions: 'label' },
    'mean of the batch': { baseline: 'batchMean' },
    'mean of the batch, sampled': { actions: 'sample', samplesPerExample: 2, baseline: 'batchMean', normalize: 'none' },
    'no baseline': { baseline: 'none', normalize: 'whiten' },
    'rewards and advantages clipped': { rewardClip: 0.7, advantageClip: 0.9, advantageScale: 3, baseline: 'valueHead' },
    'values clipped': { baseline: 'valueHead', valueClip: 0.4 },
    'near a reference': { klCoefficient: 0.7 },
    'near a reference, reversed': { klCoefficient: 2, klDirection: 'reverse' },
  };

  test.each(Object.entries(variants))('%s', async (_, options) => {
    const { actions, samplesPerExample = 1, baseline, normalize, rewardClip, advantageClip, advantageScale } = options;
    const { valueClip, klCoefficient: kl = 0, klDirection } = options;
    const { clipLow = 0.2, clipHigh = clipLow, dualClip } = options;
    const { valueCoefficient = 0.5, supervisedCoefficient = 0.1, entropyCoefficient = 0.01 } = options;
    const alpha = baseline === 'valueHead' ? valueCoefficient : 0;
    const clips = { clipLow, clipHigh, dualClip, valueClip };
    const coefficients = { alpha, beta: supervisedCoefficient, gamma: entropyCoefficient, kl };
    const weights = { ...clips, ...(coefficients as Record<keyof typeof coefficients, number>), klDirection };
    const method = binaryPpo(options);

    await forAllAsync(
      [batch],
      async (examples) => {
        const { labels, old, v, logits, values } = unzip(examples);
        const refLogits = old.map((z, i) => Math.fround(0.5 * z - (v[i] as number)));
        const columns = method.prepare({ labels, logits: old, values: v, refLogits, rng: rng() });
        const counts = rowsOf(columns.weights).map((row) => row.map((w) => Math.round(w * samplesPerExample)));
        const expected = oracleColumns(labels, old, v, {
          ...(baseline && { baseline }),
          ...(normalize && { normalize }),
          ...(actions === 'sample' && { counts }),
          imitate: actions === 'label',
          ...(rewardClip && { rewardClip }),
          ...(advantageClip && { advantageClip }),
          ...(advantageScale && { advantageScale }),
        });
        for (const name of ['weights', 'advantages', 'returns'] as const) {
          expect(maxError(columns[name].data, expected[name].data, float64)).toBeLessThanOrEqual(1);
        }
        for (const [w0, w1] of rowsOf(columns.weights)) expect(w0 + w1).toBeCloseTo(1, 14);
        expect(columns.labels).toEqual(labels);
        expect(maxError(columns.oldLogProbs.data, expected.oldLogProbs.data, float64)).toBeLessThanOrEqual(1);

        // A kink of the clipping is no place for a difference quotient.
        const ratios = Array.from(logits, (z, i) => {
          const [p, q] = [sigmoid(z), sigmoid(old[i] as number)];
          return [p / q, (1 - p) / (1 - q)];
        }).flat();
        const kinks = [1 - clipLow, 1 + clipHigh, dualClip ?? 1 + clipHigh];
        fc.pre(ratios.every((ratio) => kinks.every((kink) => Math.abs(ratio - kink) > 1e-4)));

        const given = { ...expected, oldValues: v, refLogits };
        if (valueClip !== undefined) {
          // The ends of the range, and the points where both errors are equal.
          const apart = examplesApart(values, v, rowsOf(expected.returns), valueClip);
          fc.pre(apart > 1e-3);
        }
        const total = (z: ArrayLike<number>, at: ArrayLike<number>): number =>
          sumOf(oracleTerms(z, at, given, weights));
        const terms = oracleTerms(logits, values, given, weights);
        const result = await evaluate(method, columns, logits, values);
        for (const [name, term] of Object.entries(terms)) {
          const metric = result.metrics[`${name}/loss`];
          if (metric === undefined) expect(term).toBe(0);
          else expect(maxError([metric], [term], float32)).toBeLessThanOrEqual(1);
        }
        expect(maxError([result.loss], [sumOf(terms)], float32)).toBeLessThanOrEqual(1);
        const slopes = finiteDifference((z) => total(z, values), logits);
        expect(maxError(result.slopes, slopes, float32)).toBeLessThanOrEqual(1);
        const valueSlopes = finiteDifference((at) => total(logits, at), values);
        expect(maxError(result.valueSlopes ?? [], valueSlopes, float32)).toBeLessThanOrEqual(1);
      },
      { runs: 40 },
    );
  });

  test('the defaults are the preset stable', () => {
    const examples: Example[] = [
      { y: 1, old: 0.4, v: 0, move: 0.3, value: 0 },
      { y: 0, old: -1, v: 0, move: 1, value: 0 },
    ];
    expect(binaryPpo()).toMatchObject({ name: 'binary-ppo', observes: ['logits'] });
    expect(binaryPpo({ baseline: 'valueHead' }).observes).toEqual(['logits', 'values']);
    expect(prepared({}, examples)).toEqual(
      prepared(
        { reward: logComplement({ cap: 5, kappa: 1 }), actions: 'enumerate', baseline: 'analytic', normalize: 'scale' },
        examples,
      ),
    );
  });

  test('the golden numbers of 2.3: z = 0.4', () => {
    const one = { y: 1, old: 0.4, v: 0, move: 0, value: 0 } as const;
    const { weights, advantages } = prepared({ normalize: 'none', reward: logComplement({ cap: 50 }) }, [one]);
    expect(maxError(weights.data, [0.401312339888, 0.598687660112])).toBeLessThanOrEqual(1);
    expect(maxError(advantages.data, [-0.853746866168, 0.572283638632])).toBeLessThanOrEqual(1);
    const labels = [1];
    const rewards = rewardsOfActions(logComplement(), { labels, logits: [0.4] });
    expect(maxError(rewards.data, [-0.5130152524, 0.9130152524])).toBeLessThanOrEqual(1);
  });

  test('parts with the size of the whole add up to it', async () => {
    const draw = createRng(5);
    const examples = Array.from({ length: 7 }, (_, i): Example => {
      return { y: i % 2 === 0 ? 0 : 1, old: draw.normal(), v: 0, move: draw.normal(), value: draw.normal() };
    });
    const method = binaryPpo({ baseline: 'valueHead' });
    const columns = prepared({ baseline: 'valueHead' }, examples);
    const { logits, values } = unzip(examples);
    const whole = await evaluate(method, columns, logits, values);
    const part = async (from: number, to: number) => {
      const cut = ({ data }: Grid): Grid => ({ data: data.slice(2 * from, 2 * to), rows: to - from, columns: 2 });
      const some = {
        labels: columns.labels.slice(from, to),
        oldLogProbs: cut(columns.oldLogProbs),
        weights: cut(columns.weights),
        advantages: cut(columns.advantages),
        returns: cut(columns.returns),
      };
      return evaluate(method, some, logits.slice(from, to), values.slice(from, to), { sequences: 7 });
    };
    const parts = [await part(0, 1), await part(1, 5), await part(5, 7)];
    const losses = parts.reduce((sum, { loss }) => sum + loss, 0);
    expect(maxError([losses], [whole.loss], float32)).toBeLessThanOrEqual(1);
    expect(
      maxError(
        parts.flatMap(({ slopes }) => [...slopes]),
        whole.slopes,
        float32,
      ),
    ).toBeLessThanOrEqual(1);
  });
});

describe('property tests of 2.14', () => {
  test.each(Object.values(confidenceRewards))('1. lemma 2.1: $name', async ({ create }) => {
    const reward = create();
    const options = { reward, normalize: 'none', ...policyOnly } as const;
    await forAllAsync(
      [batch],
      async (examples) => {
        const { labels, old } = unzip(examples);
        const n = labels.length;
        const columns = prepared(options, examples);
        const expected = Array.from(labels, (y, i) => {
          const z = old[i] as number;
          const r = (action: 0 | 1): number => reward({ action, label: y === 1 ? 1 : 0, logit: z });
          const gap = y === 1 ? r(1) - r(0) : r(0) - r(1);
          const right = y === 1 ? sigmoid(z) : sigmoid(-z);
          const [a, b] = [(1 - right) * gap, -right * gap];
          expect(maxError(rowsOf(columns.advantages)[i] as number[], y === 1 ? [b, a] : [a, b])).toBeLessThanOrEqual(1);
          const mean = (at: ArrayLike<number>): number =>
            sigmoid(at[0] as number) * r(1) + sigmoid(-(at[0] as number)) * r(0);
          const gain = finiteDifference(mean, [z])[0] as number;
          expect(gain).toBeCloseTo(right * (1 - right) * gap * (2 * y - 1), 8);
          return (-right * (1 - right) * gap * (2 * y - 1)) / n;
        });
        const { slopes } = await evaluate(binaryPpo(options), columns, old);
        expect(maxError(slopes, expected, float32)).toBeLessThanOrEqual(1);
      },
      { runs: 20 },
    );
  });

  test('2. identities between rewards, as advantages against the exact baseline', () => {
    forAll([batch], (examples) => {
      const of = (reward: BinaryPpoOptions['reward']): Float64Array =>
        prepared({ ...(reward && { reward }), normalize: 'none' }, examples).advantages.data;
      const half = of(constantReward()).map((a) => a / 2);
      expect(maxError(of(probReward()), half)).toBeLessThanOrEqual(1);
      const cap = Number.POSITIVE_INFINITY;
      expect(maxError(of(surprise({ cap })), of(logComplement({ cap })))).toBeLessThanOrEqual(1);
      expect(
        maxError(
          of(logScore({ offset: 3 })),
          half.map((a) => 3 * a),
        ),
      ).toBeLessThanOrEqual(1);
      const { labels, old } = unzip(examples);
      const rewards = (reward: ReturnType<typeof printed>): Grid => rewardsOfActions(reward, { labels, logits: old });
      expect(maxError(rewards(printed({ cap })).data, swapped(rewards(logComplement({ cap }))))).toBeLessThanOrEqual(1);
      expect(
        maxError(
          rewards(printed()).data.map((r) => -r),
          rewards(surprise()).data,
        ),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('3. an episode of one step: GAE for any gamma and lambda is r − V', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    forAll([batch, unit, unit], (examples, gamma, lambda) => {
      const { labels, old, v } = unzip(examples);
      const rewards = rewardsOfActions(logComplement(), { labels, logits: old });
      const [rewards0, rewards1] = [0, 1].map((a) => rowsOf(rewards).map((row) => row[a] as number)) as [
        number[],
        number[],
      ];
      for (const baseline of ['valueHead', 'analytic'] as const) {
        const value = baseline === 'valueHead' ? v : analyticBaseline({ logits: old, rewards0, rewards1 });
        const steps = { rows: 2 * labels.length, columns: 1 };
        const values = { ...steps, data: Float64Array.from(rewards.data, (_, i) => value[i >> 1] as number) };
        const mask = { ...steps, data: new Float64Array(steps.rows).fill(1) };
        const { advantages } = gae({ rewards: { ...steps, data: rewards.data }, values, mask }, { gamma, lambda });
        const ours = prepared({ baseline, normalize: 'none' }, examples).advantages;
        expect(maxError(ours.data, advantages.data)).toBeLessThanOrEqual(1);
      }
    });
  });

  test.each([1, 3])('4. the gradient of %i drawn action(s) is that of both in the mean', async (samplesPerExample) => {
    const kinds: Example[] = [
      { y: 1, old: -0.7, v: 0.4, move: 0.15, value: 0 },
      { y: 0, old: 0.2, v: -1, move: 0.9, value: 0 },
      { y: 1, old: 1.1, v: 0, move: 0.5, value: 0 },
    ];
    const copies = 400;
    const seeds = 20;
    for (const baseline of ['analytic', 'valueHead', 'none'] as const) {
      const options = { baseline, normalize: 'none', valueCoefficient: 0, ...policyOnly } as const;
      const exact = await evaluate(binaryPpo(options), prepared(options, kinds), unzip(kinds).logits);
      const many = Array.from({ length: copies * kinds.length }, (_, i) => kinds[i % kinds.length] as Example);
      const sampled = { ...options, actions: 'sample', samplesPerExample } as const;
      const sums = kinds.map(() => ({ n: 0, sum: 0, squares: 0 }));
      for (let seed = 0; seed < seeds; seed++) {
        const { slopes } = await evaluate(binaryPpo(sampled), prepared(sampled, many, seed), unzip(many).logits);
        slopes.forEach((slope, i) => {
          const at = sums[i % kinds.length] as (typeof sums)[number];
          const x = slope * copies; // of a minibatch of the three kinds
          at.n += 1;
          at.sum += x;
          at.squares += x * x;
        });
      }
      sums.forEach(({ n, sum, squares }, i) => {
        const mean = sum / n;
        const error = Math.sqrt((squares / n - mean ** 2) / n);
        expect(error).toBeGreaterThan(0);
        expect(Math.abs(mean - (exact.slopes[i] as number))).toBeLessThan(4 * error + 1e-6);
      });
    }
  });

  test('5. one snapshot moves q to p + eps max(p, 1 − p), and no further', async () => {
    const eps = fc.constantFrom(0.1, 0.2, 0.3);
    const unit = fc.double({ min: 0.02, max: 0.98, noNaN: true });
    const logit = (p: number): number => Math.fround(Math.log(p / (1 - p)));
    await forAllAsync([unit, unit, eps, label], async (p, q, clipLow, y) => {
      const bound = p + clipLow * Math.max(p, 1 - p);
      fc.pre(Math.abs(q - bound) > 1e-4);
      const sign = y === 1 ? 1 : -1;
      const options = { clipLow, normalize: 'none', ...policyOnly } as const;
      const columns = prepared(options, [{ y, old: sign * logit(p), v: 0, move: 0, value: 0 }]);
      const { slopes } = await evaluate(binaryPpo(options), columns, [sign * logit(q)]);
      if (q > bound) expect(slopes[0] as number).toBeCloseTo(0, 10);
      else expect(-sign * (slopes[0] as number)).toBeGreaterThan(1e-5);
    });
    let q = 0.5;
    const way = [0, 1, 2, 3].map(() => {
      q = Math.min(1, q + 0.2 * Math.max(q, 1 - q));
      return q;
    });
    expect(maxError(way, [0.6, 0.72, 0.864, 1])).toBeLessThanOrEqual(1);
  });

  test.each(Object.values(confidenceRewards))('6. swapping the classes changes nothing: $name', async ({ create }) => {
    await forAllAsync(
      [
        batch,
        fc.constantFrom<BinaryPpoOptions>(
          { baseline: 'analytic' },
          { baseline: 'valueHead' },
          { baseline: 'batchMean' },
          { baseline: 'none' },
          { actions: 'label' },
        ),
      ],
      async (examples, mode) => {
        const options = { reward: create(), ...mode };
        const mirror = examples.map((e): Example => ({ ...e, y: e.y === 1 ? 0 : 1, old: -e.old, move: -e.move }));
        const [here, there] = [prepared(options, examples), prepared(options, mirror)];
        for (const name of ['weights', 'advantages', 'returns'] as const) {
          expect(maxError(there[name].data, swapped(here[name]))).toBeLessThanOrEqual(1);
        }
        const values = unzip(examples).values;
        const first = await evaluate(binaryPpo(options), here, unzip(examples).logits, values);
        const second = await evaluate(binaryPpo(options), there, unzip(mirror).logits, values);
        expect(maxError([second.loss], [first.loss], float32)).toBeLessThanOrEqual(1);
        expect(
          maxError(
            second.slopes.map((x) => -x),
            first.slopes,
            float32,
          ),
        ).toBeLessThanOrEqual(1);
      },
      { runs: 10 },
    );
  });

  test('7. a large supervised coefficient is logistic regression', async () => {
    await forAllAsync([batch], async (examples) => {
      const { labels, logits } = unzip(examples);
      const n = labels.length;
      const loss = Array.from(labels, (y, i) => -Math.log(sigmoid((y === 1 ? 1 : -1) * (logits[i] as number))) / n);
      const slopes = Array.from(labels, (y, i) => (sigmoid(logits[i] as number) - y) / n);
      // Without a reward nothing else is left, at any coefficient.
      const alone = { reward: () => 0, supervisedCoefficient: 3, entropyCoefficient: 0 };
      const exact = await evaluate(binaryPpo(alone), prepared(alone, examples), logits);
      expect(maxError([exact.loss / 3], [loss.reduce((a, b) => a + b)], float32)).toBeLessThanOrEqual(1);
      expect(
        maxError(
          exact.slopes.map((x) => x / 3),
          slopes,
          float32,
        ),
      ).toBeLessThanOrEqual(1);
      // With one, the policy term is lost beside it: |A| ρ of a batch is below 100 here.
      const large = { supervisedCoefficient: 1e6, entropyCoefficient: 0 };
      const near = await evaluate(binaryPpo(large), prepared(large, examples), logits);
      const tolerance = { absolute: 1e-4, relative: 2e-5 };
      expect(
        maxError(
          near.slopes.map((x) => x / 1e6),
          slopes,
          tolerance,
        ),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('8. kappa: lost in the normalisation, linear without it', async () => {
    const kappas = fc.double({ min: 0.1, max: 10, noNaN: true });
    await forAllAsync([batch, kappas], async (examples, kappa) => {
      const at = (k: number, normalize: 'scale' | 'none'): BinaryPpoColumns =>
        prepared({ reward: logComplement({ kappa: k }), normalize }, examples);
      // The variance is that of an example at least, p (1 − p) κ² log²(p (1 − p)) > 0.28 κ² for |z| < 4: the 1e-8 under
      // the root moves a relative 1e-8 / (2 · 0.0028) at κ = 0.1.
      const tolerance = { absolute: 0, relative: 2e-6 };
      expect(
        maxError(at(kappa, 'scale').advantages.data, at(1, 'scale').advantages.data, tolerance),
      ).toBeLessThanOrEqual(1);
      const linear = at(1, 'none').advantages.data.map((a) => kappa * a);
      expect(maxError(at(kappa, 'none').advantages.data, linear)).toBeLessThanOrEqual(1);
      const method = binaryPpo(policyOnly);
      const { logits } = unzip(examples);
      const [scaled, plain] = [
        await evaluate(method, at(kappa, 'none'), logits),
        await evaluate(method, at(1, 'none'), logits),
      ];
      expect(
        maxError(
          scaled.slopes,
          plain.slopes.map((x) => kappa * x),
          float32,
        ),
      ).toBeLessThanOrEqual(1);
    });
  });

  test('13. the order of the examples does not matter when all are one batch', async () => {
    await forAllAsync([batch, fc.integer()], async (examples, seed) => {
      const draw = createRng(seed);
      const order = examples
        .map((_, i) => [draw.uniform(), i] as const)
        .sort(([a], [b]) => a - b)
        .map(([, i]) => i);
      const mixed = order.map((i) => examples[i] as Example);
      const method = binaryPpo();
      const here = await evaluate(method, prepared({}, examples), unzip(examples).logits);
      const there = await evaluate(method, prepared({}, mixed), unzip(mixed).logits);
      expect(maxError([there.loss], [here.loss], float32)).toBeLessThanOrEqual(1);
      const expected = order.map((i) => here.slopes[i] as number);
      expect(maxError(there.slopes, expected, float32)).toBeLessThanOrEqual(1);
    });
  });
});

/** x of two Gaussians around ±centre on the first coordinate, with deviation `spread`; `positives` of class 1. */
function drawPoints(n: number, width: number, { centre, spread, positives, noise, seed }: Record<string, number>) {
  const draw = createRng(seed as number);
  const clean = new Float64Array(n);
  const x = new Float32Array(n * width);
  const labels = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const y = draw.uniform() < (positives as number) ? 1 : 0;
    clean[i] = y;
    labels[i] = draw.uniform() < (noise as number) ? 1 - y : y;
    for (let j = 0; j < width; j++) {
      x[i * width + j] = (j === 0 ? (centre as number) * (2 * y - 1) : 0) + (spread as number) * draw.normal();
    }
  }
  return { x: tf.tensor2d(x, [n, width]), labels, clean };
}

type Points = ReturnType<typeof drawPoints>;

/** Full-batch Adam on a linear policy, anew from 0; balanced accuracy and accuracy on clean points. */
async function trainLinear(
  method: Pick<BinaryPpo, 'prepare' | 'loss'> | 'cross-entropy',
  train: Points,
  testing: Points,
  { refreshes, learningRate }: { refreshes: number; learningRate: number },
): Promise<{ accuracy: number; balanced: number }> {
  const width = train.x.shape[1];
  const [w, b] = tf.tidy(() => [tf.variable(tf.zeros([width, 1])), tf.variable(tf.zeros([1]))] as const);
  const adam = tf.train.adam(learningRate);
  const score = (x: tf.Tensor2D): tf.Tensor1D => tf.tidy(() => tf.reshape(tf.add(tf.matMul(x, w), b), [-1]));
  for (let refresh = 0; refresh < refreshes; refresh++) {
    const z = score(train.x);
    const logits = Float64Array.from(await z.data());
    z.dispose();
    const grid = ({ data, rows }: Grid): tf.Tensor2D => tf.tensor2d(Float32Array.from(data), [rows, 2]);
    const row = (values: Float64Array): tf.Tensor1D => tf.tensor1d(Float32Array.from(values));
    const fixed = tf.tidy(() => {
      if (method === 'cross-entropy') return { labels: row(train.labels) };
      const c = method.prepare({ labels: train.labels, logits, rng: rng() });
      const grids = { weights: grid(c.weights), advantages: grid(c.advantages), returns: grid(c.returns) };
      return { labels: row(c.labels), oldLogProbs: grid(c.oldLogProbs), ...grids };
    });
    for (let epoch = 0; epoch < 4; epoch++) {
      adam.minimize(() => {
        const inputs = { logits: score(train.x), ...fixed };
        if (method === 'cross-entropy') return supervised().loss(inputs).loss;
        return method.loss(inputs as BinaryPpoInputs).loss;
      });
    }
    tf.dispose(fixed);
  }
  const z = score(testing.x);
  const logits = await z.data();
  const right = [0, 0];
  const all = [0, 0];
  testing.clean.forEach((y, i) => {
    (all[y] as number) += 1;
    if (((logits[i] as number) > 0 ? 1 : 0) === y) (right[y] as number) += 1;
  });
  adam.dispose();
  tf.dispose([z, w, b]);
  const [r0, r1, n0, n1] = [...right, ...all] as [number, number, number, number];
  return { accuracy: (r0 + r1) / (n0 + n1), balanced: (r0 / n0 + r1 / n1) / 2 };
}

// Hundreds of steps on thousands of points: 5 s alone, a multiple of it beside other tests.
/** Minutes of the cpu backend, which the oracles above hold to the same numbers. */
const onCpu = process.env['TSRL_BACKEND'] === 'cpu';

describe.skipIf(onCpu)('training a linear policy', { timeout: 120_000 }, () => {
  test('10. negative control: the printed reward learns the opposite, its repair learns the labels', async () => {
    const points = { centre: 2, spread: 0.5, positives: 0.5, noise: 0 };
    const train = drawPoints(200, 3, { ...points, seed: 1 });
    const testing = drawPoints(200, 3, { ...points, seed: 2 });
    const end = async (options: BinaryPpoOptions): Promise<number> =>
      (await trainLinear(binaryPpo(options), train, testing, { refreshes: 15, learningRate: 0.1 })).accuracy;
    for (const more of [{}, { actions: 'sample' as const }]) {
      expect(await end({ ...more, reward: logComplement() })).toBeGreaterThan(0.95);
      expect(await end({ ...more, reward: printed() })).toBeLessThan(0.5);
    }
    expect(await end({ reward: surprise() })).toBeGreaterThan(0.95);
    tf.dispose([train.x, testing.x]);
  });

  // The simulation of 2.14, number 11, with 10 of its 40 refreshes where those are said to be enough.
  const setting = { centre: 1.2, spread: 1, positives: 0.5, noise: 0 };
  const ppoOnly = binaryPpo({ supervisedCoefficient: 0 });

  test.each([
    [0, 0.88],
    [0.2, 0.87],
    [0.4, 0.78],
  ])('11. balanced classes, share of flipped labels %f: accuracy about %f', async (noise, expected) => {
    let mean = 0;
    for (const seed of [1, 2, 3]) {
      const train = drawPoints(2000, 10, { ...setting, noise, seed });
      const testing = drawPoints(5000, 10, { ...setting, seed: 100 + seed });
      const { accuracy } = await trainLinear(ppoOnly, train, testing, { refreshes: 10, learningRate: 0.05 });
      mean += accuracy / 3;
      tf.dispose([train.x, testing.x]);
    }
    expect(mean).toBeGreaterThan(expected - 0.02);
  });

  test('11. where noise meets imbalance, it keeps more of the rare class than cross-entropy', async () => {
    const means = { ppo: 0, crossEntropy: 0 };
    for (const seed of [1, 2, 3]) {
      const train = drawPoints(2000, 10, { ...setting, positives: 0.1, noise: 0.2, seed });
      const testing = drawPoints(5000, 10, { ...setting, positives: 0.1, seed: 100 + seed });
      const long = { refreshes: 40, learningRate: 0.05 };
      means.ppo += (await trainLinear(ppoOnly, train, testing, long)).balanced / 3;
      means.crossEntropy += (await trainLinear('cross-entropy', train, testing, long)).balanced / 3;
      tf.dispose([train.x, testing.x]);
    }
    // About 0.74 and 0.64 in the specification. These are the figures of the README; rounding may move a few of 5000 points.
    expect(Math.abs(means.ppo - 0.751)).toBeLessThan(0.003);
    expect(Math.abs(means.crossEntropy - 0.66)).toBeLessThan(0.003);
  });

  test('2.5: where a part of one class is mislabelled, the corrected reward learns as if nothing were', async () => {
    const noise = { falsePositive: 0, falseNegative: 0.3 };
    const methods = {
      plain: ppoOnly,
      corrected: binaryPpo({ supervisedCoefficient: 0, reward: backwardCorrected(logComplement(), noise) }),
      crossEntropy: 'cross-entropy',
    } as const;
    const means = { plain: 0, corrected: 0, crossEntropy: 0 };
    for (const seed of [1, 2, 3]) {
      const train = drawPoints(2000, 10, { ...setting, seed });
      const testing = drawPoints(5000, 10, { ...setting, seed: 100 + seed });
      const draw = createRng(1000 + seed);
      const labels = train.clean.map((y) => (y === 1 && draw.uniform() < noise.falseNegative ? 0 : y));
      for (const name of ['plain', 'corrected', 'crossEntropy'] as const) {
        const long = { refreshes: 20, learningRate: 0.05 };
        means[name] += (await trainLinear(methods[name], { ...train, labels }, testing, long)).balanced / 3;
      }
      tf.dispose([train.x, testing.x]);
    }
    // As in the README; rounding may move a few of 5000 points. On clean labels it is 0.88.
    expect(Math.abs(means.plain - 0.846)).toBeLessThan(0.003);
    expect(Math.abs(means.corrected - 0.884)).toBeLessThan(0.003);
    expect(Math.abs(means.crossEntropy - 0.812)).toBeLessThan(0.003);
  });
});

describe('identities of 2.7 to 2.10', () => {
  const mixed = fc.record({ baseline: fc.constantFrom<'analytic' | 'batchMean'>('analytic', 'batchMean') });
  const shifts = fc.double({ min: -5, max: 5, noNaN: true });

  test('both actions against the exact baseline: scale and whiten are the same', () => {
    forAll([batch], (examples) => {
      const of = (normalize: 'scale' | 'whiten'): Float64Array => prepared({ normalize }, examples).advantages.data;
      expect(maxError(of('whiten'), of('scale'))).toBeLessThanOrEqual(1);
    });
  });

  test('whitened, no baseline is the mean of the batch; a shift of all rewards is lost in both that subtract a mean', () => {
    forAll([batch, mixed, shifts, fc.constantFrom<'enumerate' | 'sample'>('enumerate', 'sample')], (...drawn) => {
      const [examples, options, shift, actions] = drawn;
      const of = (more: BinaryPpoOptions): Float64Array => prepared({ actions, ...more }, examples).advantages.data;
      const white = of({ baseline: 'none', normalize: 'whiten' });
      // The mean is subtracted twice in one of them; a variance near 1e-12 decides whether to normalise at all.
      const varies = of({ baseline: 'batchMean', normalize: 'none' }).some((a) => Math.abs(a) > 1e-3);
      if (varies) expect(maxError(of({ baseline: 'batchMean', normalize: 'whiten' }), white)).toBeLessThanOrEqual(1);
      const plain = constantReward();
      const shifted = of({ ...options, normalize: 'none', reward: (input) => plain(input) + shift });
      expect(maxError(shifted, of({ ...options, normalize: 'none', reward: plain }))).toBeLessThanOrEqual(1);
    });
  });

  test('class weights and costs outlast the normalisation, which is one for both classes', () => {
    const weight = fc.double({ min: 0.2, max: 5, noNaN: true });
    forAll([batch, weight, weight], (examples, w0, w1) => {
      const plain = rowsOf(prepared({}, examples).advantages);
      const costs = { trueNegative: w0, falsePositive: w0, falseNegative: w1, truePositive: w1 };
      for (const reward of [logComplement({ classWeights: [w0, w1] }), costWeighted(logComplement(), costs)]) {
        const weighted = rowsOf(prepared({ reward }, examples).advantages);
        // One factor for all, beside the weight of the class.
        const factors = examples.map(
          ({ y }, i) => (weighted[i]?.[1] ?? 0) / (plain[i]?.[1] ?? 0) / (y === 1 ? w1 : w0),
        );
        expect(
          maxError(
            factors,
            factors.map(() => factors[0] as number),
          ),
        ).toBeLessThanOrEqual(1);
      }
    });
  });

  test('imitation at the behaviour policy: the gradient in z is −(1 − p)² Δ (2y − 1) / N', async () => {
    const options = { actions: 'label', normalize: 'none', ...policyOnly } as const;
    await forAllAsync(
      [batch],
      async (examples) => {
        const { labels, old } = unzip(examples);
        const columns = prepared(options, examples);
        expect(columns.weights).toEqual(labelActions(labels));
        const { slopes } = await evaluate(binaryPpo(options), columns, old);
        const expected = Array.from(labels, (y, i) => {
          const p = sigmoid((2 * y - 1) * (old[i] as number));
          const gap = Math.min(-Math.log(1 - p), 5) + Math.min(-Math.log(p), 5);
          return (-((1 - p) ** 2) * gap * (2 * y - 1)) / labels.length;
        });
        expect(maxError(slopes, expected, float32)).toBeLessThanOrEqual(1);
      },
      { runs: 20 },
    );
  });

  test('a label between 0 and 1 is a belief: rewards, imitation and the gradient are what is expected of the label', async () => {
    const belief = fc.double({ min: 0, max: 1, noNaN: true });
    const mixed = (labels: Float64Array, of: (label: 0 | 1) => ArrayLike<number>, columns = 1): number[] => {
      const [at0, at1] = [of(0), of(1)];
      return Array.from(at0, (zero, i) => {
        const y = labels[Math.floor(i / columns)] as number;
        return y * (at1[i] as number) + (1 - y) * zero;
      });
    };
    const all = (label: 0 | 1, { length }: Float64Array): Float64Array => new Float64Array(length).fill(label);
    await forAllAsync(
      [batch, belief, fc.constantFrom(...Object.values(confidenceRewards))],
      async (examples, first, { create }) => {
        const { old } = unzip(examples);
        const labels = Float64Array.from(examples, (_, i) => (first + 0.37 * i) % 1);
        const reward = create({ classWeights: [0.5, 2] });
        const rewards = rewardsOfActions(reward, { labels, logits: old });
        const sure = (y: 0 | 1) => rewardsOfActions(reward, { labels: all(y, labels), logits: old }).data;
        expect(maxError(rewards.data, mixed(labels, sure, 2))).toBeLessThanOrEqual(1);
        const weights = (y: 0 | 1) => labelActions(all(y, labels)).data;
        expect(maxError(labelActions(labels).data, mixed(labels, weights, 2))).toBeLessThanOrEqual(1);
        // At the behaviour policy nothing is clipped: the gradient is a line in the rewards, and these in the label.
        const method = binaryPpo({ reward, normalize: 'none' });
        const slopes = async (y: Float64Array): Promise<ArrayLike<number>> =>
          (await evaluate(method, method.prepare({ labels: y, logits: old, rng: rng() }), old)).slopes;
        const [at0, at1] = [await slopes(all(0, labels)), await slopes(all(1, labels))];
        const expected = mixed(labels, (y) => (y === 0 ? at0 : at1));
        expect(maxError(await slopes(labels), expected, float32)).toBeLessThanOrEqual(1);
      },
      { runs: 20 },
    );
    // A reward may be infinite for a label that is ruled out.
    const harsh = ({ label }: { label: 0 | 1 }): number => (label === 0 ? -Infinity : 1);
    expect([...rewardsOfActions(harsh, { labels: [1, 0], logits: [0, 0] }).data]).toEqual([1, 1, -Infinity, -Infinity]);
  });

  test('the entropy term alone has the gradient γ z p (1 − p) / N, and draws z to 0', async () => {
    const options = { reward: () => 0, supervisedCoefficient: 0, entropyCoefficient: 0.3 };
    await forAllAsync(
      [batch],
      async (examples) => {
        const { logits } = unzip(examples);
        const { slopes } = await evaluate(binaryPpo(options), prepared(options, examples), logits);
        const expected = logits.map((z) => (0.3 * z * sigmoid(z) * sigmoid(-z)) / logits.length);
        expect(maxError(slopes, expected, float32)).toBeLessThanOrEqual(1);
      },
      { runs: 20 },
    );
  });

  test('policy/kl is the exact divergence from the behaviour policy, in every mode', async () => {
    const modes = fc.constantFrom<BinaryPpoOptions>({}, { actions: 'sample' }, { actions: 'label' });
    await forAllAsync(
      [batch, modes],
      async (examples, options) => {
        const { old, logits } = unzip(examples);
        const { metrics } = await evaluate(binaryPpo(options), prepared(options, examples), logits);
        const each = Array.from(logits, (z, i) => {
          const [p, q] = [sigmoid(old[i] as number), sigmoid(z)];
          return p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
        });
        const mean = each.reduce((a, b) => a + b) / each.length;
        expect(maxError([metrics['policy/kl'] ?? Number.NaN], [mean], float32)).toBeLessThanOrEqual(1);
      },
      { runs: 20 },
    );
  });

  test('a supervised term of one’s own takes the place of cross-entropy', async () => {
    const examples: Example[] = [
      { y: 1, old: 0.4, v: 0, move: 0.3, value: 0 },
      { y: 0, old: -1, v: 0, move: 1, value: 0 },
    ];
    const supervisedLoss = binaryCrossEntropy({ smoothing: 0.2, classWeights: [1, 3] });
    const options = { reward: () => 0, entropyCoefficient: 0, supervisedCoefficient: 2, supervisedLoss };
    const { logits } = unzip(examples);
    const { loss } = await evaluate(binaryPpo(options), prepared(options, examples), logits);
    const term = (z: number, y: number): number => -y * Math.log(sigmoid(z)) - (1 - y) * Math.log(sigmoid(-z));
    const expected = 3 * term(logits[0] as number, 0.9) + term(logits[1] as number, 0.1); // 2 · the mean of two
    expect(maxError([loss], [expected], float32)).toBeLessThanOrEqual(1);
  });
});

describe('presets', () => {
  test('stable is the defaults, spelled out', async () => {
    await forAllAsync(
      [batch],
      async (examples) => {
        expect(prepared(stable, examples)).toEqual(prepared({}, examples));
        const { logits } = unzip(examples);
        const [named, plain] = [
          await evaluate(binaryPpo(stable), prepared(stable, examples), logits),
          await evaluate(binaryPpo(), prepared({}, examples), logits),
        ];
        expect(named.loss).toBe(plain.loss);
        expect(named.metrics).toEqual(plain.metrics);
      },
      { runs: 10 },
    );
  });

  test('paper: one draw, a value head, whitened, κ = 2 times log p, p held at 1e-6', () => {
    expect(binaryPpo(paper).observes).toEqual(['logits', 'values']);
    forAll([batch, fc.integer()], (examples, seed) => {
      const { labels, old, v } = unzip(examples);
      const columns = prepared(paper, examples, seed);
      const counts = rowsOf(columns.weights);
      const reward = (a: number, y: number, z: number): number =>
        (a === y ? 2 : -2) * Math.log(Math.max(a === 1 ? sigmoid(z) : sigmoid(-z), 1e-6));
      const expected = oracleColumns(labels, old, v, { baseline: 'valueHead', normalize: 'whiten', counts, reward });
      expect(maxError(columns.advantages.data, expected.advantages.data)).toBeLessThanOrEqual(1);
      expect(maxError(columns.returns.data, expected.returns.data)).toBeLessThanOrEqual(1);
    });
    const floor = rewardsOfActions(paper.reward as NonNullable<typeof paper.reward>, { labels: [1], logits: [-40] });
    expect(floor.data[1]).toBeCloseTo(2 * Math.log(1e-6), 10);
    const { reward, actions, samplesPerExample, baseline, normalize, ...shared } = paper;
    expect(stable).toMatchObject(shared);
  });

  test('ppoOnly is stable without the supervised term', () => {
    expect(ppoOnlyPreset).toEqual({ ...stable, supervisedCoefficient: 0 });
  });

  test('adaptive is stable with a supervised term that fades out', () => {
    const { supervisedCoefficient, ...shared } = adaptive(200);
    const { supervisedCoefficient: _, ...rest } = stable;
    expect(shared).toEqual(rest);
    const weight = supervisedCoefficient as (step: number) => number;
    expect([0, 50, 200, 300].map(weight)).toEqual([1, 0.75, 0, 0]);
  });
});

describe('actions', () => {
  test('both: probabilities that sum to 1, at any logit', () => {
    const { data } = enumerateActions([-1000, -40, 0, 40, 1000]);
    expect(
      maxError(data, [1, 0, 1, 4.248354255291589e-18, 0.5, 0.5, 4.248354255291589e-18, 1, 0, 1], {
        absolute: 0,
        relative: 1e-15,
      }),
    ).toBeLessThanOrEqual(1);
  });

  test('drawn: counts of the right share, the same for the same seed', () => {
    const logits = [-2, 0, 0.5, 30];
    const samples = 20_000;
    const counts = sampleActions(enumerateActions(logits), samples, createRng(3));
    rowsOf(counts).forEach(([zeros, ones], i) => {
      expect(zeros + ones).toBe(samples);
      const p = sigmoid(logits[i] as number);
      expect(Math.abs(ones - samples * p)).toBeLessThan(4 * Math.sqrt(samples * p * (1 - p)) + 1e-6);
    });
    expect(sampleActions(enumerateActions(logits), 5, createRng(3))).toEqual(
      sampleActions(enumerateActions(logits), 5, createRng(3)),
    );
    expect(sampleActions(enumerateActions(logits), 5, createRng(3))).not.toEqual(
      sampleActions(enumerateActions(logits), 5, createRng(4)),
    );
  });

  test('what was not drawn has no advantage and no weight', () => {
    forAll([batch], (examples) => {
      const { weights, advantages } = prepared({ actions: 'sample', normalize: 'none' }, examples);
      rowsOf(weights).forEach((row, i) => {
        expect([...row].sort()).toEqual([0, 1]);
        row.forEach((w, a) => {
          if (w === 0) expect(rowsOf(advantages)[i]?.[a]).toBe(0);
        });
      });
    });
  });
});

describe('the supervised comparator', () => {
  const labels = [0, 1, 1];
  const logits = [0.3, -1, 2];

  async function lossOf(options?: Parameters<typeof supervised>[0]): Promise<number> {
    const loss = tf.tidy(
      () => supervised(options).loss({ logits: tf.tensor1d(logits), labels: tf.tensor1d(labels) }).loss,
    );
    const [value] = await loss.data();
    loss.dispose();
    return value as number;
  }

  test('is cross-entropy with nothing to observe', async () => {
    const method = supervised();
    expect(method).toMatchObject({ name: 'sft', observes: [] });
    expect(method.prepare({ labels: Float64Array.from(labels) })).toEqual({ labels: Float64Array.from(labels) });
    const terms = labels.map((y, i) => -Math.log(sigmoid((y === 1 ? 1 : -1) * (logits[i] as number))));
    const mean = (weights: readonly number[]): number =>
      terms.reduce((sum, term, i) => sum + (weights[i] as number) * term, 0) / 3;
    expect(maxError([await lossOf()], [mean([1, 1, 1])], float32)).toBeLessThanOrEqual(1);
    expect(
      maxError(
        [await lossOf({ loss: binaryCrossEntropy({ classWeights: [3, 0.5] }) })],
        [mean([3, 0.5, 0.5])],
        float32,
      ),
    ).toBeLessThanOrEqual(1);
  });
});

describe('errors', () => {
  test.each<[BinaryPpoOptions, string]>([
    [{ actions: 'both' as 'sample' }, 'binaryPpo: actions must be "enumerate" or "sample" or "label"; got "both"'],
    [
      { baseline: 'mean' as 'none' },
      'binaryPpo: baseline must be "analytic" or "valueHead" or "batchMean" or "none"; got "mean"',
    ],
    [
      { actions: 'label', baseline: 'none' },
      'binaryPpo: baseline must be "analytic" for the actions "label"; got "none"',
    ],
    [{ klDirection: 'both' as 'forward' }, 'binaryPpo: klDirection must be "forward" or "reverse"; got "both"'],
    [{ klCoefficient: -1 }, 'binaryPpo: klCoefficient must be at least 0 and finite; got -1'],
    [{ advantageScale: -1 }, 'binaryPpo: advantageScale must be at least 0 and finite; got -1'],
    [{ rewardClip: 0 }, 'binaryPpo: rewardClip must be positive; got 0'],
    [{ advantageClip: Number.NaN }, 'binaryPpo: advantageClip must be positive; got NaN'],
    [{ baseline: 'valueHead', valueClip: 0 }, 'valueLoss: clip must be positive; got 0'],
    [{ normalize: 'batch' as 'none' }, 'binaryPpo: normalize must be "scale" or "whiten" or "none"; got "batch"'],
    [{ samplesPerExample: 0 }, 'binaryPpo: samplesPerExample must be an integer of at least 1; got 0'],
    [{ samplesPerExample: 1.5 }, 'binaryPpo: samplesPerExample must be an integer of at least 1; got 1.5'],
    [{ valueCoefficient: -1 }, 'binaryPpo: valueCoefficient must be at least 0 and finite; got -1'],
    [{ supervisedCoefficient: Number.NaN }, 'binaryPpo: supervisedCoefficient must be at least 0 and finite; got NaN'],
    [{ entropyCoefficient: Infinity }, 'binaryPpo: entropyCoefficient must be at least 0 and finite; got Infinity'],
    [{ clipLow: 1 }, 'binaryPpo: clipLow must be in [0, 1); got 1'],
    [{ clipHigh: -0.1 }, 'binaryPpo: clipHigh must be at least 0; got -0.1'],
    [{ dualClip: 1 }, 'binaryPpo: dualClip must be above 1; got 1'],
  ])('%j', (options, message) => {
    expect(() => binaryPpo(options)).toThrow(OptionError);
    expect(() => binaryPpo(options)).toThrow(message);
  });

  test('observations that do not fit', () => {
    const labels = Float64Array.of(0, 1);
    const logits = Float64Array.of(0.5, 0.5);
    const { prepare } = binaryPpo();
    expect(() => prepare({ labels, rng: rng() })).toThrow(
      new StateError('binaryPpo', 'needs the logits of the behaviour policy'),
    );
    expect(() => prepare({ labels, logits: Float64Array.of(1), rng: rng() })).toThrow(
      'binaryPpo: logits must be of length 2; got length 1',
    );
    expect(() => prepare({ labels, logits: Float64Array.of(1, Number.NaN), rng: rng() })).toThrow(DataError);
    const anchored = binaryPpo({ klCoefficient: 1 });
    expect(() => anchored.prepare({ labels, logits, rng: rng() })).toThrow(
      new StateError('binaryPpo', 'klCoefficient needs the logits of the reference policy'),
    );
    expect(() => anchored.prepare({ labels, logits, refLogits: labels.slice(1), rng: rng() })).toThrow(
      'binaryPpo: refLogits must be of length 2; got length 1',
    );
    const critic = binaryPpo({ baseline: 'valueHead' });
    expect(() => critic.prepare({ labels, logits, rng: rng() })).toThrow(
      new StateError('binaryPpo', 'the baseline valueHead needs a policy with a value head'),
    );
    expect(() => critic.prepare({ labels, logits, values: labels.slice(1), rng: rng() })).toThrow(
      'binaryPpo: values must be of length 2; got length 1',
    );
    expect(() => rewardsOfActions(logComplement(), { labels: [0, 2], logits })).toThrow(
      new DataError('rewardsOfActions', 'labels[1] must be in [0, 1]; got 2'),
    );
    expect(() => rewardsOfActions(logComplement(), { labels: [0], logits })).toThrow(
      'rewardsOfActions: logits must be of length 1; got length 2',
    );
  });
});
