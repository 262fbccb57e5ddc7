import type { Json } from '@tsrl/core';
import { type BalancedBeliefs, balanceBeliefs, balancedIndices, sharedIndices } from '@tsrl/data';
import { adamW, chain, clipByGlobalNorm, cosine, warmup } from '@tsrl/optim';
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
import { type MethodFacts, makeMethod } from './make-method.js';
import type { Noise } from './noise.js';
import type { TrainSettings } from './settings/index.js';

/** What happens while learning: the events of training, and the test at the end. */
export type LearnEvent = TrainEvent | { readonly type: 'test'; readonly examples: number };

export interface LearnOptions {
  /** Complete: see `completeSettings`. */
  readonly settings: TrainSettings;
  readonly examples: { readonly train: Examples; readonly validation: Examples; readonly test: Examples };
  /** Trained in place; it ends with the weights of the best validation. */
  readonly policy: BinaryPolicy;
  /** What the settings want to be known of wrong labels: see `noiseOf`. */
  readonly noise?: Noise | undefined;
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
  const facts = methodFacts(settings, examples.train.labels, options.noise);
  const { shown, balanced } = shownOf(settings, examples.train, options.noise);
  const { batchSize, refreshes, epochs } = settings;
  const { pass, size, steps } = planOf(settings, facts.counts);
  const mode = settings.sampling === 'undersample' ? 'undersample' : 'oversample';
  const sample: Sampler = (labels, rng) =>
    balanced ? sharedIndices(balanced, pass, rng) : balancedIndices(labels, rng, { mode });
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
    ...(settings.sampling !== 'plain' && { sample }),
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

  const result = await follow(train({ ...common, method: makeMethod(settings, facts) }), onEvent);
  if (result.stopped === 'aborted') {
    return { ...result, validationLogits: new Float64Array(0), testLogits: new Float64Array(0) };
  }
  await onEvent({ type: 'test', examples: test.sequences.length });
  const { logits: testLogits } = await score(policy, test.sequences);
  const { logits: validationLogits } = await score(policy, validation.sequences);
  return { ...result, validationLogits, testLogits };
}

/**
 * The training examples with what is to be learned: beliefs stand beside the observed labels, as targets. Losses and
 * rewards are lines in the label, so every method takes them. Balanced sampling then balances what is believed; evaluation
 * goes by the observed labels.
 */
function shownOf(
  { sampling }: TrainSettings,
  train: Examples,
  { beliefs }: Noise = {},
): { readonly shown: Examples; readonly balanced?: BalancedBeliefs } {
  if (!beliefs) return { shown: train };
  if (sampling === 'plain') return { shown: { ...train, targets: beliefs } };
  const balanced = balanceBeliefs(beliefs);
  return { shown: { ...train, targets: balanced.targets }, balanced };
}

/** What the method is told of the training labels; threads that share the work must be told the same. */
export function methodFacts(
  settings: TrainSettings,
  labels: Float64Array,
  { rates, beliefs }: Noise = {},
): MethodFacts {
  const ones = (beliefs ?? labels).reduce((sum, label) => sum + label, 0);
  const counts = [labels.length - ones, ones] as const;
  return { counts, steps: planOf(settings, counts).steps, ...(rates && { noiseRates: rates }) };
}

/** How many texts a pass shows, how large a refresh is, and how many steps there are in all. */
function planOf(
  { sampling, refreshBatches, batchSize, refreshes, epochs }: TrainSettings,
  counts: readonly [number, number],
): { readonly pass: number; readonly size: number; readonly steps: number } {
  const each = { plain: (counts[0] + counts[1]) / 2, balanced: Math.max(...counts), undersample: Math.min(...counts) };
  const pass = Math.max(1, Math.round(2 * each[sampling]));
  const size = refreshBatches === null ? pass : Math.min(pass, refreshBatches * batchSize);
  return { pass, size, steps: refreshes * epochs * Math.ceil(size / batchSize) };
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
