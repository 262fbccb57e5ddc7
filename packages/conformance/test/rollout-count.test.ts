import { forAllAsync } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { runDirectory } from '../src/index.ts';
import { directoryOf, mask, tensor } from './golden-directory.ts';

// The source of the rollout corrections adds 1e-8 to the count of a mean. What that shows in, by its formulas.

const decision = 'a mean divides by its count';

interface Judged {
  readonly status: string | undefined;
  readonly decision: string | undefined;
}

async function judged(one: object): Promise<Judged> {
  const files = { 'rollout-correction.verl.json': [{ name: 'one', params: {}, ...one }] };
  const [result] = (await runDirectory(directoryOf(files))).files.flatMap(({ cases }) => cases);
  return { status: result?.status, decision: result?.decision };
}

const differs: Judged = { status: 'differs by decision', decision };
const passes: Judged = { status: 'passed', decision: undefined };
const fails: Judged = { status: 'failed', decision: undefined };

type Rows = readonly (readonly number[])[];
const mean = (x: readonly number[], extra: number): number => x.reduce((a, b) => a + b, 0) / (x.length + extra);
const ones = (rows: Rows): number[][] => rows.map((row) => row.map(() => 1));

/** Weights of tokens with bound 2, and the metrics of them that are no plain means; all tokens count. */
function weights(logRatios: Rows, extra = 1e-8): object {
  const ratios = logRatios.map((row) => row.map(Math.exp));
  const within = ratios.flat().map((x) => Math.min(Math.max(x, 0.5), 2));
  const sequences = ratios.map((row) => mean(row, extra));
  const center = mean(sequences, 0);
  const squares = sequences.reduce((a, x) => a + (x - center) ** 2, 0);
  const variance = mean(
    within.map((x) => x * x),
    extra,
  );
  return {
    function: 'compute_rollout_correction_weights',
    params: { rollout_is: 'token', rollout_is_threshold: 2 },
    inputs: { log_ratio: tensor(logRatios), response_mask: mask(ones(logRatios)) },
    outputs: {
      weights: tensor(ratios.map((row) => row.map((x) => Math.min(x, 2)))),
      metrics: {
        rollout_is_mean: mean(ratios.flat(), extra),
        rollout_is_std: Math.sqrt(Math.max(0, variance - mean(within, extra) ** 2)),
        rollout_is_seq_mean: center,
        rollout_is_seq_std: Math.sqrt(squares / (sequences.length - 1)),
        rollout_is_seq_max_deviation: Math.max(...sequences.map((x) => Math.abs(x - 1))),
      },
    },
  };
}

/** Perplexities of one policy and χ² of its tokens; all tokens count. */
function diagnostics(logProbs: Rows, logRatio: number, extra = 1e-8): object {
  const other = logProbs.map((row) => row.map((x) => x - logRatio));
  const squares = logProbs.flat().map(() => Math.exp(2 * logRatio));
  const perplexities = logProbs.map((row) => Math.exp(-mean(row, extra)));
  const metrics = { training_ppl: mean(perplexities, 0), chi2_token: mean(squares, extra) - 1 };
  return {
    function: 'compute_offpolicy_metrics',
    inputs: {
      old_log_prob: tensor(logProbs),
      rollout_log_prob: tensor(other),
      response_mask: mask(ones(logProbs)),
    },
    outputs: { metrics },
  };
}

/** A rejection by k2 with the bound 1. */
function rejection(logRatios: Rows, extra = 1e-8): object {
  const values = logRatios.flat().map((x) => Math.min(x ** 2 / 2, 1));
  const variance = mean(
    values.map((x) => x * x),
    extra,
  );
  return {
    function: 'compute_rollout_rejection_mask',
    params: { rollout_rs: 'token_k2', rollout_rs_threshold: '1' },
    inputs: { log_ratio: tensor(logRatios), response_mask: mask(ones(logRatios)) },
    outputs: {
      metrics: { rollout_rs_token_k2_std: Math.sqrt(Math.max(0, variance - mean(values, extra) ** 2)) },
    },
  };
}

test('it shows in the spread of equal numbers, those that a bound makes equal too', async () => {
  const equal = [Array<number>(12).fill(0.3), Array<number>(12).fill(0.3)];
  const beyond = [equal[0] as number[], equal[0] as number[]].map((row) => row.map((x, t) => x + 1 + t / 10));
  expect(await judged(weights(equal))).toEqual(differs);
  expect(await judged(weights(beyond))).toEqual(differs);
  expect(await judged(rejection(equal))).toEqual(differs);
  expect(await judged(rejection(beyond.map((row) => row.map((x) => x + 1))))).toEqual(differs);
});

test('it shows in few tokens that hardly differ from 1, and in large perplexities', async () => {
  expect(await judged(diagnostics([[-1, -2, -1]], 0))).toEqual(differs);
  expect(await judged(diagnostics([[-15], [-2]], 1))).toEqual(differs);
  const aroundOne = [
    [0.8, 1.2],
    [0.9, 1.1],
  ];
  expect(await judged(weights(aroundOne.map((row) => row.map(Math.log))))).toEqual(differs);
});

test('elsewhere a difference of its size is a failure', async () => {
  const rows = [
    [0.5, -0.3, 0.2, 0.1],
    [0.9, -0.1, 0.4, -0.6],
  ];
  expect(await judged(weights(rows))).toEqual(passes);
  expect(await judged(rejection(rows))).toEqual(passes);
  expect(await judged(diagnostics(rows, 0.7))).toEqual(passes);
  // Beyond the tolerance, but not beyond what the decision explains where it applies.
  const { outputs, ...one } = weights(rows) as { readonly outputs: { readonly metrics: Record<string, number> } };
  const metrics = { ...outputs.metrics, rollout_is_std: (outputs.metrics['rollout_is_std'] as number) * (1 + 1.5e-7) };
  expect(await judged({ ...one, outputs: { ...outputs, metrics } })).toEqual(fails);
});

test('what the source gives always passes or differs by it', async () => {
  const logRatio = fc.integer({ min: -64, max: 64 }).map((k) => k / 64);
  const scale = fc.constantFrom(0, 1e-6, 1e-3, 0.1, 1);
  const rows = fc
    .integer({ min: 1, max: 12 })
    .chain((columns) =>
      fc.array(fc.array(logRatio, { minLength: columns, maxLength: columns }), { minLength: 2, maxLength: 3 }),
    );
  await forAllAsync(
    [rows, scale, logRatio],
    async (drawn, by, shift) => {
      const batch = drawn.map((row) => row.map((x) => x * by + shift));
      const logProbs = batch.map((row) => row.map((x) => -20 * Math.abs(x)));
      for (const one of [weights(batch), rejection(batch), diagnostics(logProbs, shift * by)]) {
        expect([passes, differs]).toContainEqual(await judged(one));
      }
    },
    { runs: 20 },
  );
});
