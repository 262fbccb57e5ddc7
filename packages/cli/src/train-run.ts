import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { version_core } from '@tensorflow/tfjs-core';
import type { Json } from '@tsrl/core';
import { binaryMetrics } from '@tsrl/evaluation';
import type { TextPolicy } from '@tsrl/policies';
import { writePolicyDirectory } from '@tsrl/policies/node';
import type { BackendName } from '@tsrl/tensor';
import { WorkerError } from '@tsrl/training';
import { fileStore } from '@tsrl/training/node';
import { decide, scaled } from './decision.js';
import { type FrozenHead, frozenHead } from './frozen-head.js';
import type { Judge } from './label-judge.js';
import type { LabelQuality, TextVectors } from './label-quality.js';
import { type LearnOptions, learn, methodFacts } from './learn.js';
import type { Noise } from './noise.js';
import { type RunData, type RunExamples, sizeOf, type TrainingText } from './prepare-data.js';
import type { LabelReport, ReportRun, RunResult } from './result.js';
import type { RunDirectory } from './run-directory.js';
import type { Screen } from './screen.js';
import type { TrainSettings } from './settings/index.js';
import { showing } from './show-training.js';
import { shortHash } from './study/datasets.js';
import { threadsOf } from './workers.js';

/** What one run needs beside its settings. */
export interface Run {
  readonly settings: TrainSettings;
  /** What `config.json` says; the checkpoint must agree. */
  readonly configuration: Json;
  readonly data: RunData;
  /** The same, tokenised: what a tokenizer objects to is found before the run's directory is touched. */
  readonly examples: RunExamples;
  readonly policy: TextPolicy;
  /** What the settings want to be known of wrong labels, by vectors of the training texts where these help. */
  readonly noise?: (vectors?: TextVectors) => Promise<Noise>;
  /** Judges the training labels at the end. */
  readonly judge?: Judge;
  readonly backend: BackendName;
  readonly directory: RunDirectory;
  readonly resume: boolean;
  readonly maxSeconds?: number;
  readonly signal?: { readonly aborted: boolean };
}

/** A run that was interrupted has no result. */
export type RunOutcome = ReportRun | 'interrupted';

/**
 * Trains, tests, and writes everything but the report into the run's directory: history line by line, checkpoints,
 * the model with its best weights, suspicious labels, and last of all `result.json`.
 */
export async function trainRun(run: Run, screen: Screen): Promise<RunOutcome> {
  const { policy, settings, backend, directory, examples } = run;
  if (settings.policy === 'head' && settings.trainable === 'head') {
    const fingerprint = shortHash(JSON.stringify(run.configuration));
    const how = { threads: settings.threads, backend, signal: run.signal };
    const frozen = await frozenHead(policy, examples, { file: directory.vectors, fingerprint, ...how }, screen);
    if (!frozen) return 'interrupted';
    try {
      const noise = (await run.noise?.(frozen.vectors)) ?? {};
      return await trainAndTest(run, noise, screen, frozen);
    } finally {
      frozen.dispose();
    }
  }
  const noise = (await run.noise?.()) ?? {};
  const facts = methodFacts(settings, examples.train.labels, noise);
  const pool = await threadsOf(policy, settings, facts, backend);
  try {
    return await trainAndTest(run, noise, screen, { policy, examples, pool });
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error;
    throw new WorkerError(`${error.problem}; the same command with --resume goes on from ${beginning(directory)}`);
  } finally {
    await pool?.close();
  }
}

/** Where the run would go on. */
export const beginning = ({ checkpoint }: Pick<RunDirectory, 'checkpoint'>): string =>
  existsSync(checkpoint) ? checkpoint : 'the start';

/** What trains: the policy itself, with threads, or its head alone. */
type Learner = Pick<LearnOptions, 'policy' | 'examples' | 'pool'> &
  Partial<Pick<FrozenHead, 'vectors' | 'tokens' | 'seconds' | 'thaw'>>;

async function trainAndTest(run: Run, noise: Noise, screen: Screen, learner: Learner): Promise<RunOutcome> {
  const { settings, data, policy, directory, configuration } = run;
  const { resume, maxSeconds, signal } = run;
  if (noise.problem) screen.say(`the labels are taken as they are: ${noise.problem}`);
  const learned = await learn({
    settings,
    examples: learner.examples,
    policy: learner.policy,
    noise,
    pool: learner.pool,
    onEvent: showing(directory, settings.method, screen),
    store: fileStore(directory.checkpoint),
    resume,
    configuration,
    maxSeconds,
    signal,
  }).finally(() => {
    screen.end(); // a bar that is left running keeps the process alive
  });
  if (learned.stopped === 'aborted') return 'interrupted';
  learner.thaw?.();

  const { validation, test } = run.examples;
  const { temperature, threshold } = decide(settings, {
    logits: learned.validationLogits,
    labels: validation.labels,
  });
  const logits = scaled(learned.testLogits, temperature);
  const metrics = binaryMetrics({ logits, labels: test.labels }, { threshold });
  const saved = { maxLength: settings.maxLength, threshold, ...(settings.temperature && { temperature }) };
  await writePolicyDirectory(directory.model, policy, saved, { save: settings.save });
  if (run.judge) screen.say('cross-validating the training labels');
  const labels = run.judge && (await reportLabels(run.judge(learner.vectors), data, directory));
  const seconds = learned.seconds + (learner.seconds ?? 0);
  const tokens = learner.tokens ?? learned.tokens;
  const result: RunResult = {
    method: settings.method,
    seed: settings.seed,
    configuration,
    data: {
      train: { ...sizeOf(data.train), flippedLabels: data.flippedLabels },
      validation: sizeOf(data.validation),
      test: sizeOf(data.test),
    },
    model: { parameters: weights(policy), trainable: sizes(policy.variables) },
    metrics,
    temperature,
    ...(labels && { labels }),
    ...(noise.rates && { noiseRates: [noise.rates.falsePositive, noise.rates.falseNegative] }),
    steps: learned.steps,
    stopped: learned.stopped,
    bestStep: learned.best?.step ?? learned.steps,
    seconds,
    tokens,
    tokensPerSecond: seconds > 0 ? tokens / seconds : 0,
    versions: { tsrl: ownVersion(), tfjs: version_core, node: process.versions.node },
    backend: run.backend,
  };
  await directory.setResult(result);
  return { result, history: learned.history, test: { logits, labels: test.labels } };
}

/** Writes the suspects, and says how many they are. */
async function reportLabels(
  quality: LabelQuality | string,
  { train }: RunData,
  directory: RunDirectory,
): Promise<LabelReport | undefined> {
  if (typeof quality === 'string') return undefined;
  const { by, folds, anchors: rates, suspects } = quality;
  const lines = suspects.map(({ position, label, probability }, i) => {
    const { text, line } = train[position] as TrainingText;
    return { rank: i + 1, line, label, probability, text };
  });
  await directory.setSuspects(lines);
  const known = typeof rates === 'string' ? { falsePositive: null, falseNegative: null } : rates;
  const { falsePositive, falseNegative } = known;
  return { by, folds, falsePositive, falseNegative, suspects: suspects.length };
}

const sizes = (variables: readonly { readonly size: number }[]): number =>
  variables.reduce((sum, variable) => sum + variable.size, 0);

const weights = (policy: TextPolicy): number =>
  sizes([...policy.language.model.weights.values(), ...(policy.lora?.weights.values() ?? []), ...policy.head.values()]);

export function ownVersion(): string {
  return (createRequire(import.meta.url)('../package.json') as { version: string }).version;
}
