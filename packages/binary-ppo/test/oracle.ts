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
  /** Draws of each action, [N][2], in the mode `sample`. */
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
    counts,
    imitate = false,
    rewardClip = 1e9,
    advantageClip = 1e9,
    advantageScale = 1,
    reward = defaultReward,
  }: OracleOptions,
): BinaryPpoColumns {
  const within = (x: number, most: number): number => Math.min(Math.max(x, -most), most);
  const rewardsOf = (i: number): readonly [number, number] => {
    const [y, z] = [labels[i] as number, logits[i] as number];
    return [within(reward(0, y, z), rewardClip), within(reward(1, y, z), rewardClip)];
  };
  const shares = (i: number): readonly number[] => {
    const p = sigmoid(logits[i] as number);
    return counts?.[i] ?? (imitate ? [1 - (labels[i] as number), labels[i] as number] : [1 - p, p]);
  };
  let [earned, seen] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    for (const a of [0, 1] as const) {
      earned += (shares(i)[a] as number) * rewardsOf(i)[a];
      seen += shares(i)[a] as number;
    }
  }
  const rows = Array.from(labels, (_, i) => {
    const z = logits[i] as number;
    const p = [1 - sigmoid(z), sigmoid(z)] as const;
    const r = rewardsOf(i);
    const exact = p[0] * r[0] + p[1] * r[1];
    const v = { analytic: exact, valueHead: values[i] as number, batchMean: earned / seen, none: 0 }[baseline];
    const [zeros, ones] = shares(i) as [number, number];
    return {
      count: [zeros, ones] as const,
      weights: [zeros / (zeros + ones), ones / (zeros + ones)] as const,
      advantages: [r[0] - v, r[1] - v] as const,
      returns: baseline === 'valueHead' && !counts ? ([exact, exact] as const) : r,
    };
  });
  let [total, sum, squares] = [0, 0, 0];
  for (const { count, advantages } of rows) {
    for (const a of [0, 1] as const) {
      total += count[a];
      sum += count[a] * advantages[a];
    }
  }
  const mean = sum / total;
  for (const { count, advantages } of rows) {
    for (const a of [0, 1] as const) squares += count[a] * (advantages[a] - mean) ** 2;
  }
  const freedom = counts ? total - 1 : total;
  const variance = freedom > 0 ? squares / freedom : 0;
  const normalized = normalize !== 'none' && variance > 1e-12;
  const shift = normalized && normalize === 'whiten' ? mean : 0;
  const scale = normalized ? 1 / Math.sqrt(variance + 1e-8) : 1;
  return {
    labels: Float64Array.from(labels),
    oldLogits: Float64Array.from(logits),
    weights: gridOf(rows.map(({ weights }) => weights)),
    advantages: gridOf(
      rows.map(({ count, advantages }) =>
        [0, 1].map((a) =>
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
  { labels, oldLogits, weights, advantages, returns, oldValues, refLogits }: BinaryPpoColumns,
  { clipLow, clipHigh, dualClip, alpha, beta, gamma, valueClip, kl = 0, klDirection = 'forward' }: LossOptions,
): { policy: number; value: number; supervised: number; entropy: number; reference: number } {
  const terms = { policy: 0, value: 0, supervised: 0, entropy: 0, reference: 0 };
  const n = labels.length;
  for (let i = 0; i < n; i++) {
    const z = logits[i] as number;
    const p = sigmoid(z);
    const old = sigmoid(oldLogits[i] as number);
    for (const a of [0, 1]) {
      const w = weights.data[2 * i + a] as number;
      if (w === 0) continue;
      const A = advantages.data[2 * i + a] as number;
      const ratio = a === 1 ? p / old : (1 - p) / (1 - old);
      const clipped = Math.min(Math.max(ratio, 1 - clipLow), 1 + clipHigh);
      let gain = Math.min(ratio * A, clipped * A);
      if (dualClip !== undefined && A < 0) gain = Math.max(gain, dualClip * A);
      terms.policy -= (w * gain) / n;
      const target = returns.data[2 * i + a] as number;
      let error = ((values[i] as number) - target) ** 2;
      if (valueClip !== undefined) {
        const start = oldValues?.[i] as number;
        const near = Math.min(Math.max(values[i] as number, start - valueClip), start + valueClip);
        error = Math.max(error, (near - target) ** 2);
      }
      terms.value += (alpha * w * error) / n;
    }
    if (kl > 0) {
      const ref = sigmoid(refLogits?.[i] as number);
      const [from, to] = klDirection === 'forward' ? [ref, p] : [p, ref];
      const divergence = from * Math.log(from / to) + (1 - from) * Math.log((1 - from) / (1 - to));
      terms.reference += (kl * divergence) / n;
    }
    terms.supervised -= (beta * Math.log(labels[i] === 1 ? p : 1 - p)) / n;
    terms.entropy -= (gamma * -(p * Math.log(p) + (1 - p) * Math.log(1 - p))) / n;
  }
  return terms;
}

export const sumOf = (terms: Readonly<Record<string, number>>): number =>
  Object.values(terms).reduce((total, term) => total + term, 0);
