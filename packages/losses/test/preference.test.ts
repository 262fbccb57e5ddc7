import * as tf from '@tensorflow/tfjs-core';
import { sequenceSum, tokenMean } from '@tsrl/tensor';
import { finiteDifference, float32, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alphapo,
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bcoPair,
  cdpo,
  cpo,
  type Divergence,
  discopop,
  dpo,
  dpoWithSft,
  exo,
  forwardKl,
  hinge,
  ipo,
  jensenShannon,
  type Loss,
  nca,
  oddsRatio,
  orpo,
  type PairInputs,
  type PairLengths,
  rdpo,
  simpo,
  slic,
  sppoHard,
  tpo,
  tpoL,
} from '../src/index.ts';

type Columns = Readonly<Record<string, readonly number[]>>;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const sub = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x - (b[i] as number));

/** Runs a loss over columns of numbers, [n] each, and differentiates it in those named in `by`. */
function run<I extends object>(
  loss: Loss<I>,
  columns: Columns,
  by: readonly string[] = ['chosenLogProbs', 'rejectedLogProbs'],
  context = {},
): { loss: number; gradient: number[]; metrics: Record<string, number> } {
  return tf.tidy(() => {
    const inputs = Object.fromEntries(Object.entries(columns).map(([name, x]) => [name, tf.tensor1d([...x])]));
    const call = (...args: tf.Tensor[]) =>
      loss({ ...inputs, ...Object.fromEntries(by.map((name, i) => [name, args[i]])) } as I, context);
    const leaves = by.map((name) => inputs[name] as tf.Tensor);
    const { loss: value, metrics } = call(...leaves);
    const gradients = tf.grads((...args: tf.Tensor[]) => call(...args).loss)(leaves);
    return {
      loss: value.dataSync()[0] as number,
      gradient: gradients.flatMap((g) => [...g.dataSync()]),
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, x]) => [name, x.dataSync()[0] as number])),
    };
  });
}
/** Log-probs that float32 holds, and whose differences it holds. */
const logProb = fc.integer({ min: -8 * 1024, max: 0 }).map((k) => k / 1024);
const length = fc.integer({ min: 1, max: 30 });
interface Pair {
  readonly pw: number;
  readonly pl: number;
  readonly qw: number;
  readonly ql: number;
  readonly pg: number;
  readonly nw: number;
  readonly nl: number;
  readonly ng: number;
  readonly weight: number;
}
const pair: fc.Arbitrary<Pair> = fc.record({
  pw: logProb,
  pl: logProb,
  qw: logProb,
  ql: logProb,
  pg: logProb,
  nw: length,
  nl: length,
  ng: length,
  weight: fc.integer({ min: 0, max: 16 }).map((k) => k / 8),
});
const pairs = fc.array(pair, { minLength: 1, maxLength: 6 });
const betas = fc.constantFrom(0.01, 0.1, 0.5, 1);
const smoothings = fc.constantFrom(0.001, 0.1, 0.3, 0.45);

const column = (batch: readonly Pair[], key: keyof Pair): number[] => batch.map((one) => one[key]);
const columns = (batch: readonly Pair[]): Record<string, number[]> => ({
  chosenLogProbs: column(batch, 'pw'),
  rejectedLogProbs: column(batch, 'pl'),
  refChosenLogProbs: column(batch, 'qw'),
  refRejectedLogProbs: column(batch, 'ql'),
  chosenLengths: column(batch, 'nw'),
  rejectedLengths: column(batch, 'nl'),
  goldLogProbs: column(batch, 'pg'),
  goldLengths: column(batch, 'ng'),
  targetLogProbs: column(batch, 'pg'),
  weights: column(batch, 'weight'),
});
const keys = { chosenLogProbs: 'pw', rejectedLogProbs: 'pl', goldLogProbs: 'pg', targetLogProbs: 'pg' } as const;
interface Setting {
  readonly beta: number;
  readonly e: number;
}
interface Method {
  readonly build: (
    setting: Setting,
  ) => Loss<PairInputs & PairLengths & Record<'goldLogProbs' | 'goldLengths' | 'targetLogProbs', tf.Tensor1D>>;
  /** The loss of a batch, written from the formula. */
  readonly oracle: (batch: readonly Pair[], setting: Setting) => number;
  readonly by?: readonly (keyof typeof keys)[];
  /** Distance to the nearest kink. */
  readonly kink?: (batch: readonly Pair[], setting: Setting) => number;
}

