import * as tf from '@tensorflow/tfjs-core';
import { sumSquaredProbs, tokenMean } from '@tsrl/tensor';
import { float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  alphaDivergence,
  alphapo,
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  apoZeroUnpaired,
  bco,
  bcoPair,
  bradleyTerry,
  cdpo,
  cpo,
  type Divergence,
  discopop,
  dpo,
  dpoWithSft,
  exo,
  forwardKl,
  hinge,
  humanline,
  ipo,
  jensenShannon,
  type Loss,
  lengthDesensitized,
  log1mexp,
  nca,
  oddsRatio,
  orpo,
  type PairInputs,
  type PairLengths,
  type PairLogProbs,
  rdpo,
  rebel,
  referenceFree,
  reverseKl,
  sequenceLogProbs,
  simpo,
  slic,
  sppoHard,
  tpo,
  tpoL,
  wpoWeights,
} from '../src/index.ts';

type Columns = Readonly<Record<string, readonly number[]>>;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

/** The loss of columns of numbers, [n] each, its gradient in one of them, and its metrics. */
function run<I extends object>(
  loss: Loss<I>,
  columns: Columns,
  by = 'chosenLogProbs',
  context = {},
): { loss: number; gradient: number[]; metrics: Record<string, number> } {
  return tf.tidy(() => {
    const inputs = Object.fromEntries(Object.entries(columns).map(([name, x]) => [name, tf.tensor1d([...x])]));
    const { loss: total, metrics } = loss(inputs as I, context);
    const f = (x: tf.Tensor): tf.Scalar => loss({ ...inputs, [by]: x } as I, context).loss;
    return {
      loss: total.dataSync()[0] as number,
      gradient: [
        ...tf
          .grad(f)(inputs[by] as tf.Tensor)
          .dataSync(),
      ],
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, x]) => [name, x.dataSync()[0] as number])),
    };
  });
}
const value = <I extends object>(loss: Loss<I>, columns: Columns): number =>
  tf.tidy(() => {
    const inputs = Object.fromEntries(Object.entries(columns).map(([name, x]) => [name, tf.tensor1d([...x])]));
    return loss(inputs as I).loss.dataSync()[0] as number;
  });
/** For properties that evaluate many losses. */
const few = { runs: 20 };
const expectClose = (got: number | readonly number[], expected: number | readonly number[]): void =>
  expect(maxError([got].flat(), [expected].flat(), float32)).toBeLessThan(1);

/** One pair with these log-ratios. */
const ratios = (rw: number, rl: number, more: Columns = {}): Columns => ({
  chosenLogProbs: [rw - 3],
  rejectedLogProbs: [rl - 2],
  refChosenLogProbs: [-3],
  refRejectedLogProbs: [-2],
  ...more,
});
const lengths = { chosenLengths: [10], rejectedLengths: [20] };

const eighth = (low: number, high: number): fc.Arbitrary<number> =>
  fc.integer({ min: low * 64, max: high * 64 }).map((k) => k / 64);
const ratio = eighth(-6, 6);
const flipRates = fc.constantFrom(0.01, 0.1, 0.25, 0.4);
const betas = fc.constantFrom(0.05, 0.1, 0.5, 1);
const batches = fc.array(fc.tuple(eighth(-8, 0), eighth(-8, 0), eighth(-8, 0), eighth(-8, 0)), {
  minLength: 1,
  maxLength: 6,
});
const columnsOf = (batch: readonly (readonly number[])[]): Record<string, number[]> => {
  const column = (i: number): number[] => batch.map((row) => row[i] as number);
  return {
    chosenLogProbs: column(0),
    rejectedLogProbs: column(1),
    refChosenLogProbs: column(2),
    refRejectedLogProbs: column(3),
  };
};
const flipped = (columns: Columns): Columns => ({
  ...columns,
  chosenLogProbs: columns['rejectedLogProbs'] as number[],
  rejectedLogProbs: columns['chosenLogProbs'] as number[],
  refChosenLogProbs: columns['refRejectedLogProbs'] as number[],
  refRejectedLogProbs: columns['refChosenLogProbs'] as number[],
});

describe('the numbers of the specification', () => {
  const at = ratios(0.8, -0.3, lengths);
  const beta = 0.1;

  test.each<[string, Loss<never>, number]>([
    ['sigmoid', dpo(), 0.6396589186],
    ['hinge', hinge({ beta }), 0.89],
    ['ipo, normalized', ipo({ lengthNormalize: true }), 24.059025],
    ['ipo, summed', ipo(), 15.21],
    ['exo', exo(), 2.5729964552],
    ['nca', nca({ beta }), 1.3600502891],
    ['bco pair', bcoPair(), 1.3322066437],
    ['robust', rdpo(), 0.6259089186],
    ['sppo', sppoHard({ beta }), 39.73],
    ['apo zero', apoZero(), 0.9725112223],
    ['apo down', apoDown(), 0.9925170358],
    ['discopop', discopop({ beta }), 0.8702805321],
    ['sigmoid, normalized', dpo({ lengthNormalize: true }), 0.6884084618],
    ['forward divergence', dpo({ divergence: forwardKl }), 0.6491340385],
    ['Jensen-Shannon', dpo({ divergence: jensenShannon }), 0.669276342],
    ['alpha divergence', dpo({ divergence: alphaDivergence(0.5) }), 0.6452032059],
  ])('%s', (_name, loss, expected) => {
    expectClose(value(loss as Loss<object>, at), expected);
  });

  test.each([
    [0.5, 0.4740769842, 0.4115769842, 0.5240769842],
    [-1, 1.3132616875, 1.4382616875, 1.2132616875],
    [3, 0.0485873516, -0.3264126484, 0.3485873516],
  ])('DPO, rDPO and cDPO at a margin of %f', (x, clean, robust, conservative) => {
    expectClose(value(dpo({ beta: 1 }), ratios(x, 0)), clean);
    expectClose(value(rdpo({ beta: 1 }), ratios(x, 0)), robust);
    expectClose(value(cdpo({ beta: 1 }), ratios(x, 0)), conservative);
  });

  test('without a reference', () => {
    const averages = { chosenLogProbs: [-10], rejectedLogProbs: [-14], chosenLengths: [10], rejectedLengths: [10] };
    expectClose(value(simpo(), averages), 0.5543552445);
    expectClose(value(simpo({ beta: 2.5, gamma: 1.375 }), averages), 0.8981232641);
    expectClose(value(cpo({ imitationWeight: 0 }), averages), 0.5130152524);
    const { loss, metrics } = run(oddsRatio(), averages);
    expectClose([loss, metrics['logOddsRatio'] as number], [0.4462309287, 0.5755201915]);
    const slicInputs = { chosenLogProbs: [-10], rejectedLogProbs: [-12], targetLogProbs: [-11] };
    expectClose(value(slic(), slicInputs), 1.1);
    const { targetLogProbs, ...pair } = slicInputs;
    expect(targetLogProbs).toEqual([-11]);
    expectClose(value(referenceFree(hinge()), pair), 0.9);
  });

  test('RSO, IPO and the two kinds of DPO with SFT', () => {
    const at = {
      chosenLogProbs: [-10],
      rejectedLogProbs: [-12],
      refChosenLogProbs: [-11],
      refRejectedLogProbs: [-11.5],
      chosenLengths: [5],
    };
    expectClose(value(dpo({ beta: 0.05 }), at), 0.6563501408);
    expectClose(value(hinge(), at), 0.925);
    expectClose(value(rebel({ beta: 0.1 }), { ...at, chosenRewards: [1], rejectedRewards: [3] }), (0.15 + 2) ** 2);
    expectClose(value(ipo(), at), 12.25);
    expectClose(value(dpo(), at), 0.6209570478);
    expectClose(value(dpoWithSft({ beta: 0.1, eta: 0.005 }), at), 0.6259570478);
    expectClose(value(dpoWithSft({ beta: 0.1, eta: 0.2, sftReduction: 'tokenMean' }), at), 1.0209570478);
  });
});

