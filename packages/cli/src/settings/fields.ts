/**
 * What can be set of a training run, each thing once: the flags of `tsrl train`, their help, the schema of `--config`,
 * the type `TrainSettings` and the defaults come from here. A flag is the key in kebab-case.
 *
 * - A choice is `of` words with what each means, or of words that say it (`wordsOf`).
 * - Numbers lie in [`min`, `max`], or above `above` and below `below`; `integer` says so.
 * - `none` is the word for `null`, on the command line and everywhere.
 * - A field has a `default`, or is completed by `complete.ts`, and then `by` says how.
 * - `needs`: the values of other fields without which a field means nothing; given without them, it is an error.
 */
export const fields = {
  method: {
    kind: 'choice',
    of: {
      'binary-ppo': 'by a reward for each class, which PPO maximises',
      sft: 'from the labels, by a loss (--loss)',
      bco: 'binary classifier optimization: the label as the answer that is wanted, the other class as one that is not',
    },
    group: 'method',
    help: 'how to learn',
    by: 'needed',
  },
  preset: {
    kind: 'choice',
    of: {
      stable: 'what to use',
      paper: 'as published: drawn actions, value head, and the printed reward, which learns the wrong class',
      'ppo-only': 'without the supervised term',
      adaptive: 'for labels that may be wrong: --labels posterior, and a supervised term that fades out',
    },
    group: 'method',
    help: 'defaults of the settings of binary-ppo',
    default: 'stable',
    needs: { method: ['binary-ppo'] },
  },

  beta: {
    kind: 'number',
    above: 0,
    group: 'method',
    help: 'how far bco keeps to where it began: the larger, the nearer',
    default: 0.1,
    needs: { method: ['bco'] },
  },

  policy: {
    kind: 'choice',
    of: {
      head: 'a linear head on the text',
      verbalizer: 'yes against no, as the next word of a causal language model',
    },
    group: 'model',
    help: 'where the class comes from',
    default: 'head',
  },
  trainable: {
    kind: 'choice',
    of: {
      full: 'every weight',
      head: 'the head alone, over vectors of the texts that are computed once',
      lora: 'low-rank adapters of the projections, and the head',
    },
    group: 'model',
    help: 'what learns',
    default: 'full',
  },
  loraRank: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'model',
    help: 'rank of the adapters',
    default: 8,
    needs: { trainable: ['lora'] },
  },
  loraAlpha: {
    kind: 'number',
    above: 0,
    group: 'model',
    help: 'adapters are scaled by this / rank',
    default: 16,
    needs: { trainable: ['lora'] },
  },
  loraProjections: {
    kind: 'words',
    none: 'usual',
    group: 'model',
    help: 'what is adapted, by the names of PEFT, like q_proj or query',
    default: null,
    by: 'query and value',
    needs: { trainable: ['lora'] },
  },
  save: {
    kind: 'choice',
    of: { merged: 'a whole model, adapters added to its weights', adapters: 'the adapters alone, which need --model' },
    group: 'model',
    help: 'what DIR/model holds',
    default: 'merged',
    needs: { trainable: ['lora'] },
  },
  template: {
    kind: 'text',
    group: 'model',
    help: 'prompt of the verbalizer, with {text} in it',
    default: '{text}\nAnswer yes or no:',
    needs: { policy: ['verbalizer'] },
  },
  positive: {
    kind: 'words',
    group: 'model',
    help: 'words of the verbalizer for class 1',
    default: ['yes', ' yes', 'Yes', ' Yes', 'y', 'Y'],
    by: 'spellings of yes',
    needs: { policy: ['verbalizer'] },
  },
  negative: {
    kind: 'words',
    group: 'model',
    help: 'and for class 0',
    default: ['no', ' no', 'No', ' No', 'n', 'N'],
    by: 'spellings of no',
    needs: { policy: ['verbalizer'] },
  },
  calibrate: {
    kind: 'flag',
    group: 'model',
    help: 'take out what the prompt answers to texts without content',
    default: false,
    needs: { policy: ['verbalizer'] },
  },
  renormalize: {
    kind: 'flag',
    group: 'model',
    help: 'let an answer that is neither class count as a third action, which costs kappa',
    default: true,
    needs: { policy: ['verbalizer'], method: ['binary-ppo'] },
  },
  maxLength: { kind: 'number', integer: true, min: 1, group: 'model', help: 'tokens read of a text', default: 128 },

  refreshes: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'training',
    help: 'how often the behaviour policy is taken anew',
    by: '1 for sft, else 20',
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
    by: 'all for sft, else 4',
  },
  batchSize: { kind: 'number', integer: true, min: 1, group: 'training', help: 'texts in a step', default: 64 },
  learningRate: {
    kind: 'number',
    above: 0,
    group: 'training',
    help: 'peak of AdamW',
    by: 'by the size of the model, 0.001 at most; ten times that for adapters; 0.01 for a head alone',
  },
  learningRateWarmup: {
    kind: 'number',
    integer: true,
    min: 0,
    none: 'auto',
    group: 'training',
    help: 'steps in which the learning rate rises to its peak',
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

  loss: {
    kind: 'choice',
    of: {
      'cross-entropy': '',
      mae: 'mean absolute error: bounded, no label weighs much',
      'generalized-cross-entropy': 'between the two, by --q',
      focal: 'more weight on what is not learned yet, by --focal-gamma',
      'logit-adjusted': 'for uneven classes, by --tau',
      'forward-corrected': 'cross-entropy of what wrong labels make of the prediction, by --noise-rates',
    },
    group: 'loss',
    help: 'the loss of sft, and of the supervised term of binary-ppo',
    default: 'cross-entropy',
    needs: { method: ['sft', 'binary-ppo'] },
  },
  labelSmoothing: {
    kind: 'number',
    min: 0,
    below: 1,
    group: 'loss',
    help: 'labels become y (1 − s) + s/2',
    default: 0,
    needs: { loss: ['cross-entropy'] },
  },
  q: {
    kind: 'number',
    min: 0,
    max: 1,
    group: 'loss',
    help: '0 is cross-entropy, 1 is half of mae',
    default: 0.7,
    needs: { loss: ['generalized-cross-entropy'] },
  },
  focalGamma: {
    kind: 'number',
    min: 0,
    group: 'loss',
    help: '0 is cross-entropy',
    default: 2,
    needs: { loss: ['focal'] },
  },
  tau: {
    kind: 'number',
    min: 0,
    group: 'loss',
    help: 'how far the class prior is taken out; 0 is cross-entropy',
    default: 1,
    needs: { loss: ['logit-adjusted'] },
  },

  reward: {
    kind: 'choice',
    of: {
      'log-complement': '−log(1 − p): the surer, the more',
      constant: '1',
      prob: 'p: as constant, in the mean',
      surprise: '−log p: as log-complement, in the mean',
      margin: '|2p − 1|: nothing where undecided, and so never begins there',
      'margin-floor': 'the same from --reward-floor on',
      power: 'p to the power of --reward-power',
      tempered: 'from log-complement to prob, by --reward-temper',
      'log-score': 'log p of the label, less --reward-offset for the other class',
      printed: 'log p, as the paper prints it: earns most for the wrong class; a control',
    },
    group: 'reward',
    help: 'what the right class earns and the other one loses, p being the probability of the class taken',
    by: 'log-complement',
    needs: { method: ['binary-ppo'] },
  },
  kappa: {
    kind: 'number',
    above: 0,
    group: 'reward',
    help: 'scale of all rewards',
    by: '1',
    needs: { method: ['binary-ppo'] },
  },
  rewardCap: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'reward',
    help: 'largest logarithm, in nats',
    by: '5',
    needs: { reward: ['log-complement', 'surprise', 'printed', 'log-score'] },
  },
  rewardFloor: {
    kind: 'number',
    above: 0,
    max: 1,
    group: 'reward',
    help: 'confidence where p is 1/2',
    default: 0.1,
    needs: { reward: ['margin-floor'] },
  },
  rewardPower: {
    kind: 'number',
    min: 0,
    group: 'reward',
    help: '0 is constant, 1 is prob',
    default: 2,
    needs: { reward: ['power'] },
  },
  rewardTemper: {
    kind: 'number',
    above: 0,
    max: 1,
    none: 'noise',
    group: 'reward',
    help: 'towards 0 is log-complement, 1 is prob; noise is twice the sum of --noise-rates, from 0.05 to 1',
    default: 0.5,
    needs: { reward: ['tempered'] },
  },
  rewardOffset: {
    kind: 'number',
    above: 0,
    group: 'reward',
    help: 'in nats',
    default: 1,
    needs: { reward: ['log-score'] },
  },
  rewardClip: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'reward',
    help: 'rewards stay in [−c, c], after all corrections',
    default: null,
    needs: { method: ['binary-ppo'] },
  },

  actions: {
    kind: 'choice',
    of: {
      enumerate: 'both classes, by their probability',
      sample: 'drawn',
      label: 'that of the label alone: imitation',
    },
    group: 'ppo',
    help: 'the classes that are rewarded',
    by: 'enumerate',
    needs: { method: ['binary-ppo'] },
  },
  samplesPerExample: {
    kind: 'number',
    integer: true,
    min: 1,
    group: 'ppo',
    help: 'draws for each text',
    default: 1,
    needs: { actions: ['sample'] },
  },
  baseline: {
    kind: 'choice',
    of: {
      analytic: 'the exact value of the text',
      'value-head': 'a trained value',
      'batch-mean': 'the mean of the refresh',
      none: '0',
    },
    group: 'ppo',
    help: 'what a reward is compared with',
    by: 'analytic',
    needs: { method: ['binary-ppo'] },
  },
  normalize: {
    kind: 'choice',
    of: { scale: 'divided by their deviation', whiten: 'centred too', none: 'as they are' },
    group: 'ppo',
    help: 'advantages, over a refresh',
    by: 'scale',
    needs: { method: ['binary-ppo'] },
  },
  advantageClip: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'ppo',
    help: 'advantages stay in [−c, c]',
    default: null,
    needs: { method: ['binary-ppo'] },
  },
  advantageScale: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the policy term',
    default: 1,
    needs: { method: ['binary-ppo'] },
  },
  clipLow: {
    kind: 'number',
    above: 0,
    below: 1,
    group: 'ppo',
    help: 'a ratio of probabilities counts from 1 − this ...',
    default: 0.2,
    needs: { method: ['binary-ppo'] },
  },
  clipHigh: {
    kind: 'number',
    above: 0,
    group: 'ppo',
    help: '... to 1 + this',
    by: 'as --clip-low',
    needs: { method: ['binary-ppo'] },
  },
  dualClip: {
    kind: 'number',
    above: 1,
    none: 'none',
    group: 'ppo',
    help: 'bounds the loss of a bad action that became likely',
    default: null,
    needs: { method: ['binary-ppo'] },
  },
  valueCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the loss of the value head',
    default: 0.5,
    needs: { baseline: ['value-head'] },
  },
  supervisedCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the supervised term',
    by: '0.1',
    needs: { method: ['binary-ppo'] },
  },
  supervisedAnneal: {
    kind: 'flag',
    group: 'ppo',
    help: 'let that weight fall to 0 over the run, in a straight line',
    default: false,
    needs: { method: ['binary-ppo'] },
  },
  warmupSteps: {
    kind: 'number',
    integer: true,
    min: 0,
    group: 'ppo',
    help: 'steps of the supervised term alone, at the beginning',
    default: 0,
    needs: { method: ['binary-ppo'] },
  },
  entropyCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the entropy bonus',
    default: 0.01,
    needs: { method: ['binary-ppo'] },
  },
  klCoefficient: {
    kind: 'number',
    min: 0,
    group: 'ppo',
    help: 'weight of the divergence from the policy that training began with',
    default: 0,
    needs: { method: ['binary-ppo'] },
  },
  klDirection: {
    kind: 'choice',
    of: { forward: 'KL(first || present)', reverse: 'KL(present || first)' },
    group: 'ppo',
    help: 'of that divergence',
    default: 'forward',
    needs: { method: ['binary-ppo'] },
  },
  targetKl: {
    kind: 'number',
    above: 0,
    none: 'none',
    group: 'ppo',
    help: 'end a refresh once the policy has moved 1.5 times this far from its beginning; 0.05 is usual',
    default: null,
    needs: { method: ['binary-ppo'] },
  },

  sampling: {
    kind: 'choice',
    of: {
      plain: 'as they come',
      balanced: 'equally often, the smaller one repeated',
      undersample: 'equally often, a part of the larger one at a time',
    },
    group: 'imbalance',
    help: 'how the classes are shown',
    by: 'balanced for binary-ppo where the smaller class is below 40 %, else plain',
  },
  classWeights: {
    kind: 'choice',
    of: { none: '', balanced: 'by size', effective: 'by the effective number of texts' },
    group: 'imbalance',
    help: 'weights of the classes, in reward and loss',
    default: 'none',
  },
  effectiveBeta: {
    kind: 'number',
    min: 0,
    below: 1,
    group: 'imbalance',
    help: 'from 0, all alike, towards 1, by size',
    default: 0.999,
    needs: { classWeights: ['effective'] },
  },
  gainTruePositive: { kind: 'number', min: 0, group: 'imbalance', help: 'what finding a 1 is worth', default: 1 },
  costFalseNegative: { kind: 'number', min: 0, group: 'imbalance', help: 'what missing it costs', default: 1 },
  gainTrueNegative: { kind: 'number', min: 0, group: 'imbalance', help: 'what leaving a 0 is worth', default: 1 },
  costFalsePositive: { kind: 'number', min: 0, group: 'imbalance', help: 'what a false alarm costs', default: 1 },

  noiseRates: {
    kind: 'rates',
    of: {
      anchors: 'estimated from the texts about which cross-validation is surest',
      confident: 'estimated by cross-validation, from all that it is confident of',
      trusted: 'estimated from the file of --trusted',
    },
    none: 'none',
    group: 'noise',
    help: 'share of wrong labels among true 0, and among true 1: two numbers, or a word',
    by: 'anchors with --labels posterior, else none',
  },
  labels: {
    kind: 'choice',
    of: {
      observed: 'the labels as they are',
      posterior: 'what they and cross-validation make of the true label, by --noise-rates: between 0 and 1',
    },
    group: 'noise',
    help: 'what is learned',
    default: 'observed',
    needs: { method: ['sft', 'binary-ppo'] },
  },
  noiseCorrection: {
    kind: 'choice',
    of: {
      none: '',
      backward: 'right in the mean, with more variance',
      forward: 'by the posterior of the true label, biased, with less',
    },
    group: 'noise',
    help: 'correction of rewards by the rates; --loss forward-corrected corrects the loss',
    default: 'none',
    needs: { method: ['binary-ppo'] },
  },
  noisePrior: {
    kind: 'choice',
    of: {
      half: '1/2',
      policy: 'what the policy says of each text',
      estimated: 'the share of true 1, as estimated with the rates',
    },
    group: 'noise',
    help: 'what is believed before a label is seen',
    by: 'estimated where --noise-rates is a word, else half',
    needs: { noiseCorrection: ['forward'] },
  },

  threshold: {
    kind: 'choice',
    of: {
      half: 'at probability 1/2',
      validation: 'where balanced accuracy is best on the validation texts',
      costs: 'where the costs and gains break even, for probabilities that know nothing of them',
    },
    group: 'decision',
    help: 'from where on it is class 1',
    by: 'costs for sft and bco with costs, else half',
  },
  temperature: {
    kind: 'flag',
    group: 'decision',
    help: 'calibrate probabilities on the validation texts by a temperature',
    default: false,
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
    by: 'needed',
  },
  test: {
    kind: 'text',
    argument: 'file',
    group: 'data',
    help: 'test texts, looked at once, at the end',
    by: 'needed',
  },
  validation: {
    kind: 'text',
    argument: 'file',
    group: 'data',
    help: 'texts to choose the best weights by',
    by: 'a tenth of the training texts',
  },
  trusted: {
    kind: 'text',
    argument: 'file',
    group: 'noise',
    help: 'texts with labels that are right, for --noise-rates trusted: those of them that are training texts too are compared, the others judged by a model of the training texts',
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
  out: { kind: 'text', argument: 'dir', group: 'run', help: 'directory of the run', by: 'needed' },
} as const;

