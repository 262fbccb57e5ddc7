import { gridOf } from '@tsrl/core';
import type { BinaryPpoColumns } from '../src/index.ts';

// Sections 2.3, 2.8 and 2.9 of the specification as plain loops in float64, apart from the code under test.

export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** r(a) of the default reward, from its formula: ±min(−log(1 − p_a), 5). */
export function defaultReward(action: number, label: number, logit: number): number {
  const p = action === 1 ? sigmoid(logit) : sigmoid(-logit);
  return (action === label ? 1 : -1) * Math.min(-Math.log(1 - p), 5);
}

export interface OracleOptions {
  readonly baseline?: 'analytic' | 'valueHead' | 'batchMean' | 'none';
  readonly normalize?: 'scale' | 'whiten' | 'none';
  /** π_old of a valid answer, [N], and what an invalid one earns: then there are three actions. */
  readonly mass?: ArrayLike<number> | undefined;
  readonly invalidReward?: number | undefined;
  /** Draws of each action, [N][actions], in the mode `sample`. */
  readonly counts?: readonly (readonly number[])[];
  /** The mode `label`. */
  readonly imitate?: boolean;
  readonly rewardClip?: number;
  readonly advantageClip?: number;
  readonly advantageScale?: number;
  readonly reward?: (action: number, label: number, logit: number) => number;
}

/** What a refresh fixes. */
export function oracleColumns(
  labels: ArrayLike<number>,
  logits: ArrayLike<number>,
  values: ArrayLike<number>,
  {
    baseline = 'analytic',
    normalize = 'scale',
    mass,
    invalidReward = 0,
    counts,
    imitate = false,
    rewardClip = 1e9,
    advantageClip = 1e9,
    advantageScale = 1,
    reward = defaultReward,
  }: OracleOptions,
): BinaryPpoColumns {
  const within = (x: number, most: number): number => Math.min(Math.max(x, -most), most);
  const actions = mass ? [0, 1, 2] : [0, 1];
  const rewardsOf = (i: number): readonly number[] => {
    const [y, z] = [labels[i] as number, logits[i] as number];
    return actions.map((a) => within(a === 2 ? invalidReward : reward(a, y, z), rewardClip));
  };
  const policy = (i: number): readonly number[] => {
    const [p, m] = [sigmoid(logits[i] as number), mass?.[i] ?? 1];
    return actions.map((a) => (a === 2 ? 1 - m : m * (a === 1 ? p : 1 - p)));
  };
  const shares = (i: number): readonly number[] =>
    counts?.[i] ?? (imitate ? actions.map((a) => (a === labels[i] ? 1 : 0)) : policy(i));
  let [earned, seen] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    for (const a of actions) {
      earned += (shares(i)[a] as number) * (rewardsOf(i)[a] as number);
      seen += shares(i)[a] as number;
    }
  }
  const rows = Array.from(labels, (_, i) => {
    const r = rewardsOf(i);
    const exact = policy(i).reduce((sum, p, a) => sum + p * (r[a] as number), 0);
    const v = { analytic: exact, valueHead: values[i] as number, batchMean: earned / seen, none: 0 }[baseline];
    const count = shares(i);
    const all = count.reduce((sum, share) => sum + share, 0);
    return {
      count,
      weights: count.map((share) => share / all),
      advantages: r.map((x) => x - v),
      returns: baseline === 'valueHead' && !counts ? r.map(() => exact) : r,
    };
  });
  let [total, sum, squares] = [0, 0, 0];
  for (const { count, advantages } of rows) {
    for (const a of actions) {
      total += count[a] as number;
      sum += (count[a] as number) * (advantages[a] as number);
    }
  }
  const mean = sum / total;
  for (const { count, advantages } of rows) {
    for (const a of actions) squares += (count[a] as number) * ((advantages[a] as number) - mean) ** 2;
  }
  const freedom = counts ? total - 1 : total;
  const variance = freedom > 0 ? squares / freedom : 0;
  const normalized = normalize !== 'none' && variance > 1e-12;
  const shift = normalized && normalize === 'whiten' ? mean : 0;
  const scale = normalized ? 1 / Math.sqrt(variance + 1e-8) : 1;
  return {
    labels: Float64Array.from(labels),
    oldLogProbs: gridOf(Array.from(labels, (_, i) => policy(i).map(Math.log))),
    weights: gridOf(rows.map(({ weights }) => weights)),
    advantages: gridOf(
      rows.map(({ count, advantages }) =>
        actions.map((a) =>
          count[a] ? advantageScale * within(((advantages[a] as number) - shift) * scale, advantageClip) : 0,
        ),
      ),
    ),
    returns: gridOf(rows.map(({ returns }) => returns)),
  };
}