describe('noisy preferences', () => {
  test('over flips, rDPO is DPO on clean labels in value and gradient; cDPO is the mixture itself', () => {
    forAll(
      [batches, flipRates, betas],
      (batch, e, beta) => {
        const clean = columnsOf(batch);
        const noisy = flipped(clean);
        const expectation = (loss: Loss<PairInputs>): { loss: number; gradient: number[] } => {
          const [kept, turned] = [run(loss, clean), run(loss, noisy, 'rejectedLogProbs')];
          const mix = (a: number, b: number): number => (1 - e) * a + e * b;
          return {
            loss: mix(kept.loss, turned.loss),
            gradient: kept.gradient.map((g, i) => mix(g, turned.gradient[i] as number)),
          };
        };
        const robust = expectation(rdpo({ beta, flipRate: e }));
        const truth = run(dpo({ beta }), clean);
        expectClose(robust.loss, truth.loss);
        expectClose(robust.gradient, truth.gradient);
        expectClose(expectation(dpo({ beta })).loss, value(dpo({ beta, labelSmoothing: e }), clean));
      },
      few,
    );
  });

  test('without noise both are DPO, to the bit', () => {
    forAll(
      [batches],
      (batch) => {
        const at = columnsOf(batch);
        const expected = run(dpo(), at);
        for (const loss of [rdpo({ flipRate: 0 }), cdpo({ labelSmoothing: 0 })]) {
          expect(run(loss, at)).toEqual(expected);
        }
      },
      few,
    );
  });

  test('the weights of their gradients: σ(−x), σ(−x) − ε, σ(−x) + ε / (1 − 2ε)', () => {
    forAll(
      [ratio, ratio, flipRates, betas],
      (rw, rl, e, beta) => {
        const weight = sigmoid(-beta * (rw - rl));
        const slope = (loss: Loss<PairInputs>): number => (run(loss, ratios(rw, rl)).gradient[0] as number) / -beta;
        expectClose(slope(dpo({ beta })), weight);
        expectClose(slope(cdpo({ beta, labelSmoothing: e })), weight - e);
        expectClose(slope(rdpo({ beta, flipRate: e })), weight + e / (1 - 2 * e));
        expectClose(slope(rdpo({ beta, flipRate: e, marginClip: 1e-6 })), weight + (rw > rl ? 0 : e / (1 - 2 * e)));
      },
      few,
    );
  });

  test('cDPO and EXO rest at log((1 − ε) / ε); rDPO has no bound below', () => {
    forAll(
      [flipRates],
      (e) => {
        const rest = Math.fround(Math.log((1 - e) / e));
        expectClose(run(cdpo({ beta: 1, labelSmoothing: e }), ratios(rest, 0)).gradient, [0]);
        const { loss, gradient } = run(exo({ beta: 1, labelSmoothing: e }), ratios(rest, 0));
        expectClose([loss, ...gradient], [0, 0]);
        const far = 1000;
        expectClose(value(rdpo({ beta: 1, flipRate: e }), ratios(far, 0)), (-far * e) / (1 - 2 * e));
      },
      few,
    );
  });
});