const weighted =
  (term: (one: Pair, setting: Setting) => number) =>
  (batch: readonly Pair[], setting: Setting): number =>
    mean(batch.map((p) => p.weight * term(p, setting)));
const rw = ({ pw, qw }: Pair): number => pw - qw;
const rl = ({ pl, ql }: Pair): number => pl - ql;
const margin = (p: Pair, { beta }: Setting): number => beta * (rw(p) - rl(p));
const smooth = (x: number, e: number): number => (1 - e) * softplus(-x) + e * softplus(x);
const logOdds = (l: number): number => Math.log(Math.exp(Math.min(l, -1e-7)) / -Math.expm1(Math.min(l, -1e-7)));
const bend = (l: number): number => (1 - Math.exp(l) ** -0.25) / 0.25;
const sorted = (x: readonly number[]): number[] => x.toSorted((a, b) => a - b);
const closest = (...lists: readonly (readonly number[])[]): number =>
  Math.min(1, ...lists.flatMap((x) => sorted(x).map((y, i, all) => (i === 0 ? 1 : y - (all[i - 1] as number)))));
const ranks = (now: readonly number[], then: readonly number[], { beta, e }: Setting): number =>
  mean(sub(sorted(now), sorted(then)).map((d) => smooth(beta * d, e)));
const nll = (l: number, n: number): number => -l / n;
const gold = ['chosenLogProbs', 'rejectedLogProbs', 'goldLogProbs'] as const;

