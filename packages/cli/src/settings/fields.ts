/**
 * What can be set of a training run, each thing once: the flags of `tsrl train`, their help, the schema of `--config`,
 * the type `TrainSettings` and the defaults come from here. A flag is the key in kebab-case.
 *
 * - Numbers lie in [`min`, `max`], or above `above` and below `below`; `integer` says so.
 * - `none` is the word for `null` on the command line, in the help and in messages.
 * - A field has a `default`, or is completed by `complete.ts`, and then `by` says how.
 * - `only` names the methods that a field means something to; with another one it is an error.
 */
export const fields = {
  method: {
    kind: 'choice',
    of: ['binary-ppo', 'sft'],
    group: 'method',
    help: 'how to learn: by reward, or from the labels alone',
    by: 'needed',
  },
  preset: {
    kind: 'choice',
    of: ['stable', 'paper', 'ppo-only'],
    group: 'method',
    help: 'defaults of binary-ppo: recommended; as printed in the paper, a control that learns the wrong class; without the supervised term',
    default: 'stable',
    only: ['binary-ppo'],
  },

  policy: {
    kind: 'choice',
    of: ['head', 'verbalizer'],
    group: 'model',
    help: 'class from a head on the text, or from the yes and no of the language model',
    default: 'head',
  },
  trainable: {
    kind: 'choice',
    of: ['full', 'head'],
    group: 'model',
    help: 'what learns: every weight, or the head alone',
    default: 'full',
  },
  template: {
    kind: 'text',
    group: 'model',
    help: 'prompt of the verbalizer, with {text} in it',
    default: '{text}\nAnswer yes or no:',
  },
  positive: {
    kind: 'words',
    group: 'model',
    help: 'verbalizer: words for class 1, one token each',
    default: ['yes', ' yes', 'Yes', ' Yes', 'y', 'Y'],
    by: 'spellings of yes',
  },
  negative: {
    kind: 'words',
    group: 'model',
    help: 'verbalizer: words for class 0, one token each',
    default: ['no', ' no', 'No', ' No', 'n', 'N'],
    by: 'spellings of no',
  },
  maxLength: { kind: 'number', integer: true, min: 1, group: 'model', help: 'tokens read of a text', default: 128 },

  labelSmoothing: {
    kind: 'number',
    min: 0,
    below: 1,
    group: 'loss',
    help: 'labels become y (1 − s) + s/2',
    default: 0,
  },

  reward: {
    kind: 'choice',
    of: ['log-complement', 'constant', 'prob', 'surprise', 'margin', 'margin-floor', 'power', 'log-score', 'printed'],
    group: 'reward',
    help: 'what a right action earns and a wrong one loses; `printed` rewards the wrong one, as the paper prints it',
    by: 'log-complement',
    only: ['binary-ppo'],
  },
  kappa: { kind: 'number', above: 0, group: 'reward', help: 'scale of all rewards', by: '1', only: ['binary-ppo'] },
  rewardCap: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'reward',
    help: 'largest confidence of the logarithmic rewards, in nats',
    by: '5',
    only: ['binary-ppo'],
  },
  rewardFloor: {
    kind: 'number',
    above: 0,
    max: 1,
    group: 'reward',
    help: 'margin-floor: confidence at probability 1/2',
    default: 0.1,
    only: ['binary-ppo'],
  },
  rewardPower: {
    kind: 'number',
    min: 0,
    group: 'reward',
    help: 'power: exponent of the probability',
    default: 2,
    only: ['binary-ppo'],
  },
  rewardOffset: {
    kind: 'number',
    above: 0,
    group: 'reward',
    help: 'log-score: what a wrong action costs beyond the score',
    default: 1,
    only: ['binary-ppo'],
  },
  rewardClip: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'reward',
    help: 'rewards stay in [−c, c], after all corrections',
    default: null,
    only: ['binary-ppo'],
  },

  actions: {
    kind: 'choice',
    of: ['enumerate', 'sample', 'label'],
    group: 'ppo',
    help: 'both actions with their probability, drawn ones, or that of the label alone',
    by: 'enumerate',
    only: ['binary-ppo'],
  },
  samplesPerExample: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'ppo',
    help: 'draws per text with --actions sample',
    default: 1,
    only: ['binary-ppo'],
  },
  baseline: {
    kind: 'choice',
    of: ['analytic', 'value-head', 'batch-mean', 'none'],
    group: 'ppo',
    help: 'what a reward is compared with: the exact value, a trained one, the mean, nothing',
    by: 'analytic',
    only: ['binary-ppo'],
  },
  normalize: {
    kind: 'choice',
    of: ['scale', 'whiten', 'none'],
    group: 'ppo',
    help: 'advantages of a refresh: divided by their deviation, centred too, or as they are',
    by: 'scale',
    only: ['binary-ppo'],
  },
  advantageClip: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'ppo',
    help: 'advantages stay in [−c, c]',
    default: null,
    only: ['binary-ppo'],
  },
  advantageScale: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the policy term beside the others',
    default: 1,
    only: ['binary-ppo'],
  },
  clipLow: {
    kind: 'number',
    above: 0,
    below: 1,
    group: 'ppo',
    help: 'a probability ratio counts down to 1 − this',
    default: 0.2,
    only: ['binary-ppo'],
  },
  clipHigh: {
    kind: 'number',
    above: 0,
    group: 'ppo',
    help: 'and up to 1 + this',
    by: 'as clipLow',
    only: ['binary-ppo'],
  },
  dualClip: {
    kind: 'number',
    above: 1,
    none: 'none',
    group: 'ppo',
    help: 'bounds the loss of bad actions that became likely',
    default: null,
    only: ['binary-ppo'],
  },
  valueCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the value loss, with --baseline value-head',
    default: 0.5,
    only: ['binary-ppo'],
  },
  supervisedCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the supervised term',
    by: '0.1',
    only: ['binary-ppo'],
  },
  entropyCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the entropy bonus',
    default: 0.01,
    only: ['binary-ppo'],
  },

  sampling: {
    kind: 'choice',
    of: ['plain', 'balanced', 'undersample'],
    group: 'imbalance',
    help: 'classes as they come; equally often, repeating the smaller; equally often, leaving out of the larger',
    by: 'balanced for binary-ppo where the smaller class is below 40 %',
  },
  classWeights: {
    kind: 'choice',
    of: ['none', 'balanced', 'effective'],
    group: 'imbalance',
    help: 'weights of the classes in reward and loss: by size, or by the effective number of texts',
    default: 'none',
  },
  effectiveBeta: {
    kind: 'number',
    min: 0,
    below: 1,
    group: 'imbalance',
    help: 'of --class-weights effective: from 0, all alike, to 1, by size',
    default: 0.999,
  },
  gainTruePositive: { kind: 'number', min: 0, group: 'imbalance', help: 'gain of a found text of class 1', default: 1 },
  costFalseNegative: { kind: 'number', min: 0, group: 'imbalance', help: 'cost of a missed one', default: 1 },
  gainTrueNegative: { kind: 'number', min: 0, group: 'imbalance', help: 'gain of a text left in class 0', default: 1 },
  costFalsePositive: { kind: 'number', min: 0, group: 'imbalance', help: 'cost of a false alarm', default: 1 },

  noiseCorrection: {
    kind: 'choice',
    of: ['none', 'backward', 'forward'],
    group: 'noise',
    help: 'rewards corrected for wrong labels: without bias, or by the posterior of the true label',
    default: 'none',
    only: ['binary-ppo'],
  },
  noisePrior: {
    kind: 'choice',
    of: ['half', 'policy', 'estimated'],
    group: 'noise',
    help: 'forward: belief before the label: 1/2, the policy, or the estimated share of class 1',
    by: 'estimated with the rates, else half',
    only: ['binary-ppo'],
  },
  noiseRates: {
    kind: 'rates',
    of: ['confident', 'trusted'],
    none: 'none',
    group: 'noise',
    help: 'share of wrong labels among true 0, then true 1; or estimated by cross-validation, or from --trusted',
    default: null,
  },

  labelNoise: {
    kind: 'number',
    min: 0,
    below: 0.5,
    group: 'damage',
    help: 'flip this share of the training labels',
    default: 0,
  },
  falsePositiveNoise: {
    kind: 'number',
    min: 0,
    below: 1,
    group: 'damage',
    help: 'flip this share of class 0 to 1',
    default: 0,
  },
  falseNegativeNoise: {
    kind: 'number',
    min: 0,
    below: 1,
    group: 'damage',
    help: 'flip this share of class 1 to 0',
    default: 0,
  },
  imbalance: {
    kind: 'number',
    min: 1,
    none: 'none',
    group: 'damage',
    help: 'drop texts of class 1 until class 0 has this many for each',
    default: null,
  },

  refreshes: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'training',
    help: 'how often the behaviour policy is taken anew',
    by: '20 for binary-ppo, 1 for sft',
  },
  epochs: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'training',
    help: 'passes over the texts of a refresh',
    default: 4,
  },
  refreshBatches: {
    kind: 'number',
    integer: true,
    min: 1,
    none: 'all',
    group: 'training',
    help: 'minibatches in a refresh',
    by: '4 for binary-ppo, all for sft',
  },
  batchSize: { kind: 'number', integer: true, min: 1, group: 'training', help: 'texts in a step', default: 64 },
  learningRate: {
    kind: 'number',
    above: 0,
    group: 'training',
    help: 'peak of AdamW',
    by: 'by the number of weights trained, 0.001 at most; 0.01 for a head alone',
  },
  warmupSteps: {
    kind: 'number',
    integer: true,
    min: 0,
    none: 'auto',
    group: 'training',
    help: 'steps in which the learning rate rises',
    default: null,
    by: 'a twentieth of all, 100 at most',
  },
  weightDecay: { kind: 'number', min: 0, group: 'training', help: 'of AdamW', default: 0 },
  patience: {
    kind: 'number',
    integer: true,
    min: 1,
    none: 'none',
    group: 'training',
    help: 'stop after so many evaluations without a better one',
    default: null,
  },
  seed: { kind: 'number', integer: true, group: 'training', help: 'of everything random', default: 0 },

  backend: {
    kind: 'choice',
    of: ['auto', 'tensorflow', 'wasm', 'cpu', 'webgpu'],
    group: 'machine',
    help: 'where to compute',
    default: 'auto',
  },
  threads: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'machine',
    help: 'threads that share each step and each evaluation',
    by: 'one per core',
  },
} as const;