describe('symmetries', () => {
  const shiftInvariant: Record<string, Loss<PairInputs>> = {
    dpo: dpo(),
    cdpo: cdpo(),
    rdpo: rdpo(),
    hinge: hinge(),
    ipo: ipo(),
    exo: exo(),
    discopop: discopop(),
    aot: aot(),
  };
  const anchored: Record<string, Loss<PairInputs>> = {
    nca: nca({ beta: 1 }),
    bcoPair: bcoPair({ beta: 1 }),
    sppoHard: sppoHard({ beta: 1 }),
    apoZero: apoZero({ beta: 1 }),
    apoDown: apoDown({ beta: 1 }),
  };
  const shifted = (columns: Columns, by: number): Columns => ({
    ...columns,
    chosenLogProbs: (columns['chosenLogProbs'] as number[]).map((x) => x + by),
    rejectedLogProbs: (columns['rejectedLogProbs'] as number[]).map((x) => x + by),
  });

  test.each(Object.entries(shiftInvariant))('%s sees only what the two responses differ by', (_name, loss) => {
    forAll(
      [batches, eighth(-8, 8)],
      (batch, by) => {
        const [here, there] = [columnsOf(batch), shifted(columnsOf(batch), by)];
        expectClose(value(loss, there), value(loss, here));
        expectClose(run(loss, there).gradient, run(loss, here).gradient);
      },
      few,
    );
  });

  test.each(Object.entries(anchored))('%s does not', (_name, loss) => {
    const here = ratios(0.5, -0.5);
    expect(Math.abs(value(loss, shifted(here, 1)) - value(loss, here))).toBeGreaterThan(1e-3);
  });

  test('at the reference: log 2, 1, 1 / (4 β²), and gradients that are opposite', () => {
    forAll(
      [fc.tuple(ratio), betas],
      ([r], beta) => {
        const at = ratios(r, r);
        expectClose(value(dpo({ beta }), at), Math.LN2);
        expectClose(value(hinge({ beta }), at), 1);
        expectClose(value(ipo({ beta }), at), 1 / (4 * beta * beta));
      },
      few,
    );
    forAll(
      [batches],
      (batch) => {
        for (const loss of Object.values(shiftInvariant)) {
          if (loss === shiftInvariant['aot']) continue;
          const at = columnsOf(batch);
          expectClose(
            run(loss, at).gradient,
            run(loss, at, 'rejectedLogProbs').gradient.map((g) => -g),
          );
        }
      },
      few,
    );
  });

  test('softplus(x) − softplus(−x) = x: DPO of a pair and of its flip differ by the margin', () => {
    forAll([ratio, ratio, betas], (rw, rl, beta) => {
      const at = ratios(rw, rl);
      expectClose(value(dpo({ beta }), flipped(at)) - value(dpo({ beta }), at), beta * (rw - rl));
    });
  });

  test('DPO, hinge, APO-zero fall with the chosen reward and rise with the rejected one', () => {
    forAll(
      [batches, betas],
      (batch, beta) => {
        const at = columnsOf(batch);
        for (const loss of [dpo({ beta }), hinge({ beta }), apoZero({ beta }), rdpo({ beta })]) {
          expect(run(loss, at).gradient.every((g) => g <= 0)).toBe(true);
          expect(run(loss, at, 'rejectedLogProbs').gradient.every((g) => g >= 0)).toBe(true);
        }
        expect(run(apoDown({ beta }), at, 'rejectedLogProbs').gradient.every((g) => g >= 0)).toBe(true);
      },
      few,
    );
  });

  test('weights scale losses and gradients; a pair without weight teaches nothing', () => {
    forAll(
      [batches, fc.constantFrom(0, 0.5, 3)],
      (batch, weight) => {
        const at = columnsOf(batch);
        for (const loss of [...Object.values(anchored), dpo(), rdpo(), ipo()]) {
          const [plain, weighted] = [run(loss, at), run(loss, { ...at, weights: batch.map(() => weight) })];
          expectClose(weighted.loss, weight * plain.loss);
          expectClose(
            weighted.gradient,
            plain.gradient.map((g) => weight * g),
          );
          expect(weighted.metrics).toEqual(plain.metrics);
        }
      },
      few,
    );
  });
});

describe('where the losses rest', () => {
  test('NCA in the chosen reward at log 2, SPPO at ±1 / (2 β), IPO at 1 / (2 β), all with gradient 0', () => {
    forAll(
      [betas],
      (beta) => {
        expectClose(run(nca({ beta }), ratios(Math.LN2 / beta, 0)).gradient, [0]);
        expect(run(nca({ beta }), ratios((Math.LN2 - 0.1) / beta, 0)).gradient[0]).toBeLessThan(0);
        expect(run(nca({ beta }), ratios((Math.LN2 + 0.1) / beta, 0)).gradient[0]).toBeGreaterThan(0);
        const half = 1 / (2 * beta);
        const rest = ratios(half, -half);
        for (const by of ['chosenLogProbs', 'rejectedLogProbs']) {
          const { loss, gradient } = run(sppoHard({ beta }), rest, by);
          expect(Math.max(loss, Math.abs(gradient[0] as number))).toBeLessThan(1e-5);
        }
        expect(Math.abs(run(ipo({ beta }), ratios(half, 0)).gradient[0] as number)).toBeLessThan(1e-5);
      },
      few,
    );
  });

  test('over all pairs of four responses: the closed forms of IPO and DPO, from the specification', () => {
    const [r, reference, beta] = [[1, 0, 0.5, 0.2], [0.4, 0.3, 0.2, 0.1], 0.5];
    const all = r.flatMap((_, i) => r.map((_, j) => [i, j] as const));
    const gradientAt = (loss: Loss<PairInputs>, policy: readonly number[]): Float32Array =>
      tf.tidy(() => {
        const logits = tf.tensor1d(policy.map(Math.log));
        const [chosen, rejected] = [0, 1].map((k) =>
          tf.tensor1d(
            all.map((pair) => pair[k] as number),
            'int32',
          ),
        ) as [tf.Tensor1D, tf.Tensor1D];
        const refLogProbs = tf.tensor1d(reference.map(Math.log));
        // Both responses uniform, the preference drawn from Bradley-Terry.
        const weights = tf.tensor1d(all.map(([i, j]) => sigmoid((r[i] as number) - (r[j] as number))));
        const f = (x: tf.Tensor): tf.Scalar => {
          const logProbs = tf.logSoftmax(x as tf.Tensor1D);
          return loss({
            chosenLogProbs: tf.gather(logProbs, chosen),
            rejectedLogProbs: tf.gather(logProbs, rejected),
            refChosenLogProbs: tf.gather(refLogProbs, chosen),
            refRejectedLogProbs: tf.gather(refLogProbs, rejected),
            weights,
          }).loss;
        };
        return Float32Array.from(tf.grad(f)(logits).dataSync());
      });
    const largest = (x: Float32Array): number => Math.max(...x.map(Math.abs));
    const optimumOfIpo = [0.4917016709, 0.2296985854, 0.1944548602, 0.0841448834];
    const optimumOfDpo = [0.7485504438, 0.0759789647, 0.1376881595, 0.037782432];
    expect(largest(gradientAt(ipo({ beta }), optimumOfIpo))).toBeLessThan(1e-6);
    expect(largest(gradientAt(dpo({ beta }), optimumOfDpo))).toBeLessThan(1e-6);
    expect(largest(gradientAt(ipo({ beta }), optimumOfDpo))).toBeGreaterThan(1e-2);
    expect(largest(gradientAt(dpo({ beta }), optimumOfIpo))).toBeGreaterThan(1e-2);
  });
});