const js: Divergence = jensenShannon;
const methods: Readonly<Record<string, Method>> = {
  dpo: { build: ({ beta }) => dpo({ beta }), oracle: weighted((p, s) => -Math.log(sigmoid(margin(p, s)))) },
  cdpo: {
    build: ({ beta, e }) => cdpo({ beta, labelSmoothing: e }),
    oracle: weighted((p, s) => smooth(margin(p, s), s.e)),
  },
  'dpo of length-normalized scores': {
    build: ({ beta, e }) => dpo({ beta, labelSmoothing: e, lengthNormalize: true }),
    oracle: weighted((p, { beta, e }) => smooth(beta * (rw(p) / p.nw - rl(p) / p.nl), e)),
  },
  'dpo under Jensen-Shannon': {
    build: ({ beta }) => dpo({ beta, divergence: js }),
    oracle: weighted((p, { beta }) => softplus(-beta * (-softplus(-rw(p)) + softplus(-rl(p))))),
  },
  'dpo under the forward divergence': {
    build: ({ beta }) => dpo({ beta, divergence: forwardKl }),
    oracle: weighted((p, { beta }) => softplus(-beta * (-Math.exp(-rw(p)) + Math.exp(-rl(p))))),
  },
  rdpo: {
    build: ({ beta, e }) => rdpo({ beta, flipRate: e }),
    oracle: weighted((p, s) => {
      const x = margin(p, s);
      return ((1 - s.e) * softplus(-x) - s.e * softplus(x)) / (1 - 2 * s.e);
    }),
  },
  'rdpo with a clipped margin': {
    build: ({ beta, e }) => rdpo({ beta, flipRate: e, marginClip: 0.2 }),
    oracle: weighted((p, s) => softplus(-margin(p, s)) - (s.e / (1 - 2 * s.e)) * Math.min(margin(p, s), 0.2)),
    kink: (batch, s) => Math.min(...batch.map((p) => Math.abs(margin(p, s) - 0.2))),
  },
  hinge: {
    build: ({ beta }) => hinge({ beta, targetMargin: 0.7 }),
    oracle: weighted((p, s) => Math.max(0, 0.7 - margin(p, s))),
    kink: (batch, s) => Math.min(...batch.map((p) => Math.abs(margin(p, s) - 0.7))),
  },
  ipo: {
    build: ({ beta }) => ipo({ beta }),
    oracle: weighted((p, { beta }) => (rw(p) - rl(p) - 1 / (2 * beta)) ** 2),
  },
  'ipo of length-normalized scores': {
    build: ({ beta }) => ipo({ beta, lengthNormalize: true }),
    oracle: weighted((p, { beta }) => (rw(p) / p.nw - rl(p) / p.nl - 1 / (2 * beta)) ** 2),
  },
  exo: {
    build: ({ beta, e }) => exo({ beta, labelSmoothing: e }),
    oracle: weighted((p, s) => {
      const x = margin(p, s);
      return sigmoid(x) * (-softplus(-x) - Math.log(1 - s.e)) + sigmoid(-x) * (-softplus(x) - Math.log(s.e));
    }),
  },
  nca: {
    build: ({ beta }) => nca({ beta }),
    oracle: weighted(
      (p, { beta }) => softplus(-beta * rw(p)) + softplus(beta * rw(p)) / 2 + softplus(beta * rl(p)) / 2,
    ),
  },
  bcoPair: {
    build: ({ beta, e }) => bcoPair({ beta, shift: e }),
    oracle: weighted((p, { beta, e }) => softplus(e - beta * rw(p)) + softplus(beta * rl(p) - e)),
  },
  sppoHard: {
    build: ({ beta }) => sppoHard({ beta }),
    oracle: weighted((p, { beta }) => (rw(p) - 1 / (2 * beta)) ** 2 + (rl(p) + 1 / (2 * beta)) ** 2),
  },
  aot: {
    build: ({ beta, e }) => aot({ beta, labelSmoothing: e }),
    oracle: (batch, s) =>
      ranks(sub(column(batch, 'pw'), column(batch, 'pl')), sub(column(batch, 'qw'), column(batch, 'ql')), s),
    kink: (batch) => closest(sub(column(batch, 'pw'), column(batch, 'pl'))),
  },
  aotUnpaired: {
    build: ({ beta, e }) => aotUnpaired({ beta, labelSmoothing: e }),
    oracle: (batch, s) => ranks(batch.map(rw), batch.map(rl), s),
    kink: (batch) => closest(batch.map(rw), batch.map(rl)),
  },
  apoZero: {
    build: ({ beta }) => apoZero({ beta }),
    oracle: weighted((p, { beta }) => 1 - sigmoid(beta * rw(p)) + sigmoid(beta * rl(p))),
  },
  apoDown: {
    build: ({ beta }) => apoDown({ beta }),
    oracle: weighted((p, s) => sigmoid(s.beta * rw(p)) + 1 - sigmoid(margin(p, s))),
  },
  discopop: {
    build: ({ beta }) => discopop({ beta, tau: 0.2 }),
    oracle: weighted((p, s) => {
      const x = margin(p, s);
      const modulation = sigmoid(x / 0.2);
      return (1 - modulation) * softplus(-x) + modulation * Math.exp(-x);
    }),
  },
  dpoWithSft: {
    build: ({ beta }) => dpoWithSft({ beta, eta: 0.2 }),
    oracle: (batch, s) =>
      weighted((p) => softplus(-margin(p, s)))(batch, s) + s.beta * 0.2 * mean(batch.map(({ pw }) => -pw)),
  },
  'dpoWithSft of means': {
    build: ({ beta }) => dpoWithSft({ beta, eta: 0.2, sftReduction: 'tokenMean' }),
    oracle: (batch, s) =>
      weighted((p) => softplus(-margin(p, s)))(batch, s) + 0.2 * mean(batch.map(({ pw, nw }) => nll(pw, nw))),
  },
  cpo: {
    build: ({ beta, e }) => cpo({ beta, labelSmoothing: e, imitationWeight: 0.7 }),
    oracle: (batch, s) =>
      weighted(({ pw, pl }, { beta, e }) => smooth(beta * (pw - pl), e))(batch, s) +
      0.7 * mean(batch.map(({ pw, nw }) => nll(pw, nw))),
  },
  'cpo with the mean over tokens': {
    build: ({ beta }) => cpo({ beta, aggregate: tokenMean }),
    oracle: (batch, s) =>
      weighted(({ pw, pl }, { beta }) => softplus(-beta * (pw - pl)))(batch, s) -
      mean(column(batch, 'pw')) / mean(column(batch, 'nw')),
  },
  'cpo with sums': {
    build: ({ beta }) => cpo({ beta, aggregate: sequenceSum }),
    oracle: (batch, s) =>
      weighted(({ pw, pl }, { beta }) => softplus(-beta * (pw - pl)))(batch, s) - mean(column(batch, 'pw')),
  },
  simpo: {
    build: ({ beta, e }) => simpo({ beta, gamma: 0.3, labelSmoothing: e }),
    oracle: weighted(({ pw, pl, nw, nl }, { beta, e }) => smooth(beta * (pw / nw - pl / nl) - 0.3, e)),
  },
  alphapo: {
    build: ({ beta, e }) => alphapo({ beta, gamma: 0.3, labelSmoothing: e }),
    oracle: weighted(({ pw, pl, nw, nl }, { beta, e }) => smooth(beta * (bend(pw / nw) - bend(pl / nl)) - 0.3, e)),
  },
  oddsRatio: {
    build: () => oddsRatio(),
    oracle: weighted(({ pw, pl, nw, nl }) => softplus(logOdds(pl / nl) - logOdds(pw / nw))),
    kink: fromPole,
  },
  orpo: {
    build: ({ beta }) => orpo({ lambda: beta }),
    oracle: (batch, s) =>
      mean(batch.map(({ pw, nw }) => nll(pw, nw))) +
      s.beta * weighted(({ pw, pl, nw, nl }) => softplus(logOdds(pl / nl) - logOdds(pw / nw)))(batch, s),
    kink: fromPole,
  },
  tpo: {
    build: ({ beta, e }) => tpo({ beta, labelSmoothing: e, imitationWeight: 0.7 }),
    oracle: (batch, s) =>
      weighted(({ pw, pl }, { beta, e }) => smooth(beta * (pw - pl), e))(batch, s) +
      0.7 * mean(batch.map(({ pg, ng }) => nll(pg, ng))),
    by: gold,
  },
  tpoL: {
    build: ({ beta, e }) => tpoL({ beta, labelSmoothing: e, gamma: 0.3 }),
    oracle: (batch, s) =>
      weighted(({ pw, pl, nw, nl }, { beta, e }) => smooth(beta * (pw / nw - pl / nl) - 0.3, e))(batch, s) +
      mean(batch.map(({ pg, ng }) => nll(pg, ng))),
    by: gold,
  },
  slic: {
    build: ({ e }) => slic({ targetMargin: 0.7, imitationWeight: e }),
    oracle: (batch, s) =>
      weighted(({ pw, pl }) => Math.max(0, 0.7 - pw + pl))(batch, s) - s.e * mean(column(batch, 'pg')),
    by: ['chosenLogProbs', 'rejectedLogProbs', 'targetLogProbs'],
    kink: (batch) => Math.min(...batch.map(({ pw, pl }) => Math.abs(pw - pl - 0.7))),
  },
};

