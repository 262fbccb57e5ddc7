import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRng, type Json, type Rng } from '@tsrl/core';
import type { CellResult } from '../src/study-report/cell.ts';

/** A study that never ran, with effects that are known. */
export interface World {
  readonly track: string;
  readonly sets: Readonly<
    Record<string, { readonly test: number; readonly train: number; readonly positives: number }>
  >;
  readonly damages: Readonly<Record<string, Json>>;
  readonly methods: Readonly<Record<string, Json>>;
  readonly seeds: number;
  /** The balanced accuracy that the method has on average over all seeds and all texts of the kind. */
  readonly truth: (set: string, damage: string, method: string) => number;
  /** Deviations of a seed and of a text, where that of everything else is 1. */
  readonly spread?: { readonly seed: number; readonly example: number };
  readonly random: number;
}

/** Φ by Simpson's rule. */
export function normalCdf(x: number): number {
  const [n, h] = [400, x / 400];
  let sum = 0;
  for (let i = 0; i <= n; i++) sum += (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-((i * h) ** 2) / 2);
  return 0.5 + ((h / 3) * sum) / Math.sqrt(2 * Math.PI);
}

/** Where Φ is p. */
function normalQuantile(p: number): number {
  let [low, high] = [-6, 6];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return low;
}

export function pack(values: ArrayLike<number>): string {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  for (let i = 0; i < values.length; i++) bytes[i >> 3]! |= (values[i] as number) << (i & 7);
  return Buffer.from(bytes).toString('base64');
}

/** ½ (TPR + TNR), by counting. */
export function balancedAccuracy(labels: ArrayLike<number>, right: ArrayLike<number>): number {
  const [hits, sizes] = [
    [0, 0],
    [0, 0],
  ];
  for (let i = 0; i < labels.length; i++) {
    sizes[labels[i] as 0 | 1]! += 1;
    hits[labels[i] as 0 | 1]! += right[i] as number;
  }
  return ((hits[0] as number) / (sizes[0] as number) + (hits[1] as number) / (sizes[1] as number)) / 2;
}

/**
 * Cells of a world: an answer is right when μ + seed + text + noise > 0, all normal, with the text's part the same for
 * all methods, damages and seeds, and the seed's part a method's own.
 */
export function cellsOf(world: World): { labels: Record<string, Uint8Array>; cells: CellResult[] } {
  const { seed: seedSpread, example: exampleSpread } = world.spread ?? { seed: 0.1, example: 1 };
  const root = createRng(world.random);
  const labels: Record<string, Uint8Array> = {};
  const cells: CellResult[] = [];
  for (const [dataset, { test, train, positives }] of Object.entries(world.sets)) {
    const own = root.fork(dataset);
    const truth = Uint8Array.from({ length: test }, (_, i) => (i < Math.round(test * positives) ? 1 : 0));
    const texts = Float64Array.from({ length: test }, () => exampleSpread * own.normal());
    labels[dataset] = truth;
    for (const [damage] of Object.entries(world.damages)) {
      for (const [method, settings] of Object.entries(world.methods)) {
        const mean = world.truth(dataset, damage, method);
        const mu = normalQuantile(mean) * Math.sqrt(1 + seedSpread ** 2 + exampleSpread ** 2);
        for (let seed = 0; seed < world.seeds; seed++) {
          const rng = own.fork(`${damage}/${method}/${seed}`);
          const shift = mu + seedSpread * rng.normal();
          const answer = (): Uint8Array => Uint8Array.from(texts, (text) => (shift + text + rng.normal() > 0 ? 1 : 0));
          const [right, rightChosen] = [answer(), answer()];
          const score = balancedAccuracy(truth, right);
          const metrics = (balanced: number) => metricsOf(balanced, rng);
          cells.push({
            track: world.track,
            dataset,
            damage,
            method,
            seed,
            settings: { ...(settings as object), batchSize: 64, learningRate: 0.01, weightDecay: 0, seed },
            tuned: { learningRate: 0.01, weightDecay: 0 },
            steps: 600,
            seconds: 1 + rng.uniform(),
            data: {
              train: Math.round(0.9 * train),
              positives: Math.round(0.9 * train * positives),
              flipped: 0,
              validation: Math.round(0.1 * train),
              test,
            },
            half: metrics(score),
            chosen: { ...metrics(balancedAccuracy(truth, rightChosen)), threshold: 0.4 + 0.2 * rng.uniform() },
            scaled: { temperature: 1 + rng.uniform(), ece: 0.02 + 0.02 * rng.uniform(), nll: 0.4 },
            right: pack(right),
            rightChosen: pack(rightChosen),
            curve: Array.from({ length: 11 }, (_, i) => ({
              step: (dataset === Object.keys(world.sets)[0] ? 60 : 50) * i,
              balancedAccuracy: 0.5 + (score - 0.5) * (1 - Math.exp(-i / 3)) * (0.98 + 0.04 * rng.uniform()),
            })),
          });
        }
      }
    }
  }
  return { labels, cells };
}

function metricsOf(balanced: number, rng: Rng) {
  return {
    accuracy: balanced,
    balancedAccuracy: balanced,
    f1: balanced,
    mcc: 2 * balanced - 1,
    auroc: Math.min(1, balanced + 0.05),
    averagePrecision: balanced,
    nll: 0.5,
    brier: 0.2,
    ece: 0.06 + 0.04 * rng.uniform(),
  };
}