describe('between methods', () => {
  test('BCO of pairs is twice BCO of its responses, and above DPO for every shift', () => {
    forAll(
      [batches, betas, ratio],
      (batch, beta, shift) => {
        const at = columnsOf(batch);
        const unpaired = {
          logProbs: [...(at['chosenLogProbs'] as number[]), ...(at['rejectedLogProbs'] as number[])],
          refLogProbs: [...(at['refChosenLogProbs'] as number[]), ...(at['refRejectedLogProbs'] as number[])],
          labels: [...batch.map(() => 1), ...batch.map(() => 0)],
        };
        const paired = value(bcoPair({ beta, shift }), at);
        expectClose(paired, 2 * run(bco({ beta, shift }), unpaired, 'logProbs').loss);
        expect(paired).toBeGreaterThanOrEqual(value(dpo({ beta }), at) - 1e-6);
        expectClose(value(apoZero({ beta }), at), 2 * run(apoZeroUnpaired({ beta }), unpaired, 'logProbs').loss);
      },
      few,
    );
  });

  test('AOT of one pair is DPO; its order within a side does not matter', () => {
    forAll(
      [batches, fc.nat(), betas],
      (batch, turn, beta) => {
        const at = columnsOf(batch);
        const alone = columnsOf(batch.slice(0, 1));
        expectClose(value(aot({ beta }), alone), value(dpo({ beta }), alone));
        expectClose(value(aotUnpaired({ beta }), alone), value(dpo({ beta }), alone));
        const rotate = (x: readonly number[]): number[] => x.map((_, i) => x[(i + turn) % x.length] as number);
        const rotated = (...names: string[]): Columns => ({
          ...at,
          ...Object.fromEntries(names.map((name) => [name, rotate(at[name] as number[])])),
        });
        expectClose(
          value(aot({ beta }), rotated('refChosenLogProbs', 'refRejectedLogProbs')),
          value(aot({ beta }), at),
        );
        const side = rotated('rejectedLogProbs', 'refRejectedLogProbs');
        expectClose(value(aotUnpaired({ beta }), side), value(aotUnpaired({ beta }), at));
      },
      few,
    );
  });

  test('AOT of sides of different size compares quantiles', () => {
    const gaps = (chosen: readonly number[], rejected: readonly number[]): number =>
      value(aotUnpaired({ beta: 1 }), {
        chosenLogProbs: chosen,
        refChosenLogProbs: chosen.map(() => 0),
        rejectedLogProbs: rejected,
        refRejectedLogProbs: rejected.map(() => 0),
      });
    // Quantiles 1/6, 1/2, 5/6 of two values that stand at 1/4 and 3/4: the first, their middle, the second.
    expectClose(gaps([-1, -2, -3], [-4, -2]), mean([-3 + 4, -2 + 3, -1 + 2].map((d) => softplus(-d))));
    // Quantiles 1/8, 3/8, 5/8, 7/8: the first, a quarter of the way, three quarters, the second.
    expectClose(gaps([-4, -2], [-1, -1, -1, -1]), mean([-3, -2.5, -1.5, -1].map((d) => softplus(-d))));
    forAll([fc.array(eighth(-8, 0), { minLength: 1, maxLength: 5 }), eighth(-8, 0)], (side, constant) => {
      expectClose(gaps([constant], side), mean(side.map((x) => softplus(x - constant))));
    });
  });

  test('SimPO without margin is CPO with β over the length; with α → 0 AlphaPO is SimPO', () => {
    forAll(
      [batches, fc.integer({ min: 1, max: 16 })],
      (batch, n) => {
        const all = columnsOf(batch);
        const at = {
          chosenLogProbs: all['chosenLogProbs'] as number[],
          rejectedLogProbs: all['rejectedLogProbs'] as number[],
          chosenLengths: batch.map(() => n),
          rejectedLengths: batch.map(() => n),
        };
        expectClose(value(simpo({ beta: 2, gamma: 0 }), at), value(cpo({ beta: 2 / n, imitationWeight: 0 }), at));
        expect(run(alphapo({ alpha: 0 }), at)).toEqual(run(simpo(), at));
        expectClose(value(alphapo({ alpha: 1e-6 }), at), value(simpo(), at));
        expectClose(
          value(referenceFree(dpo()), at),
          value(dpo(), { ...at, refChosenLogProbs: batch.map(() => 0), refRejectedLogProbs: batch.map(() => 0) }),
        );
        const target = { ...at, targetLogProbs: at.rejectedLogProbs, goldLogProbs: at.chosenLogProbs };
        expectClose(
          value(slic({ targetMargin: 0.5, imitationWeight: 0 }), target),
          value(referenceFree(hinge({ beta: 1, targetMargin: 0.5 })), at),
        );
        // SLiC(δ) = δ · hinge with β = 1 / δ.
        expectClose(
          value(slic({ targetMargin: 4, imitationWeight: 0 }), target),
          4 * value(referenceFree(hinge({ beta: 0.25 })), at),
        );
        expectClose(value(tpo({ beta: 0.1 }), { ...target, goldLengths: at.chosenLengths }), value(cpo(), at));
        const { loss, metrics } = run(orpo({ lambda: 0.3 }), at);
        expectClose(loss, (metrics['imitation'] as number) + 0.3 * value(oddsRatio(), at));
      },
      few,
    );
  });

  test('the log odds ratio is antisymmetric, and the difference of logits of probabilities', () => {
    forAll(
      [eighth(-8, -1), eighth(-8, -1)],
      (lw, ll) => {
        const at = (chosen: number, rejected: number): Columns => ({
          chosenLogProbs: [chosen],
          rejectedLogProbs: [rejected],
          chosenLengths: [1],
          rejectedLengths: [1],
        });
        const odds = (chosen: number, rejected: number): number =>
          run(oddsRatio(), at(chosen, rejected)).metrics['logOddsRatio'] as number;
        const logit = (l: number): number => l - Math.log(-Math.expm1(l));
        expectClose(odds(lw, ll), logit(lw) - logit(ll));
        expectClose(odds(ll, lw), -odds(lw, ll));
      },
      few,
    );
    const certain = { chosenLogProbs: [0], rejectedLogProbs: [-1e4], chosenLengths: [1], rejectedLengths: [1] };
    const { loss, gradient } = run(oddsRatio(), certain);
    expect([loss, ...gradient].every(Number.isFinite)).toBe(true);
  });

  test('η = 0 is DPO; the gradient of DPO with SFT in the chosen log-prob never ends', () => {
    forAll([batches], (batch) => {
      const at = columnsOf(batch);
      expectClose(value(dpoWithSft({ beta: 0.1, eta: 0 }), at), value(dpo(), at));
    });
    expectClose(run(dpoWithSft({ beta: 0.1, eta: 0.2 }), ratios(2000, 0)).gradient, [-0.1 * 0.2]);
  });

  test('the imitation of CPO adds up over parts with the tokens of the whole', () => {
    const parts = [
      { chosenLogProbs: [-4], rejectedLogProbs: [-3], chosenLengths: [3] },
      { chosenLogProbs: [-2, -6], rejectedLogProbs: [-5, -1], chosenLengths: [2, 7] },
    ];
    const whole = { chosenLogProbs: [-4, -2, -6], rejectedLogProbs: [-3, -5, -1], chosenLengths: [3, 2, 7] };
    const loss = cpo({ aggregate: tokenMean });
    const context = { tokens: 12, sequences: 3 };
    const sum = parts.reduce((total, part) => total + run(loss, part, 'chosenLogProbs', context).loss, 0);
    expectClose(sum, value(loss, whole));
    // A response without a token has nothing to imitate.
    const empty = { chosenLogProbs: [0, -2], rejectedLogProbs: [-1, -1], chosenLengths: [0, 4] };
    expectClose(run(cpo(), empty).metrics['imitation'] as number, 0.5);
  });
});

