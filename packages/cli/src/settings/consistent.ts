import { OptionError, show } from '@tsrl/core';
import { type FieldTable, fields, flagOf, type GivenSettings, type TrainSettings } from './fields.js';
import { either } from './schema.js';

/**
 * Settings that contradict each other, each within its range.
 *
 * @param nameOf how the settings are called where they come from: by flag, unless a file is read
 * @throws OptionError for the first setting that means nothing to the method, or lacks another one
 */
export function expectConsistent(given: GivenSettings, nameOf: (key: string) => string = flagOf): void {
  const { method } = given;
  for (const key of Object.keys(given)) {
    const only = (fields as FieldTable)[key]?.only;
    if (!only || only.includes(method) || given[key as keyof GivenSettings] === undefined) continue;
    throw new OptionError(
      'tsrl',
      nameOf(key),
      `left away with ${nameOf('method')} ${method}: it is of ${either(only)}`,
      given[key as keyof GivenSettings],
    );
  }
  for (const { when, key, expected } of CONTRADICTIONS) {
    const value = given[key];
    if (when(given)) throw new OptionError('tsrl', nameOf(key), expected(nameOf), value);
  }
}

interface Contradiction {
  readonly when: (given: GivenSettings) => boolean;
  /** The setting that is at fault, and what it should be. */
  readonly key: keyof TrainSettings;
  readonly expected: (nameOf: (key: string) => string) => string;
}

const damaged = ({ falsePositiveNoise = 0, falseNegativeNoise = 0 }: GivenSettings): boolean =>
  falsePositiveNoise + falseNegativeNoise > 0;

const CONTRADICTIONS: readonly Contradiction[] = [
  {
    when: ({ policy, trainable }) => policy === 'verbalizer' && trainable === 'head',
    key: 'trainable',
    expected: (name) => `full with ${name('policy')} verbalizer, which has no head`,
  },
  {
    when: ({ actions, baseline = 'analytic' }) => actions === 'label' && baseline !== 'analytic',
    key: 'baseline',
    expected: (name) => `analytic with ${name('actions')} label`,
  },
  {
    when: ({ noiseCorrection = 'none', noiseRates = null }) => noiseCorrection !== 'none' && noiseRates === null,
    key: 'noiseRates',
    expected: (name) => `given for ${name('noiseCorrection')}`,
  },
  {
    when: ({ noiseRates }) => Array.isArray(noiseRates) && noiseRates[0] + noiseRates[1] >= 1,
    key: 'noiseRates',
    expected: () => 'two rates that sum to less than 1, for beyond that the label says the opposite',
  },
  {
    when: (given) => (given.labelNoise ?? 0) > 0 && damaged(given),
    key: 'labelNoise',
    expected: (name) => `left away with ${name('falsePositiveNoise')} or ${name('falseNegativeNoise')}`,
  },
  {
    when: ({ falsePositiveNoise = 0, falseNegativeNoise = 0 }) => falsePositiveNoise + falseNegativeNoise >= 1,
    key: 'falsePositiveNoise',
    expected: (name) => `less than 1 together with ${name('falseNegativeNoise')}`,
  },
];

/** What is allowed, and hardly meant: a sentence each. */
export function warningsOf(settings: TrainSettings): string[] {
  const { method, reward, kappa, sampling, classWeights, refreshes, clipHigh, clipLow } = settings;
  const ppo = method === 'binary-ppo';
  const warnings: [boolean, string][] = [
    [
      ppo && reward === 'printed',
      `the reward printed, with kappa ${show(kappa)} > 0, earns most for the wrong class: the policy learns the opposite of the labels (a control)`,
    ],
    [
      sampling !== 'plain' && classWeights !== 'none',
      `--sampling ${sampling} and --class-weights ${classWeights} count the smaller class twice`,
    ],
    [
      ppo && (sampling !== 'plain' || classWeights !== 'none') && hasCosts(settings),
      'costs beside balanced sampling or class weights move the decision twice',
    ],
    [
      ppo && refreshes === 1,
      `with one refresh no probability moves further than the clip allows, about ${Math.max(clipLow, clipHigh)}: 10 refreshes or more go the whole way`,
    ],
  ];
  return warnings.filter(([holds]) => holds).map(([, text]) => text);
}

/** Whether the four outcomes count differently. */
export const hasCosts = (
  settings: Pick<TrainSettings, 'gainTruePositive' | 'costFalseNegative' | 'gainTrueNegative' | 'costFalsePositive'>,
): boolean => {
  const { gainTruePositive, costFalseNegative, gainTrueNegative, costFalsePositive } = settings;
  return [gainTruePositive, costFalseNegative, gainTrueNegative, costFalsePositive].some((worth) => worth !== 1);
};