/**
 * Odds are infinite at log-probability 0: differences over steps of a size must stay away from it by many steps, or what
 * they leave out of the third derivative, 2 / x³, is more than float32 leaves out of the gradient.
 */
function fromPole(batch: readonly Pair[]): number {
  return Math.min(...batch.flatMap(({ pw, pl }) => [-pw, -pl])) / 16;
}

describe.each(Object.entries(methods))(
  '%s',
  (_name, { build, oracle, kink, by = ['chosenLogProbs', 'rejectedLogProbs'] }) => {
    test('is its definition, with its gradient', () => {
      forAll(
        [pairs, betas, smoothings],
        (batch, beta, e) => {
          const setting = { beta, e };
          fc.pre(kink === undefined || kink(batch, setting) > 1e-3);
          const at = by.flatMap((name) => column(batch, keys[name]));
          const moved = (x: ArrayLike<number>): Pair[] =>
            batch.map((p, i) => ({
              ...p,
              ...Object.fromEntries(by.map((name, k) => [keys[name], x[k * batch.length + i] as number])),
            }));
          const f = (x: ArrayLike<number>): number => oracle(moved(x), setting);
          const { loss, gradient } = run(build(setting), columns(batch), by);
          expect(maxError([loss], [f(at)], float32)).toBeLessThan(1);
          expect(maxError(gradient, finiteDifference(f, at), float32)).toBeLessThan(1);
        },
        { runs: 20 },
      );
    });
  },
);