/** The files of a run, and columns in them: flags and keys of `--config` like the settings. */
export const files = {
  train: {
    kind: 'text',
    argument: 'file',
    group: 'data',
    help: 'training texts: JSONL or CSV with the columns text and label',
  },
  test: { kind: 'text', argument: 'file', group: 'data', help: 'test texts, looked at once, at the end' },
  validation: {
    kind: 'text',
    argument: 'file',
    group: 'data',
    help: 'texts to choose the best weights by',
    by: 'a tenth of the training texts',
  },
  textColumn: { kind: 'text', argument: 'name', group: 'data', help: 'column of the text', by: 'text' },
  labelColumn: { kind: 'text', argument: 'name', group: 'data', help: 'column of the label, 0 or 1', by: 'label' },
  model: {
    kind: 'text',
    argument: 'dir',
    group: 'model',
    help: 'a model of the Llama or BERT family in Hugging Face layout',
    by: 'a small one, from random weights',
  },
  out: { kind: 'text', argument: 'dir', group: 'run', help: 'directory of the run' },
} as const;

/** The headings of the help, in their order. */
export const groups = {
  run: 'The run',
  method: 'Method',
  data: 'Data',
  model: 'Model',
  training: 'Training',
  loss: 'Supervised loss (also the supervised term of binary-ppo)',
  reward: 'Reward of binary-ppo',
  ppo: 'Policy optimisation of binary-ppo',
  imbalance: 'Uneven classes and costs',
  noise: 'Wrong labels',
  damage: 'Damage on purpose, for experiments',
  machine: 'Machine',
} as const;