describe('rebel', () => {
  test('is the square of what the implicit rewards lack, with its gradient', () => {
    const batchOf = fc.array(fc.tuple(ratio, ratio, ratio, ratio), { minLength: 1, maxLength: 5 });
    forAll([batchOf, betas], (batch, beta) => {
      const all = columnsOf(batch.map(([rw, rl]) => [rw, rl, 0, 0]));
      const at = { ...all, chosenRewards: batch.map((row) => row[2]), rejectedRewards: batch.map((row) => row[3]) };
      const lacks = batch.map(([rw, rl, better, worse]) => beta * (rw - rl) - (better - worse));
      const { loss, gradient } = run(rebel({ beta }), at);
      expectClose(loss, mean(lacks.map((lack) => lack ** 2)));
      expectClose(
        gradient,
        lacks.map((lack) => (2 * beta * lack) / batch.length),
      );
      // Which response is called chosen does not matter.
      const turned = { ...flipped(at), chosenRewards: at.rejectedRewards, rejectedRewards: at.chosenRewards };
      expectClose(value(rebel({ beta }), turned), loss);
    });
  });

  test('is 0 at the policy that maximizes the reward: the numbers of the specification', () => {
    const [r, reference] = [
      [1, 0, 0.5, 0.2],
      [0.4, 0.3, 0.2, 0.1],
    ] as const;
    const optimum = [0.7485504438, 0.0759789647, 0.1376881595, 0.037782432];
    const all = r.flatMap((_, i) => r.map((_, j) => [i, j] as const));
    const pick = (of: readonly number[], side: 0 | 1): number[] => all.map((pair) => of[pair[side]] as number);
    const [logs, refLogs] = [optimum.map(Math.log), reference.map(Math.log)];
    const at = {
      chosenLogProbs: pick(logs, 0),
      rejectedLogProbs: pick(logs, 1),
      refChosenLogProbs: pick(refLogs, 0),
      refRejectedLogProbs: pick(refLogs, 1),
      chosenRewards: pick(r, 0),
      rejectedRewards: pick(r, 1),
    };
    expect(value(rebel({ beta: 0.5 }), at)).toBeLessThan(1e-12);
    expect(value(rebel({ beta: 0.6 }), at)).toBeGreaterThan(1e-3);
  });
});

