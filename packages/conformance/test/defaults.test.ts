// The default values of the specification (core.md, section 10, and those that its other sections state), all of them
// in one table. A row fails when the default is another one, and when the value makes no difference on its data.
import * as tf from '@tensorflow/tfjs-core';
import {
  adaptiveKl,
  betaNormalizer,
  bnpo,
  cutpointStarts,
  dynamicSampling,
  gae,
  gpg,
  grpo,
  litePpo,
  offlineCounts,
  passKTop1,
  penalizeKl,
  policyDrift,
  probabilityMask,
  proverAdvantage,
  reinforce as reinforceAdvantages,
  reinforcePlusPlus,
  reinforcePlusPlusBaseline,
  rloo,
  rolloutWeights,
  samplingWeights,
  singleStreamSpo,
  treeAdvantages,
  valueTracker,
  whiten,
} from '@tsrl/advantages';
import { createRng, type Grid, gridOf } from '@tsrl/core';
import {
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bco,
  bcoPair,
  bradleyTerry,
  cdpo,
  cispo,
  classMeanShift,
  clipCov,
  cpo,
  discopop,
  dpo,
  entropyBonus,
  exo,
  gmpo,
  gspo,
  gspoToken,
  hinge,
  ipo,
  kl,
  klCov,
  kto,
  lengthDesensitized,
  matchingWeights,
  nca,
  orpo,
  ppoClip,
  rdpo,
  reinforce,
  samplePrompts,
  sapo,
  simpo,
  sppoHard,
  valueLoss,
  vespo,
} from '@tsrl/losses';
import { losses } from '@tsrl/losses/registry';
import { logComplement, softOverlong } from '@tsrl/rewards';
import { fullKl, highEntropyMask, k2, k3, sequenceMean, sequenceSum, tokenMean } from '@tsrl/tensor';
import { describe, expect, test } from 'vitest';

/** What is run with some options, whatever they are, on data of its own. */
type Run = (options?: never) => unknown;
/** For each option its default and some other value. */
type Defaults = Readonly<Record<string, readonly [value: unknown, other: unknown]>>;

/** Off unless asked for. */
const none = undefined;
const rng = createRng(3);
const draw = (rows: number, columns: number, one: () => number): Grid =>
  gridOf(Array.from({ length: rows }, () => Array.from({ length: columns }, one)));
