import { availableParallelism } from 'node:os';
import { OptionError } from '@tsrl/core';
import { hasCosts } from './costs.js';
import { type Completed, type FieldTable, fields, type GivenSettings, type TrainSettings } from './fields.js';

/** What completing needs to know of model and data. */
export interface Facts {
  /** Weights of the language model. */
  readonly parameters: number;
  /** Share of the smaller class among the training labels. */
  readonly minorityShare: number;
}

/** What the presets of @tsrl/binary-ppo change, as settings. */
const PRESETS: Readonly<Record<TrainSettings['preset'], Partial<TrainSettings>>> = {
  stable: {},
  paper: {
    reward: 'printed',
    kappa: 2,
    rewardCap: -Math.log(1e-6),
    actions: 'sample',
    baseline: 'value-head',
    normalize: 'whiten',
  },
  'ppo-only': { supervisedCoefficient: 0 },
  adaptive: { labels: 'posterior', supervisedCoefficient: 1, supervisedAnneal: true },
};

/** How the settings without a default come about; a preset goes before. */
const completed: { readonly [K in Completed]: (given: GivenSettings, facts: Facts) => TrainSettings[K] } = {
  method: ({ method }) => method,
  reward: () => 'log-complement',
  kappa: () => 1,
  rewardCap: () => 5,
  actions: () => 'enumerate',
  baseline: () => 'analytic',
  normalize: () => 'scale',
  clipHigh: ({ clipLow = fields.clipLow.default }) => clipLow,
  supervisedCoefficient: () => 0.1,
  // core.md 2.4; class weights meet the imbalance already
  sampling: ({ method, classWeights = 'none' }, { minorityShare }) =>
    method === 'binary-ppo' && minorityShare < 0.4 && classWeights === 'none' ? 'balanced' : 'plain',
  noiseRates: ({ labels }) => (labels === 'posterior' ? 'anchors' : null),
  noisePrior: ({ noiseRates = null }) => (typeof noiseRates === 'string' ? 'estimated' : 'half'),
  refreshes: ({ method }) => (method === 'sft' ? 1 : 20),
  refreshBatches: ({ method }) => (method === 'sft' ? null : 4),
  // 0.5 / √n and at most 1e-3: it meets 1e-3 for the small models here and the 1e-5 of core.md 2.10 for models of billions,
  // and its 1e-4 for their adapters
  learningRate({ trainable }, { parameters }) {
    if (trainable === 'head') return 1e-2;
    const full = Math.min(1e-3, 0.5 / Math.sqrt(parameters));
    return roundTo2(trainable === 'lora' ? 10 * full : full);
  },
  threshold: ({ method, ...given }) =>
    method !== 'binary-ppo' && hasCosts({ ...OUTCOMES, ...given }) ? 'costs' : 'half',
  threads: () => availableParallelism(),
};

const OUTCOMES = { gainTruePositive: 1, costFalseNegative: 1, gainTrueNegative: 1, costFalsePositive: 1 };

/**
 * The settings that were not given: the defaults of the table, those of the preset, and those that depend on the method,
 * the model and the data. SFT makes `epochs` passes over the data as it comes, BinaryPPO `refreshes` times `epochs`
 * passes over `refreshBatches` minibatches.
 */
export function completeSettings(given: GivenSettings, facts: Facts): TrainSettings {
  const wanted = { ...PRESETS[given.preset ?? 'stable'], ...given };
  const table = Object.entries(fields as FieldTable).map(([key, field]) => [
    key,
    'default' in field ? field.default : completed[key as Completed](wanted, facts),
  ]);
  return { ...(Object.fromEntries(table) as TrainSettings), ...wanted };
}

/** `--threads`: one per core unless it is given. */
export function threadCount(given: number | undefined): number {
  if (given !== undefined && !(Number.isSafeInteger(given) && given >= 1)) {
    throw new OptionError('tsrl', '--threads', 'an integer of at least 1', given);
  }
  return given ?? availableParallelism();
}

const roundTo2 = (x: number): number => Number(x.toPrecision(2));