describe('f-divergences', () => {
  const scores = (divergence: Divergence, x: readonly number[]): number[] =>
    tf.tidy(() => [...divergence(tf.tensor1d([...x])).dataSync()]);

  test('their members: α = 0 forward, α = 1 reverse; all increase', () => {
    forAll([fc.array(ratio, { minLength: 2, maxLength: 6 })], (x) => {
      expect(scores(alphaDivergence(1), x)).toEqual(x);
      expect(scores(reverseKl, x)).toEqual(x);
      expect(scores(alphaDivergence(0), x)).toEqual(scores(forwardKl, x));
      expectClose(
        scores(forwardKl, x),
        x.map((r) => -Math.exp(-r)),
      );
      expectClose(
        scores(jensenShannon, x),
        x.map((r) => Math.log(sigmoid(r))),
      );
      for (const divergence of [forwardKl, jensenShannon, alphaDivergence(0.5), alphaDivergence(2)]) {
        const ordered = x.toSorted((a, b) => a - b);
        const s = scores(divergence, ordered);
        expect(s.every((y, i) => i === 0 || y >= (s[i - 1] as number))).toBe(true);
      }
    });
  });

  test('α near 1: differences of scores are differences of log-ratios', () => {
    const [a, b] = scores(alphaDivergence(1 + 2 ** -10), [0.5, -0.25]) as [number, number];
    expect(a - b).toBeCloseTo(0.75, 2);
  });

  test('far from the reference the score is flat, not infinite', () => {
    for (const divergence of [forwardKl, alphaDivergence(2), alphaDivergence(-1)]) {
      for (const r of [-1e4, 1e4]) {
        const { loss, gradient } = run(dpo({ divergence }), ratios(r, 0));
        expect([loss, ...gradient].every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe('metrics', () => {
  test('rewards are β log-ratios whatever the loss makes of them; a tie is no accurate pair', () => {
    const at = {
      ...columnsOf([
        [-1, -2, -3, -3],
        [-4, -1, -2, -2],
        [-1, -1, -1, -1],
      ]),
      ...{ weights: [0, 1, 5] },
    };
    const expected = { chosenReward: 0.1 * (2 - 2 + 0), rejectedReward: 0.1 * (1 + 1 + 0), accuracy: 1 };
    for (const loss of [dpo(), ipo(), dpo({ divergence: jensenShannon }), apoZero()]) {
      const { metrics } = run(loss, at);
      expect(Object.keys(metrics)).toEqual(['chosenReward', 'rejectedReward', 'margin', 'accuracy']);
      expectClose(metrics['chosenReward'] as number, expected.chosenReward / 3);
      expectClose(metrics['rejectedReward'] as number, expected.rejectedReward / 3);
      expectClose(metrics['margin'] as number, (expected.chosenReward - expected.rejectedReward) / 3);
      expectClose(metrics['accuracy'] as number, expected.accuracy / 3);
    }
  });

  test('without a reference they are β log π, or its mean', () => {
    const at = { chosenLogProbs: [-6], rejectedLogProbs: [-8], chosenLengths: [3], rejectedLengths: [2] };
    expectClose(run(cpo({ beta: 0.5 }), at).metrics['chosenReward'] as number, -3);
    expectClose(run(cpo({ beta: 0.5 }), at).metrics['imitation'] as number, 2);
    expectClose(run(simpo({ beta: 0.5 }), at).metrics['rejectedReward'] as number, -2);
    expectClose(run(oddsRatio(), at).metrics['margin'] as number, 2);
    const slicInputs = { chosenLogProbs: [-6], rejectedLogProbs: [-8], targetLogProbs: [-5] };
    expect(run(slic(), slicInputs).metrics['targetLogProb']).toBe(-5);
  });
});

describe('bradleyTerry', () => {
  test('is DPO of scores, with margins and centering', () => {
    const score = eighth(-4, 4);
    forAll(
      [fc.array(fc.tuple(score, score, score), { minLength: 1, maxLength: 5 }), fc.constantFrom(0, 0.01, 1)],
      (batch, centering) => {
        const [sw, sl, margins] = [0, 1, 2].map((i) => batch.map((row) => row[i] as number)) as [
          number[],
          number[],
          number[],
        ];
        const scores = { chosenScores: sw, rejectedScores: sl };
        const one = (w: number, l: number, m: number): number => softplus(m - w + l) + centering * (w + l) ** 2;
        const slope = (w: number, l: number, m: number): number => -sigmoid(m - w + l) + 2 * centering * (w + l);
        const of = (f: typeof one, m: (i: number) => number): number[] =>
          batch.map((_, i) => f(sw[i] as number, sl[i] as number, m(i)));
        const loss = bradleyTerry({ centering });
        const plain = run(loss, scores, 'chosenScores');
        expectClose(plain.loss, mean(of(one, () => 0)));
        const given = run(loss, { ...scores, margins }, 'chosenScores');
        expectClose(given.loss, mean(of(one, (i) => margins[i] as number)));
        expectClose(
          given.gradient,
          of(slope, (i) => margins[i] as number).map((g) => g / batch.length),
        );
        expect(given.metrics).toEqual(plain.metrics);
        expectClose(plain.metrics['margin'] as number, mean(sw) - mean(sl));
        expectClose(plain.metrics['accuracy'] as number, mean(sw.map((w, i) => (w > (sl[i] as number) ? 1 : 0))));
      },
    );
  });
});

describe('from tokens to sequences', () => {
  const matrix = (x: readonly (readonly number[])[]): tf.Tensor2D => tf.tensor2d(x.map((row) => [...row]));

  test('sequenceLogProbs sums what the mask counts, with weights, whatever stands elsewhere', () => {
    tf.tidy(() => {
      const logProbs = matrix([
        [-1, -2, Number.NaN],
        [-4, -5, -6],
        [Number.NaN, -1, -1],
      ]);
      const mask = matrix([
        [1, 1, 0],
        [1, 0, 0.5],
        [0, 0, 0],
      ]);
      expect([...sequenceLogProbs(logProbs, mask).dataSync()]).toEqual([-3, -7, 0]);
      const gradient = tf.grad((x) => tf.sum(sequenceLogProbs(x as tf.Tensor2D, mask)))(logProbs);
      expect([...gradient.dataSync()]).toEqual([1, 1, 0, 1, 0, 0.5, 0, 0, 0]);
    });
  });

  test('LD-DPO weighs what the longer response has beyond the shorter one', () => {
    const bit = fc.constantFrom(0, 1);
    const masks = fc.tuple(
      fc.array(fc.array(bit, { minLength: 4, maxLength: 4 }), { minLength: 3, maxLength: 3 }),
      fc.array(fc.array(bit, { minLength: 6, maxLength: 6 }), { minLength: 3, maxLength: 3 }),
    );
    forAll([masks, fc.constantFrom(0, 0.25, 0.5, 1)], ([chosen, rejected], alpha) => {
      const oracle = (own: readonly number[], other: readonly number[]): number[] => {
        const shorter = Math.min(...[own, other].map((row) => row.filter((m) => m === 1).length));
        let seen = 0;
        return own.map((m) => {
          if (m === 0) return 0;
          seen += 1;
          return seen <= shorter ? 1 : alpha;
        });
      };
      tf.tidy(() => {
        const { chosenMask, rejectedMask } = lengthDesensitized(
          { chosenMask: matrix(chosen), rejectedMask: matrix(rejected) },
          { alpha },
        );
        expect(chosenMask.arraySync()).toEqual(chosen.map((row, i) => oracle(row, rejected[i] as number[])));
        expect(rejectedMask.arraySync()).toEqual(rejected.map((row, i) => oracle(row, chosen[i] as number[])));
      });
    });
  });

  test('WPO: the number of the specification, 1 for the uniform policy, constant', () => {
    tf.tidy(() => {
      const logits = tf.tensor3d([
        [
          [2, 1, 0],
          [2, 1, 0],
        ],
        [
          [5, 5, 5],
          [0, 9, 0],
        ],
      ]);
      const first = tf.squeeze(tf.slice(tf.logSoftmax(logits), [0, 0, 0], [2, 2, 1]), [2]) as tf.Tensor2D;
      const sumSquared = sumSquaredProbs(logits) as tf.Tensor2D;
      const mask = matrix([
        [1, 1],
        [1, 0],
      ]);
      const weights = wpoWeights({ logProbs: first, sumSquaredProbs: sumSquared, mask });
      expectClose([...weights.dataSync()], [1.3030065643, 1]);
      const empty = wpoWeights({ logProbs: first, sumSquaredProbs: sumSquared, mask: tf.zeros([2, 2]) });
      expect([...empty.dataSync()]).toEqual([1, 1]);
      const gradient = tf.grad((x) => {
        const weighted = wpoWeights({ logProbs: x as tf.Tensor2D, sumSquaredProbs: sumSquared, mask });
        return tf.add(tf.sum(weighted), tf.sum(x));
      })(first);
      expect([...gradient.dataSync()]).toEqual([1, 1, 1, 1]);
    });
  });

  test('humanline keeps the log-ratios within bounds, and no gradient beyond', () => {
    tf.tidy(() => {
      const [logProbs, refLogProbs] = [matrix([[-1, -2, -0.25, Number.NaN]]), matrix([[-2, -1, -0.5, -1]])];
      const bounds = { logLow: -0.5, logHigh: 0.25 };
      expect([...humanline(logProbs, refLogProbs, bounds).dataSync()]).toEqual([-1.75, -1.5, -0.25, Number.NaN]);
      const gradient = tf.grad((x) => tf.sum(humanline(x as tf.Tensor2D, refLogProbs, bounds)))(logProbs);
      expect([...gradient.dataSync()].slice(0, 3)).toEqual([0, 0, 1]);
    });
  });

  test('log1mexp keeps its digits at both ends, and its gradient is finite', () => {
    const at = [-1e-30, -1e-7, -0.001, -0.69, -0.7, -1, -5, -30, -80, -1e4];
    tf.tidy(() => {
      const x = tf.tensor1d(at);
      const held = [...x.dataSync()];
      const expected = held.map((y) => (y > -0.695 ? Math.log(-Math.expm1(y)) : Math.log1p(-Math.exp(y))));
      const relative = { absolute: 1e-44, relative: 2e-5 };
      expect(maxError([...log1mexp(x).dataSync()], expected, relative)).toBeLessThan(1);
      const gradient = tf.grad((y) => log1mexp(y))(x);
      const slopes = held.map((y) => -1 / Math.expm1(-y));
      expect(maxError([...gradient.dataSync()], slopes, relative)).toBeLessThan(1);
      expect([...log1mexp(tf.tensor1d([0])).dataSync()]).toEqual([-Infinity]);
    });
  });
});

describe('bad input is told', () => {
  test.each<[() => unknown, string]>([
    [() => dpo({ beta: 0 }), 'dpo: beta must be positive and finite; got 0'],
    [() => dpo({ labelSmoothing: 0.5 }), 'dpo: labelSmoothing must be in [0, 0.5); got 0.5'],
    [() => cdpo({ labelSmoothing: -0.1 }), 'cdpo: labelSmoothing must be in [0, 0.5); got -0.1'],
    [() => rdpo({ flipRate: 0.5 }), 'rdpo: flipRate must be in [0, 0.5); got 0.5'],
    [() => rdpo({ marginClip: 0 }), 'rdpo: marginClip must be positive; got 0'],
    [() => hinge({ targetMargin: 0 }), 'hinge: targetMargin must be positive and finite; got 0'],
    [() => ipo({ beta: -1 }), 'ipo: beta must be positive and finite; got -1'],
    [() => exo({ labelSmoothing: 0 }), 'exo: labelSmoothing must be in (0, 0.5); got 0'],
    [() => nca({ beta: Number.NaN }), 'nca: beta must be positive and finite; got NaN'],
    [() => bcoPair({ shift: Infinity }), 'bcoPair: shift must be finite; got Infinity'],
    [() => sppoHard({ beta: 0 }), 'sppoHard: beta must be positive and finite; got 0'],
    [() => rebel({ beta: 0 }), 'rebel: beta must be positive and finite; got 0'],
    [() => discopop({ tau: 1.5 }), 'discopop: tau must be in (0, 1]; got 1.5'],
    [() => aot({ labelSmoothing: 1 }), 'aot: labelSmoothing must be in [0, 0.5); got 1'],
    [() => aotUnpaired({ beta: 0 }), 'aotUnpaired: beta must be positive and finite; got 0'],
    [() => apoZero({ beta: 0 }), 'apoZero: beta must be positive and finite; got 0'],
    [() => apoDown({ beta: 0 }), 'apoDown: beta must be positive and finite; got 0'],
    [() => cpo({ imitationWeight: -1 }), 'cpo: imitationWeight must be a finite number of at least 0; got -1'],
    [() => simpo({ gamma: -1 }), 'simpo: gamma must be a finite number of at least 0; got -1'],
    [() => alphapo({ alpha: Number.NaN }), 'alphapo: alpha must be finite; got NaN'],
    [() => orpo({ lambda: -1 }), 'orpo: lambda must be a finite number of at least 0; got -1'],
    [() => tpo({ imitationWeight: -1 }), 'tpo: imitationWeight must be a finite number of at least 0; got -1'],
    [() => tpo({ beta: 0 }), 'tpo: beta must be positive and finite; got 0'],
    [() => tpo({ labelSmoothing: 0.5 }), 'tpo: labelSmoothing must be in [0, 0.5); got 0.5'],
    [() => tpoL({ beta: 0 }), 'tpoL: beta must be positive and finite; got 0'],
    [() => tpoL({ gamma: -1 }), 'tpoL: gamma must be a finite number of at least 0; got -1'],
    [() => tpoL({ labelSmoothing: 0.5 }), 'tpoL: labelSmoothing must be in [0, 0.5); got 0.5'],
    [() => cpo({ labelSmoothing: 0.5 }), 'cpo: labelSmoothing must be in [0, 0.5); got 0.5'],
    [() => dpoWithSft({ beta: 0 }), 'dpoWithSft: beta must be positive and finite; got 0'],
    [() => slic({ targetMargin: 0 }), 'slic: targetMargin must be positive and finite; got 0'],
    [() => slic({ imitationWeight: -1 }), 'slic: imitationWeight must be a finite number of at least 0; got -1'],
    [() => dpoWithSft({ eta: -1 }), 'dpoWithSft: eta must be a finite number of at least 0; got -1'],
    [() => bradleyTerry({ centering: -1 }), 'bradleyTerry: centering must be a finite number of at least 0; got -1'],
    [() => alphaDivergence(Infinity), 'alphaDivergence: alpha must be finite; got Infinity'],
  ])('%s', (build, message) => {
    expect(build).toThrow(message);
  });

  test('an unknown reduction', () => {
    expect(() => dpoWithSft({ eta: 1, sftReduction: 'mean' as 'tokenMean' })).toThrow(
      /dpoWithSft: sftReduction must be 'sum' or 'tokenMean'; got .?mean/,
    );
  });

  test('shapes, and batches without a pair', () => {
    tf.tidy(() => {
      const two = tf.tensor1d([-1, -2]);
      const three = tf.tensor1d([-1, -2, -3]);
      const none = tf.zeros([0]) as tf.Tensor1D;
      const all = { chosenLogProbs: two, rejectedLogProbs: two, refChosenLogProbs: two, refRejectedLogProbs: two };
      const square = tf.zeros<tf.Rank.R1>([2, 2] as never);
      expect(() => dpo()({ ...all, chosenLogProbs: square })).toThrow(
        'dpo: chosenLogProbs must be float32 [B]; got float32 [2, 2]',
      );
      expect(() => dpo()({ ...all, rejectedLogProbs: three })).toThrow(
        'dpo: rejectedLogProbs must be float32 [2] like chosenLogProbs; got float32 [3]',
      );
      expect(() => rdpo()({ ...all, refRejectedLogProbs: three })).toThrow('rdpo: refRejectedLogProbs must be');
      expect(() => ipo()({ ...all, weights: three })).toThrow('ipo: weights must be');
      expect(() => dpo({ lengthNormalize: true })({ ...all, chosenLengths: three, rejectedLengths: two })).toThrow(
        'dpo: chosenLengths must be',
      );
      const empty = {
        chosenLogProbs: none,
        rejectedLogProbs: none,
        refChosenLogProbs: none,
        refRejectedLogProbs: none,
      };
      expect(() => dpo()(empty)).toThrow('dpo: chosenLogProbs must be float32 [B], B at least 1; got float32 [0]');
      expect(() => aot()(empty)).toThrow('aot: chosenLogProbs must be float32 [B], B at least 1; got float32 [0]');
      expect(() => aotUnpaired()(empty)).toThrow('aotUnpaired: chosenLogProbs must be float32 [B], B at least 1');
      expect(() => aotUnpaired()({ ...all, refRejectedLogProbs: three })).toThrow(
        'aotUnpaired: refRejectedLogProbs must be float32 [2] like rejectedLogProbs; got float32 [3]',
      );
      expect(() => referenceFree(dpo())({ chosenLogProbs: two, rejectedLogProbs: three })).toThrow(
        'referenceFree: rejectedLogProbs must be',
      );
      expect(() => cpo()({ ...all, chosenLengths: three })).toThrow('cpo: chosenLengths must be');
      expect(() => tpo()({ ...all, goldLogProbs: two, goldLengths: three })).toThrow('tpo: goldLengths must be');
      expect(() => rebel()({ ...all, chosenRewards: two, rejectedRewards: three })).toThrow(
        'rebel: rejectedRewards must be float32 [2] like chosenLogProbs; got float32 [3]',
      );
      expect(() => slic()({ ...all, targetLogProbs: three })).toThrow('slic: targetLogProbs must be');
      expect(() => bradleyTerry()({ chosenScores: two, rejectedScores: three })).toThrow(
        'bradleyTerry: rejectedScores must be',
      );
      expect(() => bradleyTerry()({ chosenScores: none, rejectedScores: none })).toThrow(
        'bradleyTerry: chosenScores must be float32 [B], B at least 1; got float32 [0]',
      );
      const [wide, narrow]: [tf.Tensor2D, tf.Tensor2D] = [tf.ones([2, 3]), tf.ones([3, 2])];
      expect(() => sequenceLogProbs(wide, narrow)).toThrow('sequenceLogProbs: mask must be');
      expect(() => lengthDesensitized({ chosenMask: wide, rejectedMask: narrow })).toThrow(
        'lengthDesensitized: rejectedMask must be float32 [2, U]; got float32 [3, 2]',
      );
      expect(() => lengthDesensitized({ chosenMask: wide, rejectedMask: wide }, { alpha: 2 })).toThrow(
        'lengthDesensitized: alpha must be in [0, 1]; got 2',
      );
      expect(() => wpoWeights({ logProbs: wide, sumSquaredProbs: narrow, mask: wide })).toThrow(
        'wpoWeights: sumSquaredProbs must be',
      );
      expect(() => humanline(wide, wide, { logLow: 0.1, logHigh: 1 })).toThrow(
        'humanline: logLow must be at most 0; got 0.1',
      );
      expect(() => humanline(wide, wide, { logLow: -1, logHigh: -0.1 })).toThrow(
        'humanline: logHigh must be at least 0; got -0.1',
      );
    });
  });

  test('a missing input is a compile error', () => {
    type Inputs<L> = L extends Loss<infer I> ? I : never;
    expectTypeOf(dpo()).toEqualTypeOf<Loss<PairInputs>>();
    expectTypeOf(dpo({ lengthNormalize: true })).toEqualTypeOf<Loss<PairInputs & PairLengths>>();
    expectTypeOf(ipo({ lengthNormalize: true })).toEqualTypeOf<Loss<PairInputs & PairLengths>>();
    expectTypeOf<PairLogProbs>().not.toExtend<Inputs<ReturnType<typeof rdpo>>>();
    expectTypeOf<PairLogProbs>().not.toExtend<Inputs<ReturnType<typeof simpo>>>();
    const free = referenceFree(hinge());
    expectTypeOf<PairLogProbs>().toExtend<Inputs<typeof free>>();
    const normalized = referenceFree(ipo({ lengthNormalize: true }));
    expectTypeOf<PairLogProbs>().not.toExtend<Inputs<typeof normalized>>();
    expectTypeOf<PairLogProbs & PairLengths>().toExtend<Inputs<typeof normalized>>();
  });
});