export interface LossOptions {
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly dualClip?: number | undefined;
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly valueClip?: number | undefined;
  /** Coefficient and direction of the divergence from the reference. */
  readonly kl?: number;
  readonly klDirection?: 'forward' | 'reverse' | undefined;
}

/** The terms of L as they enter it. */
export function oracleTerms(
  logits: ArrayLike<number>,
  values: ArrayLike<number>,
  { labels, oldLogProbs, weights, advantages, returns, oldValues, refLogits, refLogMass }: BinaryPpoColumns,
  { clipLow, clipHigh, dualClip, alpha, beta, gamma, valueClip, kl = 0, klDirection = 'forward' }: LossOptions,
  logMass?: ArrayLike<number>,
): { policy: number; value: number; supervised: number; entropy: number; reference: number } {
  const terms = { policy: 0, value: 0, supervised: 0, entropy: 0, reference: 0 };
  const n = labels.length;
  const width = weights.columns;
  const probabilities = (z: number, m: number): number[] => [m * sigmoid(-z), m * sigmoid(z), 1 - m].slice(0, width);
  for (let i = 0; i < n; i++) {
    const z = logits[i] as number;
    const p = sigmoid(z);
    const now = probabilities(z, logMass ? Math.exp(logMass[i] as number) : 1);
    for (let a = 0; a < width; a++) {
      const w = weights.data[width * i + a] as number;
      if (w === 0) continue;
      const A = advantages.data[width * i + a] as number;
      const ratio = (now[a] as number) / Math.exp(oldLogProbs.data[width * i + a] as number);
      const clipped = Math.min(Math.max(ratio, 1 - clipLow), 1 + clipHigh);
      let gain = Math.min(ratio * A, clipped * A);
      if (dualClip !== undefined && A < 0) gain = Math.max(gain, dualClip * A);
      terms.policy -= (w * gain) / n;
      const target = returns.data[width * i + a] as number;
      let error = ((values[i] as number) - target) ** 2;
      if (valueClip !== undefined) {
        const start = oldValues?.[i] as number;
        const near = Math.min(Math.max(values[i] as number, start - valueClip), start + valueClip);
        error = Math.max(error, (near - target) ** 2);
      }
      terms.value += (alpha * w * error) / n;
    }
    if (kl > 0) {
      const ref = probabilities(refLogits?.[i] as number, refLogMass ? Math.exp(refLogMass[i] as number) : 1);
      const [from, to] = klDirection === 'forward' ? [ref, now] : [now, ref];
      terms.reference += (kl * divergenceOf(from, to)) / n;
    }
    terms.supervised -= (beta * Math.log(labels[i] === 1 ? p : 1 - p)) / n;
    terms.entropy += (gamma * now.reduce((sum, q) => sum + q * Math.log(q), 0)) / n;
  }
  return terms;
}

/** KL of two distributions over the same actions. */
export const divergenceOf = (from: readonly number[], to: readonly number[]): number =>
  from.reduce((sum, q, a) => sum + q * Math.log(q / (to[a] as number)), 0);

export const sumOf = (terms: Readonly<Record<string, number>>): number =>
  Object.values(terms).reduce((total, term) => total + term, 0);