/** The directory that `tsrl study` would have left. */
export function writeStudy(directory: string, world: World, { labels, cells } = cellsOf(world)): void {
  const { track: name, methods, damages } = world;
  mkdirSync(directory, { recursive: true });
  const datasets = Object.fromEntries(
    Object.entries(labels).map(([set, own]) => [
      set,
      { test: own.length, positives: own.reduce((a, b) => a + b, 0), labels: pack(own) },
    ]),
  );
  const configuration = {
    name,
    datasets: Object.fromEntries(Object.keys(labels).map((set) => [set, { train: `${set}/train.jsonl` }])),
    damages,
    methods,
  };
  const header = {
    name,
    configuration,
    machine: { cpu: 'a processor', cores: 2 },
    versions: { tsrl: '0.0.0', node: '20' },
    datasets,
  };
  writeFileSync(join(directory, 'study.json'), JSON.stringify(header));
  for (const cell of cells) {
    const file = join(directory, 'cells', cell.dataset, cell.damage, cell.method, `${cell.seed}.json`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(cell));
  }
}

/** As large as the study of issue 5: 12 sets, 6 damages, 30 methods, 5 seeds. */
export function wholeStudy(seeds = 5): World {
  const sets = {
    sms_spam: { test: 743, train: 3612, positives: 0.14 },
    offensive_tweets: { test: 3759, train: 17049, positives: 0.84 },
    hate_tweets: { test: 3760, train: 17047, positives: 0.05 },
    moderation: { test: 217, train: 1086, positives: 0.24 },
    review_sentences: { test: 449, train: 2107, positives: 0.51 },
    jailbreak_prompts: { test: 212, train: 1093, positives: 0.42 },
    harmful_requests: { test: 133, train: 657, positives: 0.53 },
    fever_symmetric: { test: 200, train: 1037, positives: 0.5 },
    boolq: { test: 462, train: 2298, positives: 0.66 },
    truthfulqa: { test: 997, train: 4142, positives: 0.47 },
    cladder: { test: 380, train: 1918, positives: 0.5 },
    'support-triage': { test: 1000, train: 2000, positives: 0.3 },
  };
  const clean = [0.93, 0.92, 0.84, 0.86, 0.83, 0.96, 0.97, 0.58, 0.57, 0.68, 0.55, 0.9];
  const damages = {
    none: {},
    'flip-20': { labelNoise: 0.2 },
    'flip-40': { labelNoise: 0.4 },
    'positives-30': { falseNegativeNoise: 0.3 },
    'imbalance-10': { imbalance: 10 },
    'imbalance-10-flip-20': { imbalance: 10, labelNoise: 0.2 },
  };
  /** What a damage takes of what is above chance, by kind of method. */
  const kept: Record<keyof typeof damages, { sft: number; balanced: number; ours: number }> = {
    none: { sft: 0.97, balanced: 0.99, ours: 1 },
    'flip-20': { sft: 0.8, balanced: 0.8, ours: 0.79 },
    'flip-40': { sft: 0.4, balanced: 0.4, ours: 0.38 },
    'positives-30': { sft: 0.68, balanced: 0.82, ours: 0.88 },
    'imbalance-10': { sft: 0.55, balanced: 0.62, ours: 0.68 },
    'imbalance-10-flip-20': { sft: 0.35, balanced: 0.45, ours: 0.44 },
  };
  const ppo = (rest: object = {}): Json => ({ method: 'binary-ppo', ...rest });
  const methods: Record<string, Json> = {
    sft: { method: 'sft' },
    'sft-balanced': { method: 'sft', sampling: 'balanced' },
    'sft-weights': { method: 'sft', classWeights: 'balanced' },
    'sft-forward': { method: 'sft', noiseCorrection: 'forward' },
    mae: { method: 'sft', loss: 'mae' },
    gce: { method: 'sft', loss: 'gce' },
    'label-smoothing': { method: 'sft', labelSmoothing: 0.1 },
    focal: { method: 'sft', loss: 'focal' },
    'logit-adjustment': { method: 'sft', loss: 'logit-adjusted' },
    bco: { method: 'bco' },
    tfidf: { method: 'tfidf' },
    stable: ppo(),
    'ppo-only': ppo({ preset: 'ppoOnly' }),
    paper: ppo({ preset: 'paper' }),
    adaptive: ppo({ preset: 'adaptive' }),
    ...Object.fromEntries(
      ['constant', 'prob', 'surprise', 'margin-floor', 'power', 'log-score'].map((reward) => [
        `reward-${reward}`,
        ppo({ reward }),
      ]),
    ),
    ...Object.fromEntries(
      [
        'no-balance',
        'no-clip',
        'no-normalize',
        'no-entropy',
        'no-supervised',
        'backward',
        'forward',
        'sampled',
        'value-head',
      ].map((part) => [`stable-${part}`, ppo({ [part]: true })]),
    ),
  };
  const names = Object.keys(methods);
  const jitter = (name: string): number => ((names.indexOf(name) * 37) % 11) / 1000 - 0.005;
  return {
    track: 'frozen',
    sets,
    damages,
    methods,
    seeds,
    random: 5,
    truth: (set, damage, method) => {
      const above = (clean[Object.keys(sets).indexOf(set)] as number) - 0.5;
      const { sft, balanced, ours } = kept[damage as keyof typeof damages];
      if (method === 'paper') return 0.5 - 0.8 * above * ours;
      if (method === 'adaptive') return 0.5 + above * (ours + 0.015);
      const kind =
        (methods[method] as { method: string }).method === 'binary-ppo' ? ours : method === 'sft' ? sft : balanced;
      return (
        0.5 +
        above * Math.max(0.05, kind + (/^(stable|sft|sft-balanced)$/.test(method) ? 0 : 2 * jitter(method) - 0.01))
      );
    },
  };
}
