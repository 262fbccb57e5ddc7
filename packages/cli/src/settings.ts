import { availableParallelism } from 'node:os';
import { OptionError } from '@tsrl/core';
import type { BackendName } from '@tsrl/tensor';

/** The settings of a training run; `config.json` and `result.json` hold them, and a resumed run must repeat them. */
export interface TrainSettings {
  readonly method: 'binary-ppo' | 'sft';
  /** `full` trains every weight, `head` leaves the language model as it is. */
  readonly trainable: 'full' | 'head';
  readonly policy: 'head' | 'verbalizer';
  readonly template: string;
  /** Words for class 1 and for class 0 of the verbalizer. */
  readonly positive: readonly string[];
  readonly negative: readonly string[];
  /** How the two classes are shown: as they come, or equally often. */
  readonly sampling: 'plain' | 'balanced';
  /** BinaryPPO: both actions with their probabilities, or drawn. */
  readonly actions: 'enumerate' | 'sample';
  /** BinaryPPO: the exact value, or a trained head. */
  readonly baseline: 'analytic' | 'valueHead';
  /** Share of the training labels that are flipped on purpose. */
  readonly labelNoise: number;
  /** Majority : minority that the training data is cut down to; `null` leaves it. */
  readonly imbalance: number | null;
  readonly refreshes: number;
  readonly epochs: number;
  /** Minibatches in a refresh; `null` for a whole pass over the data. */
  readonly refreshBatches: number | null;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly maxLength: number;
  readonly seed: number;
  readonly backend: BackendName | 'auto';
  /** Threads that share each minibatch. The same number gives the same run. */
  readonly threads: number;
}

/** What the command line leaves open. */
export type GivenSettings = Partial<TrainSettings> & Pick<TrainSettings, 'method'>;

/**
 * The settings that were not given, by method, model and data.
 *
 * - SFT makes `epochs` passes over the data as it comes, BinaryPPO `refreshes` times `epochs` passes over
 *   `refreshBatches` minibatches, with the classes shown equally often when the smaller one is below 40 % (core.md 2.4).
 * - The learning rate falls with the square root of the number of weights trained, 0.5 / √n and at most 1e-3: it meets
 *   1e-3 for the small models here and the 1e-5 of core.md 2.10 for models of billions. A head alone takes 1e-2.
 */
export function completeSettings(
  given: GivenSettings,
  { trainable, minorityShare }: { readonly trainable: number; readonly minorityShare: number },
): TrainSettings {
  const rl = given.method === 'binary-ppo';
  const headOnly = given.trainable === 'head';
  return {
    trainable: 'full',
    policy: 'head',
    template: '{text}\nAnswer yes or no:',
    positive: ['yes', ' yes', 'Yes', ' Yes', 'y', 'Y'],
    negative: ['no', ' no', 'No', ' No', 'n', 'N'],
    sampling: rl && minorityShare < 0.4 ? 'balanced' : 'plain',
    actions: 'enumerate',
    baseline: 'analytic',
    labelNoise: 0,
    imbalance: null,
    refreshes: rl ? 20 : 1,
    epochs: 4,
    refreshBatches: rl ? 4 : null,
    batchSize: 64,
    learningRate: headOnly ? 1e-2 : roundTo2(Math.min(1e-3, 0.5 / Math.sqrt(trainable))),
    maxLength: 128,
    seed: 0,
    backend: 'auto',
    threads: availableParallelism(),
    ...given,
  };
}

/** `--threads`: one per core unless it is given. */
export function threadCount(given: number | undefined): number {
  expectCount('threads', given);
  return given ?? availableParallelism();
}

const roundTo2 = (x: number): number => Number(x.toPrecision(2));

/** Throws an OptionError for the first setting that is out of range. */
export function checkSettings(given: GivenSettings): void {
  const within = (name: string, value: number | null | undefined, ok: (x: number) => boolean, range: string): void => {
    if (value !== undefined && value !== null && !ok(value)) throw new OptionError('tsrl', name, range, value);
  };
  for (const name of ['refreshes', 'epochs', 'refreshBatches', 'batchSize', 'maxLength', 'threads'] as const) {
    expectCount(name, given[name]);
  }
  within('--seed', given.seed, Number.isSafeInteger, 'an integer');
  within('--label-noise', given.labelNoise, (x) => x >= 0 && x < 0.5, 'in [0, 0.5)');
  within('--imbalance', given.imbalance, (x) => x >= 1 && Number.isFinite(x), 'at least 1');
  within('--learning-rate', given.learningRate, (x) => x > 0 && Number.isFinite(x), 'positive');
  if (given.policy === 'verbalizer' && given.trainable === 'head') {
    throw new OptionError('tsrl', '--trainable', 'full with --policy verbalizer, which has no head', 'head');
  }
}

function expectCount(name: string, value: number | null | undefined): void {
  if (value === undefined || value === null || (Number.isSafeInteger(value) && value >= 1)) return;
  throw new OptionError('tsrl', `--${kebab(name)}`, 'an integer of at least 1', value);
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
