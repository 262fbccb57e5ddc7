import { expectLength } from '@tsrl/core';
import type { ComponentScores } from './composed.js';
import type { Scores } from './reward.js';

/** What {@link rewardDiagnostics} may be given beside the components. */
export interface DiagnosticsContext {
  /** The combined scores. */
  readonly total?: Scores;
  /** Which prompt each sample answers. */
  readonly groups?: ArrayLike<number | string>;
  /** Length of each completion. */
  readonly lengths?: ArrayLike<number>;
  /** Of each component in the total, 1 unless given. */
  readonly weights?: Readonly<Record<string, number>>;
}

/** What became of one component. */
export interface ComponentDiagnostics {
  readonly mean: number;
  /** Population standard deviation. */
  readonly std: number;
  /** The share of samples to which it does not apply. */
  readonly nullRate: number;
  /** w Cov(r, R) / Var(R) over the samples where both apply; they sum to 1 for a weighted sum without nulls. */
  readonly varianceShare?: number;
}

/** What {@link rewardDiagnostics} gives; what cannot be computed, like the correlation with a constant, is `null`. */
export interface RewardDiagnostics {
  readonly components: Readonly<Record<string, ComponentDiagnostics>>;
  /** Pearson's, of each pair of components over the samples where both apply. */
  readonly correlations: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
  /** The share of groups whose totals are all equal: they teach nothing. Needs `total` and `groups`. */
  readonly zeroVarianceGroups?: number;
  /** Of the total with the length. Needs `total` and `lengths`. */
  readonly lengthCorrelation?: { readonly pearson: number | null; readonly spearman: number | null };
}

/**
 * How the components of a reward behave in a batch: mean, deviation, nulls, share of the variance of the total,
 * correlations with each other and with the length. Rewards that follow the length are gamed by it.
 *
 * @throws ShapeError when the lengths of the lists differ
 */
export function rewardDiagnostics(
  scores: ComponentScores,
  { total, groups, lengths, weights = {} }: DiagnosticsContext = {},
): RewardDiagnostics {
  const who = 'rewardDiagnostics';
  const samples = total?.length ?? Object.values(scores)[0]?.length ?? 0;
  for (const [name, values] of Object.entries({ ...scores, groups, lengths })) {
    if (values !== undefined) expectLength(who, name, values, samples);
  }
  const components = mapped(scores, (values, name) => {
    const applying = values.filter((score) => score !== null);
    const [all, one] = total ? pairs(total, values) : [[], []];
    const variance = covariance(all, all);
    return {
      mean: mean(applying),
      std: Math.sqrt(covariance(applying, applying)),
      nullRate: samples === 0 ? 0 : 1 - applying.length / samples,
      ...(variance > 0 ? { varianceShare: ((weights[name] ?? 1) * covariance(one, all)) / variance } : {}),
    };
  });
  const correlations = mapped(scores, (a) => mapped(scores, (b) => pearson(...pairs(a, b))));
  return {
    components,
    correlations,
    ...(total && groups ? { zeroVarianceGroups: equalGroups(total, groups) } : {}),
    ...(total && lengths ? { lengthCorrelation: withLength(total, lengths) } : {}),
  };
}

/** The share of scores at or beyond a bound ±`clip`, of those that apply; 0 of none. */
export function clipFraction(scores: Scores, clip: number): number {
  const applying = scores.filter((score) => score !== null);
  return applying.length === 0 ? 0 : applying.filter((score) => Math.abs(score) >= clip).length / applying.length;
}

function withLength(total: Scores, lengths: ArrayLike<number>): { pearson: number | null; spearman: number | null } {
  const [rewards, tokens] = pairs(total, Array.from(lengths));
  return { pearson: pearson(rewards, tokens), spearman: pearson(ranks(rewards), ranks(tokens)) };
}

function equalGroups(total: Scores, groups: ArrayLike<number | string>): number {
  const byGroup = new Map<number | string, Set<number>>();
  total.forEach((score, i) => {
    const id = groups[i] as number | string;
    const seen = byGroup.get(id) ?? new Set<number>();
    byGroup.set(id, seen);
    if (score !== null) seen.add(score);
  });
  return byGroup.size === 0 ? 0 : [...byGroup.values()].filter(({ size }) => size <= 1).length / byGroup.size;
}

/** The entries where both apply. */
function pairs(a: Scores, b: Scores): [number[], number[]] {
  const both = a.flatMap((x, i) => (x === null || b[i] == null ? [] : [[x, b[i]] as const]));
  return [both.map(([x]) => x), both.map(([, y]) => y)];
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, x) => sum + x, 0) / values.length;

function covariance(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [mean(a), mean(b)];
  return mean(a.map((value, i) => (value - x) * ((b[i] as number) - y)));
}

function pearson(a: readonly number[], b: readonly number[]): number | null {
  const scale = Math.sqrt(covariance(a, a) * covariance(b, b));
  return scale > 0 ? Math.min(1, Math.max(-1, covariance(a, b) / scale)) : null;
}

/** Ties share their mean rank. */
function ranks(values: readonly number[]): readonly number[] {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] as number) - (values[j] as number));
  const ranked = new Array<number>(values.length).fill(0);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to += 1;
    for (let k = from; k < to; k++) ranked[order[k] as number] = (from + to - 1) / 2;
    from = to;
  }
  return ranked;
}

function mapped<T, U>(record: Readonly<Record<string, T>>, f: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]));
}
