import { OptionError } from '@tsrl/core';
import { completeSettings } from './complete.js';
import { hasCosts } from './costs.js';
import { type FieldTable, fields, flagOf, type GivenSettings, type TrainSettings } from './fields.js';
import { either } from './schema.js';

/** A setting that cannot be what it is, beside the others. */
interface Contradiction {
  readonly key: string;
  /** What it must be. */
  readonly expected: string;
  readonly got: unknown;
}

/**
 * Settings that contradict each other, each within its range.
 *
 * @param nameOf how the settings are called where they come from
 * @returns the first setting that means nothing beside the others, or lacks another one
 */
export function contradictionIn(given: GivenSettings, nameOf: (key: string) => string): Contradiction | undefined {
  // Only what stands in `needs` is asked for, and that depends on neither model nor data.
  const values = completeSettings(given, { parameters: 1, minorityShare: 0.5 });
  for (const [key, got] of Object.entries(given)) {
    const lacks = got === undefined ? undefined : lackOf(key, values);
    if (!lacks) continue;
    const needed = `${nameOf(lacks.key)} ${either(lacks.of)}`;
    return { key, expected: `left away with ${nameOf(lacks.key)} ${lacks.found}: it belongs to ${needed}`, got };
  }
  const found = RULES.find(({ when }) => when(values));
  return found && { key: found.key, expected: found.expected(nameOf), got: values[found.key] };
}

/**
 * The same, as an error.
 *
 * @throws OptionError for a contradiction, by flag unless `nameOf` says otherwise
 */
export function expectConsistent(given: GivenSettings, nameOf: (key: string) => string = flagOf): void {
  const found = contradictionIn(given, nameOf);
  if (found) throw new OptionError('tsrl', nameOf(found.key), found.expected, found.got);
}

/** The settings that mean something beside the others: what a run was made with. */
export function meaningful(settings: TrainSettings): Partial<TrainSettings> {
  const entries = Object.entries(settings).filter(([key]) => lackOf(key, settings) === undefined);
  return Object.fromEntries(entries) as Partial<TrainSettings>;
}

interface Lack {
  readonly key: string;
  readonly of: readonly string[];
  readonly found: string;
}

/** What a field needs and does not find. */
function lackOf(key: string, values: TrainSettings): Lack | undefined {
  for (const [other, of] of Object.entries((fields as FieldTable)[key]?.needs ?? {})) {
    const deeper = lackOf(other, values);
    if (deeper) return deeper;
    const found = values[other as keyof TrainSettings] as string;
    if (!of.includes(found)) return { key: other, of, found };
  }
  return undefined;
}

interface Rule {
  readonly when: (settings: TrainSettings) => boolean;
  /** The setting that is at fault, and what it should be. */
  readonly key: keyof TrainSettings;
  readonly expected: (nameOf: (key: string) => string) => string;
}

const corrected = ({ noiseCorrection, loss }: TrainSettings): boolean =>
  noiseCorrection !== 'none' || loss === 'forward-corrected';

const temperedByNoise = ({ reward, rewardTemper }: TrainSettings): boolean =>
  reward === 'tempered' && rewardTemper === null;

const needsRates = (settings: TrainSettings): boolean =>
  corrected(settings) || settings.labels === 'posterior' || temperedByNoise(settings);

/** What reads the rates. */
const readers = (name: (key: string) => string, and: string): string =>
  `${name('noiseCorrection')}, ${name('loss')} forward-corrected, ${name('labels')} posterior ${and} ${name('rewardTemper')} noise`;

const RULES: readonly Rule[] = [
  {
    when: ({ policy, trainable }) => policy === 'verbalizer' && trainable === 'head',
    key: 'trainable',
    expected: (name) => `full or lora with ${name('policy')} verbalizer, which has no head`,
  },
  {
    when: ({ actions, baseline }) => actions === 'label' && baseline !== 'analytic',
    key: 'baseline',
    expected: (name) => `analytic with ${name('actions')} label`,
  },
  {
    when: (settings) => needsRates(settings) && settings.noiseRates === null,
    key: 'noiseRates',
    expected: (name) => `given for ${readers(name, 'and')}`,
  },
  {
    when: (settings) => settings.noiseRates !== null && !needsRates(settings),
    key: 'noiseRates',
    expected: (name) => `used, by ${readers(name, 'or')}, or left away`,
  },
  {
    when: (settings) => settings.labels === 'posterior' && (corrected(settings) || temperedByNoise(settings)),
    key: 'labels',
    expected: (name) =>
      `observed with ${name('noiseCorrection')}, ${name('loss')} forward-corrected or ${name('rewardTemper')} noise, which meet wrong labels already`,
  },
  {
    when: ({ noiseRates }) => Array.isArray(noiseRates) && noiseRates[0] + noiseRates[1] >= 1,
    key: 'noiseRates',
    expected: () => 'two rates that sum to less than 1, for beyond that the label says the opposite',
  },
  {
    when: ({ noiseCorrection, noisePrior, noiseRates }) =>
      noiseCorrection === 'forward' && noisePrior === 'estimated' && typeof noiseRates !== 'string',
    key: 'noisePrior',
    expected: (name) => `half or policy where ${name('noiseRates')} are numbers`,
  },
  {
    when: ({ labelNoise, falsePositiveNoise, falseNegativeNoise }) =>
      labelNoise > 0 && falsePositiveNoise + falseNegativeNoise > 0,
    key: 'labelNoise',
    expected: (name) => `left away with ${name('falsePositiveNoise')} or ${name('falseNegativeNoise')}`,
  },
  {
    when: ({ falsePositiveNoise, falseNegativeNoise }) => falsePositiveNoise + falseNegativeNoise >= 1,
    key: 'falsePositiveNoise',
    expected: (name) => `less than 1 together with ${name('falseNegativeNoise')}`,
  },
  {
    when: (settings) => settings.threshold === 'costs' && !hasCosts(settings),
    key: 'threshold',
    expected: () => 'half or validation where no gain or cost differs from 1',
  },
];

/** What is allowed, and hardly meant: a sentence each. */
export function warningsOf(settings: TrainSettings): string[] {
  const { method, reward, kappa, sampling, classWeights, refreshes, clipHigh, clipLow, threshold, loss } = settings;
  const ppo = method === 'binary-ppo';
  const reweighted = sampling !== 'plain' || classWeights !== 'none';
  const warnings: [boolean, string][] = [
    [
      ppo && reward === 'printed',
      `the reward printed, with kappa ${kappa} > 0, earns most for the wrong class: the policy learns the opposite of the labels`,
    ],
    [
      sampling !== 'plain' && classWeights !== 'none',
      `--sampling ${sampling} and --class-weights ${classWeights} count the smaller class twice`,
    ],
    [
      ppo && reweighted && hasCosts(settings),
      'costs beside balanced sampling or class weights move the decision twice; --sampling plain leaves it to the costs',
    ],
    [ppo && threshold === 'costs', 'the costs are in the reward already; --threshold costs counts them twice'],
    [
      loss === 'logit-adjusted' && reweighted,
      '--loss logit-adjusted takes the class prior out already; balanced sampling and class weights do it twice',
    ],
    [
      ppo && refreshes === 1,
      `with one refresh a probability moves by about ${Math.max(clipLow, clipHigh)} at most, for the ratio is clipped there; plan for 10 refreshes or more`,
    ],
  ];
  return warnings.filter(([holds]) => holds).map(([, text]) => text);
}
