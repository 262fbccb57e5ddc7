// What the specification lists for these methods and no other file holds: identities between methods, and degenerate
// batches of every entry of the registry.
import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { k1, k2, k3, type Loss, type PerToken } from '@tsrl/tensor';
import { float32, forAll as forAllRuns, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  apoZeroUnpaired,
  bco,
  cispo,
  clipCov,
  dpo,
  gmpo,
  gpg,
  gspo,
  gspoToken,
  ipo,
  kl,
  klCov,
  kto,
  luspo,
  offPolicyMask,
  type PairInputs,
  type PolicyInputs,
  ppoClip,
  rdpo,
  reinforce,
  responseClip,
  sapo,
  sequenceLogProbs,
  valueLoss,
  vespo,
} from '../src/index.ts';
import { type LossEntry, losses } from '../src/registry.ts';

/** Many losses: FC_RUNS looks further. */
const forAll: typeof forAllRuns = (arbitraries, property) => forAllRuns(arbitraries, property, { runs: 8 });

type Tensors = Readonly<Record<string, tf.Tensor>>;
type Evaluated = {
  readonly loss: number;
  readonly gradient: number[];
  readonly metrics: Record<string, number>;
};

/** Value, gradient in the inputs `by`, one after the other, and metrics; disposes of nothing. */
function evaluate<I extends object>(loss: Loss<I>, inputs: Tensors, by: readonly string[], context = {}): Evaluated {
  return tf.tidy(() => {
    const { loss: total, metrics } = loss(inputs as I, context);
    const f = (...x: tf.Tensor[]): tf.Scalar =>
      loss({ ...inputs, ...Object.fromEntries(by.map((name, i) => [name, x[i]])) } as I, context).loss;
    const gradients = tf.grads(f)(by.map((name) => inputs[name] as tf.Tensor));
    return {
      loss: total.dataSync()[0] as number,
      gradient: gradients.flatMap((g) => [...g.dataSync()]),
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, x]) => [name, x.dataSync()[0] as number])),
    };
  });
}
const expectClose = (got: number | ArrayLike<number>, expected: number | ArrayLike<number>, within = float32): void => {
  const list = (x: number | ArrayLike<number>): number[] => (typeof x === 'number' ? [x] : Array.from(x));
  expect(maxError(list(got), list(expected), within)).toBeLessThanOrEqual(1);
};
const expectSame = (got: Evaluated, expected: Evaluated): void => {
  expectClose(got.loss, expected.loss);
  expectClose(got.gradient, expected.gradient);
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

const eighths = (low: number, high: number): fc.Arbitrary<number> =>
  fc.integer({ min: low * 8, max: high * 8 }).map((k) => k / 8);

/** Rows of tokens on the host; a mask without a hole, every row with a token. */
interface Batch {
  readonly columns: number;
  readonly logProbs: readonly number[];
  readonly oldLogProbs: readonly number[];
  readonly advantages: readonly number[];
  readonly mask: readonly number[];
}
const batches: fc.Arbitrary<Batch> = fc
  .tuple(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), fc.integer({ min: 4, max: 5 }))
  .chain(([lengths, columns]) => {
    const tokens = (one: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
      fc.array(one, { minLength: lengths.length * columns, maxLength: lengths.length * columns });
    return fc.record({
      columns: fc.constant(columns),
      logProbs: tokens(eighths(-3, 0)),
      oldLogProbs: tokens(eighths(-3, 0)),
      advantages: tokens(eighths(-2, 2)),
      mask: fc.constant(lengths.flatMap((n) => Array.from({ length: columns }, (_, t) => Number(t < n)))),
    });
  });
/** The batch as tensors, with more inputs that some of the losses need. */
function policyInputs({ columns, ...batch }: Batch): PolicyInputs & { draws: PerToken; refLogProbs: PerToken } {
  const grid = (x: readonly number[]): PerToken => tf.tensor2d([...x], [x.length / columns, columns]);
  return {
    logProbs: grid(batch.logProbs),
    oldLogProbs: grid(batch.oldLogProbs),
    refLogProbs: grid(batch.oldLogProbs),
    advantages: grid(batch.advantages),
    mask: grid(batch.mask),
    draws: grid(batch.mask.map((_, i) => ((i * 7) % 11) / 11)),
  };
}
const run = <I extends object>(loss: Loss<I>, batch: Batch): Evaluated =>
  tf.tidy(() => evaluate(loss, policyInputs(batch) as unknown as Tensors, ['logProbs']));
/** One advantage for all tokens of a row. */
const sameInRow = ({ columns, ...batch }: Batch): Batch => ({
  ...batch,
  columns,
  advantages: batch.advantages.map((_, i) => batch.advantages[i - (i % columns)] as number),
});

describe('between policy losses', () => {
  const wide = { clipLow: 1 - 1e-6, clipHigh: 1e6 };

  test('without advantages none of them has a gradient', () => {
    forAll([batches], (drawn) => {
      const batch = { ...drawn, advantages: drawn.advantages.map(() => 0) };
      for (const loss of [ppoClip(), ppoClip({ dualClip: 3 }), gspo(), gspoToken(), luspo(), gmpo(), cispo(), sapo()]) {
        expect(run(loss, batch).gradient.every((g) => g === 0)).toBe(true);
      }
      for (const loss of [vespo(), reinforce(), gpg()]) {
        expect(run<PolicyInputs>(loss, batch).gradient.every((g) => g === 0)).toBe(true);
      }
    });
  });

  test('where nothing clips, GMPO is GSPO, in value and gradient', () => {
    forAll([batches], (drawn) => {
      // Advantages other than 0: GMPO takes log-ratios for 0 where A = 0.
      const batch = sameInRow({ ...drawn, advantages: drawn.advantages.map((a) => (a === 0 ? 1 : a)) });
      expectSame(run(gmpo({ clipLow: 10, clipHigh: 10 }), batch), run(gspo(wide), batch));
    });
  });

  test('CISPO without a cap has the gradient of PPO without a clip, −ρ A, though not its value', () => {
    forAll([batches], (batch) => {
      const uncapped = run(cispo({ maxRatio: Number.POSITIVE_INFINITY }), batch);
      expectClose(uncapped.gradient, run(ppoClip(wide), batch).gradient);
    });
  });

  test('KL-Cov without its penalty is PPO without a clip; Clip-Cov is PPO where no covariance is in its range', () => {
    forAll([batches], (batch) => {
      expectSame(run(klCov({ beta: 0 }), batch), run(ppoClip(wide), batch));
      // |A − mean A| ≤ 4 and |log π − mean| ≤ 3: no covariance is above 12.
      expectSame(run(clipCov({ fraction: 1, covarianceRange: [12, 13] }), batch), run(ppoClip(), batch));
    });
  });

  test('responses of one token: GSPO, GSPO-token, GMPO, LUSPO and the ratio of the whole response are PPO', () => {
    forAll([batches, fc.constantFrom(0.1, 0.2, 0.28)], (drawn, clip) => {
      const first = (x: readonly number[]): number[] => x.filter((_, i) => i % drawn.columns === 0);
      const batch: Batch = {
        columns: 1,
        logProbs: first(drawn.logProbs),
        oldLogProbs: first(drawn.oldLogProbs),
        advantages: first(drawn.advantages),
        mask: first(drawn.mask),
      };
      const clips = { clipLow: clip, clipHigh: clip };
      const expected = run(ppoClip(clips), batch);
      for (const loss of [gspo(clips), gspoToken(clips), luspo(clips)]) expectSame(run(loss, batch), expected);
      const perResponse: Loss<PolicyInputs> = ({ advantages, ...inputs }, context) =>
        tf.tidy(() => ({ ...responseClip(clips)({ ...inputs, advantages: tf.reshape(advantages, [-1]) }, context) }));
      expectSame(run(perResponse, batch), expected);
      const inLogSpace = gmpo({ clipLow: -Math.log(1 - clip), clipHigh: Math.log(1 + clip) });
      expectSame(run(inLogSpace, batch), expected);
    });
  });

  test('at a threshold that nothing exceeds, the off-policy mask is the mask', () => {
    forAll([batches], (batch) => {
      tf.tidy(() => {
        const inputs = policyInputs(batch);
        expect([...offPolicyMask(inputs, { threshold: Number.POSITIVE_INFINITY }).dataSync()]).toEqual(batch.mask);
        expect([...offPolicyMask(inputs, { threshold: 3 }).dataSync()]).toEqual(batch.mask);
      });
    });
  });

  test('for small log-ratios k3 in the loss is k2', () => {
    const small = fc.integer({ min: -1000, max: 1000 }).map((k) => k * 1e-6);
    forAll([fc.array(small, { minLength: 1, maxLength: 6 })], (d) => {
      tf.tidy(() => {
        const inputs = {
          logProbs: tf.tensor2d([d]),
          refLogProbs: tf.zeros([1, d.length]),
          mask: tf.ones([1, d.length]),
        };
        const [third, second] = [k3, k2].map((estimator) => evaluate(kl({ estimator }), inputs, ['logProbs'])) as [
          Evaluated,
          Evaluated,
        ];
        const within = { absolute: 1e-12, relative: 1e-3 };
        expectClose(third.loss, second.loss, within);
        expectClose(third.gradient, second.gradient, within);
      });
    });
  });

  test('values that move less than the clip have the loss without a clip', () => {
    forAll([batches], ({ columns, logProbs, oldLogProbs, mask }) => {
      tf.tidy(() => {
        const grid = (x: readonly number[]): PerToken => tf.tensor2d([...x], [x.length / columns, columns]);
        const inputs = {
          values: grid(logProbs),
          oldValues: grid(oldLogProbs),
          returns: grid(oldLogProbs.map((x) => -x)),
          mask: grid(mask),
        };
        const [clipped, plain] = [valueLoss({ clip: 3.5 }), valueLoss()].map((loss) =>
          evaluate(loss as Loss<object>, inputs, ['values']),
        ) as [Evaluated, Evaluated];
        expect(clipped.gradient).toEqual(plain.gradient);
        expect([clipped.loss, clipped.metrics['clipFraction']]).toEqual([plain.loss, 0]);
      });
    });
  });
});

describe('the numbers of the specification', () => {
  const at = { logProbs: [-0.7, -1.4, 0.5, -1.1], oldLogProbs: [-1, -1, -1, -1], advantages: [1, -1, -1, 2] };

  test('the clipped loss of each token', () => {
    const each = at.logProbs.map((_, i) => run(ppoClip({ clipHigh: 0.28 }), { ...at, columns: 4, mask: only(i) }).loss);
    expectClose(each, [-1.28, 0.8, 4.4816890703, -1.8096748361]);
  });

  test('how far the old policy is from the new one, by k1, k2 and k3', () => {
    const [first, second, third] = [k1, k2, k3].map((estimator) =>
      tf.tidy(() => {
        const inputs = { logProbs: tf.tensor2d([at.oldLogProbs]), refLogProbs: tf.tensor2d([at.logProbs]) };
        return evaluate(kl({ estimator }), { ...inputs, mask: tf.ones([1, 4]) }, ['logProbs']).loss;
      }),
    ) as [number, number, number];
    expectClose([first, second, third], [-0.325, 0.31375, 0.5266763355]);
    expectClose(run(ppoClip(), { ...at, columns: 4, mask: [1, 1, 1, 1] }).metrics['approxKl'] as number, third);
  });

  const only = (i: number): number[] => [0, 1, 2, 3].map((t) => Number(t === i));
});

describe('noisy preferences', () => {
  const pairs = fc.array(fc.tuple(eighths(-6, 0), eighths(-6, 0), eighths(-6, 0), eighths(-6, 0)), {
    minLength: 1,
    maxLength: 6,
  });
  const names = ['chosenLogProbs', 'rejectedLogProbs', 'refChosenLogProbs', 'refRejectedLogProbs'] as const;
  const columns = (batch: readonly (readonly number[])[], order: readonly number[]): Tensors =>
    Object.fromEntries(
      names.map((name, i) => [name, tf.tensor1d(batch.map((row) => row[order[i] as number] as number))]),
    );
  const [asGiven, flipped] = [
    [0, 1, 2, 3],
    [1, 0, 3, 2],
  ];

  test('rDPO is its definition, ((1 − ε) DPO of the pair − ε DPO of its flip) / (1 − 2 ε)', () => {
    forAll([pairs, fc.constantFrom(0, 0.1, 0.25, 0.4)], (batch, e) => {
      tf.tidy(() => {
        const [here, there] = [columns(batch, asGiven as number[]), columns(batch, flipped as number[])];
        const plain = evaluate(dpo({ beta: 0.5 }), here, ['chosenLogProbs']);
        const turned = evaluate(dpo({ beta: 0.5 }), there, ['rejectedLogProbs']);
        const mix = (kept: number, other: number): number => ((1 - e) * kept - e * other) / (1 - 2 * e);
        const robust = evaluate(rdpo({ beta: 0.5, flipRate: e }), here, ['chosenLogProbs']);
        // The two terms are larger than their difference, by this.
        const room = { absolute: 4e-6 / (1 - 2 * e), relative: float32.relative };
        expectClose(robust.loss, mix(plain.loss, turned.loss), room);
        expectClose(
          robust.gradient,
          plain.gradient.map((g, i) => mix(g, turned.gradient[i] as number)),
          room,
        );
      });
    });
  });

  test('over many flipped labels, by simulation, rDPO is DPO on the clean ones', () => {
    const [count, e, rng] = [4000, 0.2, createRng(11)];
    const clean = Array.from({ length: count }, () => 1 + rng.normal());
    const seen = clean.map((h) => (rng.uniform() < e ? -h : h));
    const each = (loss: Loss<PairInputs>, margins: readonly number[]): number =>
      tf.tidy(() => {
        const zero = tf.zeros<tf.Rank.R1>([count]);
        const inputs = { chosenLogProbs: tf.tensor1d([...margins]), rejectedLogProbs: zero };
        return loss({ ...inputs, refChosenLogProbs: zero, refRejectedLogProbs: zero }).loss.dataSync()[0] as number;
      });
    const robust = (h: number): number => softplus(-h) - (e / (1 - 2 * e)) * h;
    // The flips alone vary: of one pair by (robust(h) − robust(−h))² ε (1 − ε).
    const deviation = Math.sqrt(mean(clean.map((h) => (robust(h) - robust(-h)) ** 2)) * e * (1 - e));
    const truth = each(dpo({ beta: 1 }), clean);
    const four = (4 * deviation) / Math.sqrt(count);
    expect(Math.abs(each(rdpo({ beta: 1, flipRate: e }), seen) - truth)).toBeLessThan(four);
    expect(Math.abs(each(dpo({ beta: 1 }), seen) - truth)).toBeGreaterThan(four);
  });

  test('responses of equal length: normalized DPO has β / n, normalized IPO is 1 / n² of IPO with β / n', () => {
    forAll([pairs, fc.integer({ min: 1, max: 16 })], (batch, n) => {
      tf.tidy(() => {
        const lengths = tf.fill([batch.length], n);
        const inputs = { ...columns(batch, asGiven as number[]), chosenLengths: lengths, rejectedLengths: lengths };
        const by = ['chosenLogProbs', 'rejectedLogProbs'];
        const normalized = evaluate(dpo({ beta: 2, lengthNormalize: true }), inputs, by);
        expectSame(normalized, evaluate(dpo({ beta: 2 / n }), inputs, by));
        const squared = evaluate(ipo({ beta: 0.5, lengthNormalize: true }), inputs, by);
        const { loss, gradient, metrics } = evaluate(ipo({ beta: 0.5 / n }), inputs, by);
        expectSame(squared, { loss: loss / n ** 2, gradient: gradient.map((g) => g / n ** 2), metrics });
      });
    });
  });
});

describe('feedback without pairs', () => {
  const examples = fc.array(fc.record({ ratio: eighths(-6, 6), label: fc.constantFrom(0, 1) }), {
    minLength: 1,
    maxLength: 6,
  });
  type Examples = readonly { readonly ratio: number; readonly label: number }[];
  /** Log-ratios against a reference of 0, and a divergence of z0 (at least 0) for KTO. */
  const inputsOf = (batch: Examples, z0 = 0, weights?: readonly number[]): Tensors => ({
    logProbs: tf.tensor1d(batch.map(({ ratio }) => ratio)),
    refLogProbs: tf.zeros([batch.length]),
    labels: tf.tensor1d(batch.map(({ label }) => label)),
    klLogProbs: tf.tensor1d([z0]),
    refKlLogProbs: tf.tensor1d([0]),
    ...(weights && { weights: tf.tensor1d([...weights]) }),
  });
  const runOn = <I extends object>(
    loss: Loss<I>,
    batch: Examples,
    z0?: number,
    weights?: readonly number[],
  ): Evaluated => tf.tidy(() => evaluate(loss, inputsOf(batch, z0, weights), ['logProbs']));

  test('KTO: λ / 2 where r is z₀, between 0 and λ everywhere', () => {
    forAll([eighths(0, 4), eighths(-40, 40), fc.constantFrom(0.5, 1, 1.33)], (z0, ratio, lambda) => {
      for (const label of [0, 1]) {
        const loss = kto({ desirableWeight: lambda, undesirableWeight: lambda });
        expectClose(runOn(loss, [{ ratio: z0, label }], z0).loss, lambda / 2);
        const { loss: one } = runOn(loss, [{ ratio, label }], z0);
        expect(one).toBeGreaterThan(0);
        expect(one).toBeLessThan(Math.fround(lambda));
      }
    });
  });

  test('KTO: turning the labels and the sign of r − z₀, and swapping the weights, changes nothing', () => {
    forAll([examples, eighths(0, 2)], (batch, z0) => {
      const turned = batch.map(({ ratio, label }) => ({ ratio: 2 * z0 - ratio, label: 1 - label }));
      const here = runOn(kto({ desirableWeight: 1.25, undesirableWeight: 0.75 }), batch, z0);
      const there = runOn(kto({ desirableWeight: 0.75, undesirableWeight: 1.25 }), turned, z0);
      expectSame(there, { ...here, gradient: here.gradient.map((g) => -g) });
    });
  });

  test('KTO has the gradient of BCO shifted by β z₀, times σ, which fades for both signs; APO-zero is z₀ = 0', () => {
    forAll([examples, eighths(0, 2), fc.constantFrom(0.1, 0.5, 1)], (batch, z0, beta) => {
      const { gradient } = runOn(kto({ beta }), batch, z0);
      const linear = runOn(bco({ beta, shift: beta * z0 }), batch).gradient;
      const right = batch.map(({ ratio, label }) => sigmoid((label === 1 ? 1 : -1) * beta * (ratio - z0)));
      expectClose(
        gradient,
        linear.map((g, i) => g * (right[i] as number)),
      );
      expectSame(runOn(kto({ beta }), batch), runOn(apoZeroUnpaired({ beta }), batch));
    });
  });

  test('BCO: the numbers of the specification for its gap above DPO', () => {
    const pair = [
      { ratio: 1.2, label: 1 },
      { ratio: -0.4, label: 0 },
    ];
    const above = (shift: number): number => 2 * runOn(bco({ beta: 1, shift }), pair).loss - softplus(-1.6);
    expect(softplus(-1.6)).toBeCloseTo(0.1839007409, 9);
    expectClose([above(0), above(0.4)], [0.5923969788, 0.558300591]);
    expectClose(above(0.4) + softplus(-1.6), 2 * softplus(-0.8));
    const shifts = Array.from({ length: 41 }, (_, i) => (i - 20) / 10);
    expect(shifts.reduce((best, s) => (above(s) < above(best) ? s : best))).toBe(0.4);
  });

  test('BCO of a batch is least at the shift where E₊[σ(δ − r)] = E₋[σ(r − δ)], given equal weight of the classes', () => {
    forAll([examples, examples], (won, lost) => {
      const batch = [...won.map((one) => ({ ...one, label: 1 })), ...lost.map((one) => ({ ...one, label: 0 }))];
      const excess = (delta: number): number =>
        mean(won.map(({ ratio }) => sigmoid(delta - ratio))) - mean(lost.map(({ ratio }) => sigmoid(ratio - delta)));
      let [low, high] = [-8, 8];
      for (let i = 0; i < 60; i++) {
        const middle = (low + high) / 2;
        if (excess(middle) > 0) high = middle;
        else low = middle;
      }
      // Weights N / (2 N_c) make the mean over examples the mean of the class means.
      const weights = batch.map(({ label }) => batch.length / (2 * (label === 1 ? won.length : lost.length)));
      const at = (shift: number): number => runOn(bco({ beta: 1, shift }), batch, 0, weights).loss;
      const of = (sign: number, some: Examples): number =>
        mean(some.map(({ ratio }) => softplus(sign * (low - ratio))));
      expectClose(at(low), (of(1, won) + of(-1, lost)) / 2);
      for (const step of [0.5, 2]) {
        expect(at(low + step)).toBeGreaterThan(at(low));
        expect(at(low - step)).toBeGreaterThan(at(low));
      }
    });
  });
});

test('sequence log-probs turn token losses into losses of responses: REINFORCE by sequenceSum is −A of them', () => {
  forAll([batches], (drawn) => {
    const batch = sameInRow(drawn);
    const { loss } = run<PolicyInputs>(reinforce(), batch);
    const sums = tf.tidy(() => {
      const { logProbs, mask } = policyInputs(batch);
      return [...sequenceLogProbs(logProbs, mask).dataSync()];
    });
    expectClose(loss, -mean(sums.map((s, i) => s * (batch.advantages[i * batch.columns] as number))));
  });
});

describe.each([...losses])('$name, of degenerate batches', (entry: LossEntry) => {
  const shapes = fc.record({ sequences: fc.integer({ min: 2, max: 4 }), tokens: fc.integer({ min: 1, max: 4 }) });
  const seeds = fc.integer({ min: 0, max: 2 ** 31 });
  const ofEntry: typeof forAllRuns = (arbitraries, property) => forAllRuns(arbitraries, property, { runs: 3 });
  const ofBatch = (entry.ofBatch ?? []) as readonly string[];
  const draw = (sequences: number, tokens: number, seed: number): Tensors =>
    entry.example({ sequences, tokens }, createRng(seed)) as Tensors;
  const all = [entry.evaluate, ...Object.values(entry.variants ?? {})] as readonly Loss<object>[];
  const by = entry.differentiable as readonly string[];
  const finite = ({ loss, gradient, metrics }: Evaluated): boolean =>
    [loss, ...gradient, ...Object.values(metrics)].every(Number.isFinite);

  /** The gradients in all inputs: each as rows of tokens of numbers, changed. */
  const changed = (
    inputs: Tensors,
    gradient: readonly number[],
    change: (rows: number[][][], none: number[], rank: number) => number[][][],
  ): number[] => {
    let from = 0;
    return by.flatMap((name) => {
      const { rank, shape } = inputs[name] as tf.Tensor;
      const [rows, tokens, width] = [shape[0] as number, shape[1] ?? 1, shape[2] ?? 1];
      const grid = Array.from({ length: rows }, (_, i) =>
        Array.from({ length: tokens }, (__, t) => {
          const at = from + (i * tokens + t) * width;
          return gradient.slice(at, at + width);
        }),
      );
      from += rows * tokens * width;
      return change(grid, Array<number>(width).fill(0), rank).flat(2);
    });
  };

  test.runIf(entry.per === 'token')('a response without a token is as if it were not there', () => {
    ofEntry([shapes, seeds, fc.nat()], ({ sequences, tokens }, seed, which) => {
      tf.tidy(() => {
        const inputs = draw(sequences, tokens, seed);
        const gone = which % sequences;
        const rows = (keep: boolean): tf.Tensor1D =>
          tf.tensor1d(
            Array.from({ length: sequences }, (_, i) => i).filter((i) => (i !== gone) === keep),
            'int32',
          );
        const others = Object.fromEntries(
          Object.entries(inputs).map(([name, x]) => [name, ofBatch.includes(name) ? x : tf.gather(x, rows(true))]),
        );
        const kept = Array.from({ length: sequences }, (_, i) => Number(i !== gone));
        const masked = { ...inputs, mask: tf.mul(inputs['mask'] as PerToken, tf.tensor2d(kept, [sequences, 1])) };
        for (const loss of all) {
          const without = evaluate(loss, masked, by);
          const expected = evaluate(loss, others, by);
          expect(finite(without)).toBe(true);
          expectClose(without.loss, expected.loss);
          expectClose(Object.values(without.metrics), Object.values(expected.metrics));
          expectClose(
            without.gradient,
            changed(others, expected.gradient, (rows, none) =>
              rows.toSpliced(
                gone,
                0,
                (rows[0] ?? []).map(() => none),
              ),
            ),
          );
        }
      });
    });
  });

  test.runIf(entry.per === 'token')('a masked token between others is as if it were not there, NaN or not', () => {
    const junk = fc.constantFrom(0, 3, Number.NaN);
    ofEntry([shapes, seeds, fc.nat(), junk], ({ sequences, tokens }, seed, where, filler) => {
      tf.tidy(() => {
        const inputs = draw(sequences, tokens, seed);
        const cut = where % (tokens + 1);
        const holed = Object.fromEntries(
          Object.entries(inputs).map(([name, x]) => {
            if (x.rank === 1 || ofBatch.includes(name)) return [name, x];
            const part = (from: number, size: number): tf.Tensor => tf.slice(x, [0, from], [sequences, size]);
            const hole = tf.fill([sequences, 1, ...x.shape.slice(2)], name === 'mask' ? 0 : filler);
            return [name, tf.concat([part(0, cut), hole, part(cut, tokens - cut)], 1)];
          }),
        );
        for (const loss of all) {
          const [plain, other] = [evaluate(loss, inputs, by), evaluate(loss, holed, by)];
          expectClose(other.loss, plain.loss);
          expectClose(Object.values(other.metrics), Object.values(plain.metrics));
          expectClose(
            other.gradient,
            changed(inputs, plain.gradient, (rows, none, rank) =>
              rank === 1 ? rows : rows.map((row) => row.toSpliced(cut, 0, none)),
            ),
          );
        }
      });
    });
  });

  test('policies that agree, pairs that are equal, and rewards, scores and advantages of 0 are finite', () => {
    ofEntry([shapes, seeds, fc.constantFrom(0, -1)], ({ sequences, tokens }, seed, constant) => {
      tf.tidy(() => {
        const kept = ['mask', 'labels', ...(entry.discrete ?? [])] as readonly string[];
        const equal = Object.fromEntries(
          Object.entries(draw(sequences, tokens, seed)).map(([name, x]) => {
            if (kept.includes(name) || /[Ll]engths$/.test(name)) return [name, x];
            return [name, tf.fill(x.shape, /[Pp]robs$/.test(name) ? constant : 0)];
          }),
        );
        for (const loss of all) expect(finite(evaluate(loss, equal, by))).toBe(true);
      });
    });
  });

  test('a batch of one is finite, and one of none has loss 0 or is refused in words', () => {
    for (const loss of all) {
      const one = draw(1, 1, 1);
      expect(finite(evaluate(loss, one, by))).toBe(true);
      tf.dispose(one);
      const none = draw(0, 3, 1);
      let said: unknown;
      try {
        said = evaluate(loss, none, by);
      } catch (error) {
        said = String(error);
      }
      tf.dispose(none);
      if (typeof said === 'string') expect(said).toMatch(/^(Shape|Data)Error: \w+: /);
      else {
        expect(Math.abs((said as Evaluated).loss)).toBe(0);
        expect(finite(said as Evaluated)).toBe(true);
      }
    }
  });
});
