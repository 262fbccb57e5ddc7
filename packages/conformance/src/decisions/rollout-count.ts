import type { GoldenCase } from '../golden.js';
import { numberOf, tensorOf, textOf } from '../inputs.js';
import { tolerances } from '../judge.js';

/** What the source adds to the count of a mean. */
const added = 1e-8;

/** The numbers at the tokens of each row that has one. */
type Rows = readonly (readonly number[])[];

/**
 * Whether some statistic of the case is off by more than half of the tolerance when 1e-8 is added to the count of its
 * means, as the source does.
 */
export function countShows(golden: GoldenCase): boolean {
  const { absolute, relative } = tolerances.float64;
  const exact = statistics(golden, 0);
  return statistics(golden, added).some((x, i) => {
    const y = exact[i] as number;
    return Math.abs(x - y) > (absolute + relative * Math.abs(y)) / 2;
  });
}

/**
 * The statistics of a case that are more than means: what is taken from a mean, an exponential of it, a spread. `extra`
 * is added to every count that the source adds to; it has the means of rows averaged without it.
 */
function statistics(golden: GoldenCase, extra: number): readonly number[] {
  const mean = (x: readonly number[], more: number = extra): number => sum(x) / (x.length + more);
  const over = (rows: Rows): number[] => rows.map((row) => mean(row));
  if (golden.function === 'compute_offpolicy_metrics') {
    const [policy, sampler] = [rowsOf(golden, 'old_log_prob'), rowsOf(golden, 'rollout_log_prob')];
    const logRatios = policy.map((row, i) => row.map((x, t) => x - (sampler[i]?.[t] as number)));
    const squares = logRatios.flat().map((x) => Math.exp(2 * x));
    const perplexities = [policy, sampler, logRatios].map((rows) =>
      mean(
        over(rows).map((x) => Math.exp(-x)),
        0,
      ),
    );
    return [...perplexities, mean(over(logRatios), 0), mean(squares) - 1];
  }
  return bounded(golden).flatMap(({ rows, averaged, lower, upper, ideal }) => {
    const sequences = averaged ? over(rows) : rows.map((row) => mean(row, 0));
    const center = mean(sequences, 0);
    const between = sum(sequences.map((x) => (x - center) ** 2)) / Math.max(1, sequences.length - 1);
    const within = rows.flat().map((x) => Math.min(Math.max(x, lower), upper));
    const variance = mean(within.map((x) => x * x)) - mean(within) ** 2;
    const farthest = Math.max(...sequences.map((x) => Math.abs(x - ideal)));
    return [center, Math.sqrt(between), Math.sqrt(Math.max(0, variance)), farthest];
  });
}

interface Bounded {
  readonly rows: Rows;
  /** Whether the number of a sequence is a mean over its tokens. */
  readonly averaged: boolean;
  readonly lower: number;
  readonly upper: number;
  /** What the number is where both policies agree. */
  readonly ideal: number;
}

/** The numbers that weigh or reject, those of a sequence at each of its tokens, with the bounds that the source clamps to. */
function bounded(golden: GoldenCase): readonly Bounded[] {
  const ofRow = (row: readonly number[], number: number): number[] => row.map(() => number);
  if (golden.function === 'compute_rollout_correction_weights') {
    const upper = numberOf(golden, 'rollout_is_threshold', 2);
    const logRatios = rowsOf(golden, 'log_ratio');
    const bySequence = textOf(golden, 'rollout_is') === 'sequence';
    const logs = bySequence ? logRatios.map((row) => ofRow(row, sum(row))) : logRatios;
    const rows = logs.map((row) => row.map((x) => Math.exp(Math.min(Math.max(x, -20), 20))));
    return [{ rows, averaged: true, lower: 1 / upper, upper, ideal: 1 }];
  }
  if (golden.function !== 'compute_rollout_rejection_mask') return [];
  const logRatios = rowsOf(golden, 'log_ratio');
  const names = textOf(golden, 'rollout_rs').split(',');
  const thresholds = String(golden.params['rollout_rs_threshold']).split(',');
  return names.map((name, i) => {
    const ofToken = (x: number): number =>
      name.includes('k1') ? -x : name.includes('k2') ? x ** 2 / 2 : Math.exp(x) - x - 1;
    const ofSequence = (row: readonly number[]): number =>
      name.includes('max') ? Math.max(...row) : sum(row) / (name.includes('mean') ? row.length : 1);
    const tokens = logRatios.map((row) => row.map(ofToken));
    const rows = name.includes('seq') ? tokens.map((row) => ofRow(row, ofSequence(row))) : tokens;
    const given = (thresholds[i] ?? thresholds[0] ?? '').split('_').map(Number);
    const upper = given.at(-1) as number;
    const lower = given.length > 1 ? (given[0] as number) : 1 / upper;
    const bounds = name.includes('k1') ? { lower: Math.log(lower), upper: Math.log(upper) } : { lower: 0, upper };
    return { rows, averaged: !/sum|max/.test(name), ...bounds, ideal: 0 };
  });
}

function rowsOf(golden: GoldenCase, name: string): Rows {
  const { data: mask, shape } = tensorOf(golden, 'response_mask');
  const { data } = tensorOf(golden, name);
  const [rows = 0, columns = 0] = shape;
  return Array.from({ length: rows }, (_, row) =>
    Array.from(data.subarray(row * columns, (row + 1) * columns)).filter((_, t) => mask[row * columns + t] !== 0),
  ).filter((row) => row.length > 0);
}

const sum = (x: readonly number[]): number => x.reduce((total, y) => total + y, 0);