const tokens = {
  rewards: draw(4, 5, () => rng.normal()),
  values: draw(4, 5, () => rng.normal()),
  logProbs: draw(4, 5, () => -3 * rng.uniform()),
  refLogProbs: draw(4, 5, () => -3 * rng.uniform()),
  mask: gridOf([
    [1, 1, 1, 1, 0],
    [1, 0, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [0, 1, 1, 0, 0],
  ]),
};
const responses = { rewards: [1, 0.001, 0.3, 0.25, 0.75, 1, 0.5], groups: [0, 0, 0, 1, 1, 1, 2] };
/** Rewards whose spread is small beside an epsilon. */
const small = { ...responses, rewards: responses.rewards.map((r) => r * 1e-4) };
const faint = { ...tokens, rewards: { ...tokens.rewards, data: tokens.rewards.data.map((r) => r * 1e-4) } };
const rates = { count: 4, mean: 0.5, m2: 1e-5 };

/** Loss and gradients on the example of the registry; log-ratios of it are as wide as `wide` says. */
function lossOf(name: string, build: (options: never) => unknown, wide = 1): Run {
  const entry = losses.find((one) => one.name === name);
  if (!entry) throw new Error(`no loss is called ${name}`);
  return (options) =>
    tf.tidy(() => {
      const inputs = Object.fromEntries(
        Object.entries(entry.example({ sequences: 6, tokens: 5 }, createRng(5))).map(([key, x]) => [
          key,
          /[Pp]robs$/.test(key) ? tf.mul(x as tf.Tensor, wide) : (x as tf.Tensor),
        ]),
      );
      const loss = build((options ?? {}) as never) as typeof entry.evaluate;
      const by = entry.differentiable as readonly string[];
      const f = (...x: tf.Tensor[]): tf.Scalar =>
        loss({ ...inputs, ...Object.fromEntries(by.map((key, i) => [key, x[i]])) }).loss;
      const at = by.map((key) => inputs[key] as tf.Tensor);
      return [f(...at), ...tf.grads(f)(at)].map((x) => [...x.dataSync()]);
    });
}
const device = (f: () => tf.Tensor): number[] => tf.tidy(() => [...f().dataSync()]);

const table: readonly (readonly [string, Run, Defaults])[] = [
  // PPO
  ['gae', (o) => gae(tokens, o), { gamma: [1, 0.99], lambda: [0.95, 1], masked: ['skip', 'zero'] }],
  [
    'whiten',
    (o) => whiten(faint.rewards, faint.mask, o),
    { epsilon: [1e-8, 1e-6], shiftMean: [true, false], variance: ['sample', 'population'] },
  ],
  [
    'ppoClip',
    lossOf('ppoClip', ppoClip),
    { clipLow: [0.2, 0.21], clipHigh: [0.2, 0.28], dualClip: [none, 1.5], aggregate: [tokenMean, sequenceMean] },
  ],
  [
    'ppoClip, far away',
    lossOf('ppoClip', ppoClip, 30),
    {
      logRatioRange: [
        [-20, 20],
        [-20, 21],
      ],
    },
  ],
  [
    'valueLoss',
    lossOf('valueLoss', valueLoss),
    { clip: [none, 0.2], factor: [0.5, 1], aggregate: [tokenMean, sequenceMean] },
  ],
  ['entropyBonus', lossOf('entropyBonus', entropyBonus), { aggregate: [tokenMean, sequenceMean] }],
  ['penalizeKl', (o) => penalizeKl(tokens, o), { beta: [0.05, 0.04], estimate: ['k1', 'k3'] }],
  ['kl', lossOf('kl', kl), { estimator: [k3, k2], aggregate: [tokenMean, sequenceMean] }],
  [
    'k3',
    (o) => device(() => k3(tf.scalar(-1), tf.scalar(-31), o)),
    { clamp: [20, 21], maxValue: [Number.POSITIVE_INFINITY, 10] },
  ],
  [
    'fullKl',
    (o) => device(() => fullKl(tf.tensor2d([[0, 0]]), tf.tensor2d([[0, Number.NEGATIVE_INFINITY]]), o)),
    { maxValue: [20, 10], direction: ['reverse', 'forward'] },
  ],
  [
    'adaptiveKl',
    (o) => adaptiveKl(o).update(adaptiveKl(o).initial, { kl: 0.11, sequences: 64 }),
    { initial: [0.001, 0.2], target: [0.1, 6], horizon: [10_000, 1000] },
  ],
  [
    'highEntropyMask',
    (o) => device(() => highEntropyMask(tf.tensor2d([[1, 2, 3, 4, 5, 6]]), tf.ones([1, 6]), o)),
    { fraction: [0.2, 0.5] },
  ],
  // Critic-free
  ['reinforce, advantages', (o) => reinforceAdvantages(responses, o), { baseline: [0, 'mean'] }],
  ['reinforce', lossOf('reinforce', reinforce), { aggregate: [sequenceSum, tokenMean] }],
  ['rloo', (o) => rloo(responses, o), { singleton: ['zero', 'raw'] }],
  [
    'grpo',
    (o) => grpo(small, o),
    {
      epsilon: [1e-6, 1e-4],
      variance: ['sample', 'population'],
      scale: ['group', 'batch'],
      minVariance: [0, 1e-6],
      singleton: ['zero', 'raw'],
    },
  ],
  [
    'litePpo',
    (o) => litePpo(small, o),
    { epsilon: [1e-6, 1e-4], deviation: ['rewards', 'centered'], variance: ['sample', 'population'] },
  ],
  [
    'gpg',
    (o) => gpg({ rewards: [1, 0, 0.5, 0.5, 0.3], groups: [0, 0, 1, 1, 2] }, o),
    { normalizer: [1, 2], alpha: ['unequal-groups', 'none'], singleton: ['zero', 'raw'] },
  ],
  ['passKTop1', (o) => passKTop1(small, o), { epsilon: [1e-6, 1e-4], scale: ['group', 'none'] }],
  [
    'reinforcePlusPlus',
    (o) => reinforcePlusPlus(faint, o),
    { gamma: [1, 0.99], epsilon: [1e-8, 1e-6], variance: ['sample', 'population'], masked: ['skip', 'reset'] },
  ],
  [
    'reinforcePlusPlusBaseline',
    (o) => reinforcePlusPlusBaseline({ rewards: [1e-4, 0, 3e-4, 0], groups: [0, 0, 1, 1], mask: tokens.mask }, o),
    { unit: ['tokens', 'responses'], epsilon: [1e-8, 1e-6], variance: ['sample', 'population'] },
  ],
  [
    'dynamicSampling',
    (o) => dynamicSampling({ prompts: 3, ...(o as object | undefined) }).update({ batches: 0, groups: [] }, responses),
    { keepSingletons: [false, true] },
  ],
  [
    'softOverlong',
    (o) => softOverlong({ maxLength: 100, cache: 20, ...(o as object | undefined) })([{ length: 130 }]),
    { weight: [1, 2], bounded: [true, false] },
  ],
  [
    'gspo',
    lossOf('gspo', gspo),
    { clipLow: [3e-4, 2e-4], clipHigh: [4e-4, 3e-4], aggregate: [sequenceMean, tokenMean] },
  ],
  [
    'gspoToken',
    lossOf('gspoToken', gspoToken),
    { clipLow: [3e-4, 2e-4], clipHigh: [4e-4, 3e-4], aggregate: [sequenceMean, tokenMean] },
  ],
  ['gmpo', lossOf('gmpo', gmpo), { clipLow: [0.4, 0.2], clipHigh: [0.4, 0.2], aggregate: [sequenceMean, tokenMean] }],
  ['cispo', lossOf('cispo', cispo), { minRatio: [0, 0.8], maxRatio: [5, 1.28], aggregate: [tokenMean, sequenceMean] }],
  ['sapo', lossOf('sapo', sapo), { positiveTemperature: [1, 1.05], negativeTemperature: [1.05, 1] }],
  [
    'vespo',
    lossOf('vespo', vespo),
    {
      positive: [
        { k: 2, lambda: 3 },
        { k: 3, lambda: 2 },
      ],
      negative: [
        { k: 3, lambda: 2 },
        { k: 2, lambda: 3 },
      ],
    },
  ],
  ['klCov', lossOf('klCov', klCov), { fraction: [2e-4, 0.5] }],
  [
    'clipCov',
    lossOf('clipCov', (o: object) => clipCov({ fraction: 1, ...o }), 3),
    {
      covarianceRange: [
        [1, 5],
        [0, 5],
      ],
    },
  ],
  [
    'rolloutWeights',
    (o) => rolloutWeights({ ...tokens, rolloutLogProbs: tokens.refLogProbs }, o),
    {
      level: ['token', 'sequence'],
      outside: ['truncate', 'mask'],
      lower: [0, 0.5],
      upper: [2, 3],
      normalize: [false, true],
    },
  ],
  // BNPO
  ['betaNormalizer', (o) => betaNormalizer(rates, o), { maxConcentration: [200, 100] }],
  [
    'betaNormalizer, of a spread',
    (o) => betaNormalizer({ ...rates, m2: 0.1 }, o),
    { variance: ['sample', 'population'] },
  ],
  [
    'bnpo',
    (o) =>
      bnpo(
        { rewards: [1, 0, 0.999, 1, 0, 0.5], groups: [0, 0, 1, 1, 2, 2] },
        { normalizer: { alpha: 5, beta: 5 }, ...(o as object | undefined) },
      ),
    {
      maxWeight: [1e6, 10],
      range: [
        [0, 1],
        [0, 2],
      ],
    },
  ],
  // SPO
  [
    'valueTracker',
    (o) =>
      valueTracker(o).update(
        { a: [4, 4], b: [4, 4], c: [4, 4] },
        ['a', 'b', 'c'].map((prompt, i) => ({ prompt, reward: 1, drift: 0.006 * i ** 4 })),
      ),
    {
      halfLife: [0.06, 0.05],
      retention: [
        [0.875, 0.96],
        [0.875, 0.875],
      ],
    },
  ],
  ['offlineCounts', (o) => offlineCounts([1, 0, 1], o), { leastRetention: [0.875, 0.96] }],
  [
    'samplingWeights',
    (o) => samplingWeights({ a: [4, 4], b: [1, 9] }, ['a', 'b'], o),
    { exploration: [0.05, 0], familiarity: [0, 1] },
  ],
  ['policyDrift', (o) => policyDrift({ ...tokens, oldLogProbs: tokens.refLogProbs }, o), { estimator: ['abs', 'k3'] }],
  [
    'singleStreamSpo',
    (o) => singleStreamSpo({ rewards: [0, 1e-4, 3e-4], baselines: [0, 0, 0] }, o),
    { epsilon: [1e-8, 1e-6] },
  ],
  [
    'cutpointStarts',
    (o) =>
      cutpointStarts(
        {
          oldLogProbs: gridOf([Array.from({ length: 12 }, (_, t) => Math.log(t % 2 ? 0.89 : 0.91))]),
          mask: gridOf([Array.from({ length: 12 }, () => 1)]),
        },
        o,
      ),
    { threshold: [0.9, 0.95], interval: [5, 4] },
  ],
  [
    'probabilityMask',
    (o) =>
      probabilityMask(
        { oldLogProbs: gridOf([[0.85, 0.89, 0.91, 0.95].map(Math.log)]), mask: gridOf([[1, 1, 1, 1]]) },
        o,
      ),
    { threshold: [0.9, 0.93] },
  ],
  ['proverAdvantage', (o) => proverAdvantage({ value: 0.5, parentValue: 0.25 }, o), { attempts: [4, 1] }],
  [
    'treeAdvantages',
    (o) =>
      treeAdvantages(
        {
          segment: 0,
          children: [
            { segment: 1, reward: 1e-4 },
            { segment: 2, reward: 0 },
            { segment: 3, reward: 5e-5 },
          ],
        },
        { scale: 'siblings', ...(o as object | undefined) },
      ),
    { baseline: ['mean', 'leave-one-out'], epsilon: [1e-8, 1e-6], keepZero: [false, true] },
  ],
  // Preferences
  ['dpo', lossOf('dpo', dpo), { beta: [0.1, 0.2], labelSmoothing: [0, 0.1], lengthNormalize: [false, true] }],
  ['cdpo', lossOf('cdpo', cdpo), { beta: [0.1, 0.2], labelSmoothing: [0.1, 0] }],
  [
    'rdpo',
    lossOf('rdpo', rdpo),
    { beta: [0.1, 0.2], flipRate: [0.1, 0], marginClip: [Number.POSITIVE_INFINITY, 0.01] },
  ],
  ['bcoPair', lossOf('bcoPair', bcoPair), { beta: [0.1, 0.2], shift: [0, 0.1] }],
  ['bco', lossOf('bco', bco), { beta: [0.1, 0.2], shift: [0, 'batch'] }],
  [
    'classMeanShift',
    (o) =>
      [[1], [2]].reduce(
        (state, rewards) => classMeanShift(o).update(state, { rewards, labels: [1] }),
        classMeanShift(o).initial,
      ),
    { decay: [0.9, 0.5] },
  ],
  [
    'matchingWeights',
    (o) => matchingWeights({ probabilities: [0.01, 0.5, 0.999], labels: [0, 0, 0] }, o),
    { minDensityRatio: [0.5, 0.1], maxDensityRatio: [10, 20] },
  ],
  [
    'samplePrompts',
    (o) =>
      samplePrompts(
        Array.from({ length: 3000 }, (_, i) => i % 2),
        createRng(1),
        o,
      ),
    { perClass: [1024, 1000] },
  ],
  ['kto', lossOf('kto', kto), { beta: [0.1, 0.2], desirableWeight: [1, 1.33], undesirableWeight: [1, 1.33] }],
  ['simpo', lossOf('simpo', simpo), { beta: [2, 2.5], gamma: [0.5, 1.375] }],
  ['orpo', lossOf('orpo', orpo), { lambda: [0.1, 0.2] }],
  ['cpo', lossOf('cpo', cpo), { beta: [0.1, 0.2], imitationWeight: [1, 0] }],
  ['ipo', lossOf('ipo', ipo), { beta: [0.1, 0.2] }],
  ['exo', lossOf('exo', exo), { beta: [0.1, 0.2], labelSmoothing: [1e-3, 1e-2] }],
  ['discopop', lossOf('discopop', discopop), { beta: [0.05, 0.1], tau: [0.05, 0.1] }],
  ['nca', lossOf('nca', nca), { beta: [0.01, 0.1] }],
  ['sppoHard', lossOf('sppoHard', sppoHard), { beta: [0.001, 0.1] }],
  ['aot', lossOf('aot', aot), { beta: [0.01, 0.1], labelSmoothing: [0, 0.1] }],
  ['aotUnpaired', lossOf('aotUnpaired', aotUnpaired), { beta: [0.01, 0.1], labelSmoothing: [0, 0.1] }],
  ['apoZero', lossOf('apoZero', apoZero), { beta: [0.1, 0.2] }],
  ['apoDown', lossOf('apoDown', apoDown), { beta: [0.1, 0.2] }],
  ['hinge', lossOf('hinge', hinge, 20), { beta: [0.05, 0.1], targetMargin: [1, 2] }],
  ['bradleyTerry', lossOf('bradleyTerry', bradleyTerry), { centering: [0, 0.01] }],
  [
    'lengthDesensitized',
    (o) =>
      device(() => lengthDesensitized({ chosenMask: tf.ones([1, 3]), rejectedMask: tf.ones([1, 2]) }, o).chosenMask),
    { alpha: [0.5, 1] },
  ],
  // BinaryPPO; its own options are in its package
  [
    'logComplement',
    (o) => [4, 9].map((logit) => logComplement(o)({ action: 1, label: 1, logit })),
    { kappa: [1, 2], cap: [5, 6] },
  ],
];

describe('defaults', () => {
  test.each(
    table.flatMap(([name, run, defaults]) =>
      Object.entries(defaults).map(([option, [value, other]]) => [name, option, value, other, run] as const),
    ),
  )('%s: %s', (_, option, value, other, run) => {
    const expected = run();
    expect(run((value === none ? {} : { [option]: value }) as never)).toEqual(expected);
    expect(run({ [option]: other } as never)).not.toEqual(expected);
  });
});