interface Described {
  readonly group: keyof typeof groups;
  readonly help: string;
  readonly default?: unknown;
  readonly by?: string;
  readonly only?: readonly string[];
  readonly none?: string;
}

/** An entry of the table. */
export type Field = Described &
  (
    | { readonly kind: 'choice'; readonly of: readonly string[] }
    | {
        readonly kind: 'number';
        readonly integer?: true;
        readonly min?: number;
        readonly above?: number;
        readonly max?: number;
        readonly below?: number;
      }
    | { readonly kind: 'text'; readonly argument?: string }
    | { readonly kind: 'words' }
    | { readonly kind: 'flag' }
    /** One of the words, or two numbers in [0, 1). */
    | { readonly kind: 'rates'; readonly of: readonly string[] }
  );

export type FieldTable = Readonly<Record<string, Field>>;

type ValueOf<F> =
  | (F extends { readonly kind: 'choice' | 'rates'; readonly of: readonly (infer Word)[] } ? Word : never)
  | (F extends { readonly kind: 'number' } ? number : never)
  | (F extends { readonly kind: 'text' } ? string : never)
  | (F extends { readonly kind: 'words' } ? readonly string[] : never)
  | (F extends { readonly kind: 'flag' } ? boolean : never)
  | (F extends { readonly kind: 'rates' } ? readonly [number, number] : never)
  | (F extends { readonly none: string } ? null : never);

type Fields = typeof fields;

/** The settings of a training run; `config.json` and `result.json` hold them, and a resumed run must repeat them. */
export type TrainSettings = { readonly [K in keyof Fields]: ValueOf<Fields[K]> };

/** What the command line or a file leaves open. */
export type GivenSettings = Partial<TrainSettings> & Pick<TrainSettings, 'method'>;

/** Settings without a default in the table. */
export type Completed = {
  [K in keyof Fields]: Fields[K] extends { readonly default: unknown } ? never : K;
}[keyof Fields];

/** `clipLow` as it is on the command line: `--clip-low`. */
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
