import { type Json, OptionError } from '@tsrl/core';
import { type BalancedBeliefs, balanceBeliefs, balancedIndices, sharedIndices } from '@tsrl/data';
import { adamW, chain, clipByGlobalNorm, cosine, warmup } from '@tsrl/optim';
import { posteriorLabels } from '@tsrl/rewards';
import type { BinaryPolicy } from '@tsrl/tensor';
import {
  type CheckpointStore,
  type Examples,
  type Sampler,
  scoreExamples,
  type TrainEvent,
  type TrainResult,
  train,
} from '@tsrl/training';
import type { WorkerPool } from '@tsrl/training/node';
import { type MethodFacts, makeMethod, type NoiseFacts } from './make-method.js';
import type { TrainSettings } from './settings/index.js';

/** What happens while learning: the events of training, and the test at the end. */
export type LearnEvent = TrainEvent | { readonly type: 'test'; readonly examples: number };

export interface LearnOptions {
  /** Complete: see `completeSettings`. */
  readonly settings: TrainSettings;
  readonly examples: { readonly train: Examples; readonly validation: Examples; readonly test: Examples };
  /** Trained in place; it ends with the weights of the best validation. */
  readonly policy: BinaryPolicy;
  /** Needed where the settings ask for a correction without giving the rates as numbers. */
  readonly noiseRates?: NoiseFacts | undefined;
  /** Threads to share the work, built with `methodFacts` of the same settings. */
  readonly pool?: WorkerPool | undefined;
  /** Waited for. */
  readonly onEvent?: (event: LearnEvent) => void | Promise<void>;
  readonly store?: CheckpointStore | undefined;
  readonly resume?: boolean | undefined;
  readonly configuration?: Json | undefined;
  readonly maxSeconds?: number | undefined;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

/** What was learned: z of validation and test examples with the weights that were kept; empty when it was aborted. */
export interface Learned extends TrainResult {
  readonly validationLogits: Float64Array;
  readonly testLogits: Float64Array;
}

/**
 * Trains a policy by the settings, and scores validation and test examples with the best weights. It knows no directory,
 * no screen and no report; the same options give the same numbers.
 *
 * @throws what `train` of @tsrl/training throws, and OptionError for settings that the method refuses
 */
export async function learn(options: LearnOptions): Promise<Learned> {
  const { settings, examples, policy, pool, onEvent = () => {} } = options;
  const { validation, test } = examples;
  const { shown, beliefs } = believed(settings, examples.train, options.noiseRates);
  const { batchSize, refreshes, epochs } = settings;
  const { sample, size, steps } = planOf(settings, shown.labels, beliefs);
  const rise = settings.learningRateWarmup ?? Math.min(100, Math.ceil(steps / 20));
  const fall = cosine(settings.learningRate, settings.learningRate / 10, Math.max(1, steps - rise));
  const decay = { learningRate: warmup(rise, fall), weightDecay: settings.weightDecay };
  const score = pool?.scoreExamples ?? scoreExamples;
  const { store, resume, configuration, maxSeconds, signal } = options;
  const common = {
    policy,
    optimizer: chain(clipByGlobalNorm(1), adamW(decay)),
    train: shown,
    validation,
    ...(sample && { sample }),
    seed: settings.seed,
    refreshes,
    epochs,
    refreshSize: size,
    batchSize,
    // As often for every method: each evaluation is a chance to keep the best weights.
    evaluateEach: refreshes > 1 ? 'refresh' : 'epoch',
    bucketWindow: 4,
    scoreExamples: score,
    ...(pool && { compute: pool.compute }),
    ...(settings.targetKl !== null && { targetKl: settings.targetKl }),
    ...(settings.patience !== null && { patience: settings.patience }),
    ...(store && { store }),
    ...(resume !== undefined && { resume }),
    ...(configuration !== undefined && { configuration }),
    ...(maxSeconds !== undefined && { maxSeconds }),
    ...(signal && { signal }),
  } as const;

  const method = makeMethod(settings, methodFacts(settings, shown.labels, options.noiseRates));
  const result = await follow(train({ ...common, method }), onEvent);
  if (result.stopped === 'aborted') {
    return { ...result, validationLogits: new Float64Array(0), testLogits: new Float64Array(0) };
  }
  await onEvent({ type: 'test', examples: test.sequences.length });
  const { logits: testLogits } = await score(policy, test.sequences);
  const { logits: validationLogits } = await score(policy, validation.sequences);
  return { ...result, validationLogits, testLogits };
}

/**
 * The training examples with what is to be learned: with `labels: posterior` the belief in class 1 stands beside each
 * observed label, as its target. Losses and rewards are lines in the label, so every method takes it. Balanced sampling
 * then balances what is believed; evaluation goes by the observed labels.
 */
function believed(
  { labels, sampling }: TrainSettings,
  train: Examples,
  noise: NoiseFacts | undefined,
): { readonly shown: Examples; readonly beliefs?: BalancedBeliefs } {
  if (labels === 'observed') return { shown: train };
  if (!noise?.probabilities) {
    throw new OptionError('tsrl', '--labels', 'observed where the training labels were not cross-validated', labels);
  }
  const { probabilities, falsePositive, falseNegative } = noise;
  if (falsePositive + falseNegative === 0) return { shown: train }; // nothing speaks against the labels
  const targets = posteriorLabels({ labels: train.labels, probabilities }, { falsePositive, falseNegative });
  if (sampling === 'plain') return { shown: { ...train, targets } };
  const beliefs = balanceBeliefs(targets);
  return { shown: { ...train, targets: beliefs.targets }, beliefs };
}

/** What the method is told of the training labels; threads that share the work must be told the same. */
export function methodFacts(settings: TrainSettings, labels: Float64Array, noiseRates?: NoiseFacts): MethodFacts {
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const given = Array.isArray(settings.noiseRates) ? settings.noiseRates : undefined;
  const known = noiseRates ?? (given && { falsePositive: given[0] as number, falseNegative: given[1] as number });
  const { probabilities: _, ...rates } = known ?? {}; // of no use to a method, and long
  return {
    counts: [labels.length - ones, ones],
    steps: planOf(settings, labels).steps,
    ...(known && { noiseRates: rates as NoiseFacts }),
  };
}

/** How a pass is drawn, how large a refresh is, and how many steps there are in all. */
function planOf(
  { sampling, refreshBatches, batchSize, refreshes, epochs }: TrainSettings,
  labels: Float64Array,
  beliefs?: BalancedBeliefs,
): { readonly sample: Sampler | undefined; readonly size: number; readonly steps: number } {
  const mode = sampling === 'undersample' ? 'undersample' : 'oversample';
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const larger = Math.max(ones, labels.length - ones);
  const pass = { plain: labels.length, balanced: 2 * larger, undersample: 2 * (labels.length - larger) }[sampling];
  const size = refreshBatches === null ? pass : Math.min(pass, refreshBatches * batchSize);
  const sample: Sampler = (of, rng) =>
    beliefs ? sharedIndices(beliefs, pass, rng) : balancedIndices(of, rng, { mode });
  return {
    sample: sampling === 'plain' ? undefined : sample,
    size,
    steps: refreshes * epochs * Math.ceil(size / batchSize),
  };
}

async function follow(
  events: AsyncGenerator<TrainEvent>,
  onEvent: (event: TrainEvent) => void | Promise<void>,
): Promise<TrainResult> {
  for await (const event of events) {
    await onEvent(event);
    if (event.type === 'end') return event.result;
  }
  throw new Error('training ended without a result');
}