/** The headings of the help, in their order. */
export const groups = {
  run: 'The run',
  method: 'Method',
  data: 'Data',
  model: 'Model',
  training: 'Training',
  decision: 'Decision',
  imbalance: 'Uneven classes, and costs',
  noise: 'Wrong labels',
  loss: 'Supervised loss',
  reward: 'Reward of binary-ppo',
  ppo: 'Policy optimisation of binary-ppo',
  damage: 'Damage on purpose, for experiments',
  machine: 'Machine',
} as const;

/** Words and what they mean, or words that say it. */
type Words = Readonly<Record<string, string>> | readonly string[];

interface Described {
  readonly group: keyof typeof groups;
  readonly help: string;
  readonly default?: unknown;
  readonly by?: string;
  readonly needs?: Readonly<Record<string, readonly string[]>>;
  readonly none?: string;
}

/** An entry of the table. */
export type Field = Described &
  (
    | { readonly kind: 'choice'; readonly of: Words }
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
    | { readonly kind: 'rates'; readonly of: Words }
  );

export type FieldTable = Readonly<Record<string, Field>>;

type WordOf<Of> = Of extends readonly (infer Word)[] ? Word : keyof Of;

type ValueOf<F> =
  | (F extends { readonly kind: 'choice' | 'rates'; readonly of: infer Of } ? WordOf<Of> : never)
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

/** The words of a choice. */
export const wordsOf = ({ of }: { readonly of: Words }): readonly string[] =>
  Array.isArray(of) ? of : Object.keys(of);

/** The methods that a field means something to; `undefined` for all. */
export function methodsOf(key: string): readonly string[] | undefined {
  const needs: Field['needs'] = (fields as FieldTable)[key]?.needs;
  for (const [other, values] of Object.entries(needs ?? {})) {
    const methods = other === 'method' ? values : methodsOf(other);
    if (methods) return methods;
  }
  return undefined;
}

/** `clipLow` as it is on the command line: `--clip-low`. */
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
