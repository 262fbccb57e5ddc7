import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { version_core } from '@tensorflow/tfjs-core';
import type { Json } from '@tsrl/core';
import { balancedIndices } from '@tsrl/data';
import { type BinaryMetrics, binaryMetrics } from '@tsrl/evaluation';
import { adamW, chain, clipByGlobalNorm, cosine, warmup } from '@tsrl/optim';
import type { TextPolicy } from '@tsrl/policies';
import { writePolicyDirectory } from '@tsrl/policies/node';
import type { BackendName } from '@tsrl/tensor';
import { scoreExamples, type TrainEvent, train, WorkerError } from '@tsrl/training';
import { fileStore, type WorkerPool } from '@tsrl/training/node';
import { makeMethod } from './make-method.js';
import { type RunData, type RunExamples, sizeOf } from './prepare-data.js';
import type { ReportRun, RunResult } from './result.js';
import type { RunDirectory } from './run-directory.js';
import type { Screen } from './screen.js';
import type { TrainSettings } from './settings.js';
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
 * the model with its best weights, and last of all `result.json`.
 */
export async function trainRun(run: Run, screen: Screen): Promise<RunOutcome> {
  const { policy, settings, backend, directory } = run;
  const pool = await threadsOf(policy, settings, backend);
  try {
    return await trainAndTest(run, screen, pool);
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error;
    const from = existsSync(directory.checkpoint) ? directory.checkpoint : 'the start';
    throw new WorkerError(`${error.problem}; the same command with --resume goes on from ${from}`);
  } finally {
    await pool?.close();
  }
}

async function trainAndTest(run: Run, screen: Screen, pool: WorkerPool | undefined): Promise<RunOutcome> {
  const { settings, data, policy, directory } = run;
  const { batchSize, maxLength, refreshes, epochs, sampling, seed } = settings;
  const { train: examples, validation, test } = run.examples;

  const passSize = sampling === 'balanced' ? balancedSize(examples.labels) : examples.labels.length;
  const size = Math.min(passSize, (settings.refreshBatches ?? Number.POSITIVE_INFINITY) * batchSize);
  const steps = refreshes * epochs * Math.ceil(size / batchSize);
  const rise = Math.min(100, Math.ceil(steps / 20));
  const fall = cosine(settings.learningRate, settings.learningRate / 10, Math.max(1, steps - rise));
  const common = {
    policy,
    optimizer: chain(clipByGlobalNorm(1), adamW({ learningRate: warmup(rise, fall) })),
    train: examples,
    validation,
    ...(sampling === 'balanced' && { sample: balancedIndices }),
    seed,
    refreshes,
    epochs,
    refreshSize: size,
    batchSize,
    evaluateEach: settings.method === 'sft' ? 'epoch' : 'refresh',
    bucketWindow: 4,
    store: fileStore(directory.checkpoint),
    resume: run.resume,
    configuration: run.configuration,
    ...(run.maxSeconds !== undefined && { maxSeconds: run.maxSeconds }),
    ...(run.signal && { signal: run.signal }),
  } as const;

  const score = pool?.scoreExamples ?? scoreExamples;
  const shared = { ...common, scoreExamples: score, ...(pool && { compute: pool.compute }) };
  const method = makeMethod(settings);
  const events = method.name === 'sft' ? train({ ...shared, method }) : train({ ...shared, method });
  const result = await follow(events, directory, settings.method, screen).finally(() => {
    screen.end(); // a bar that is left running keeps the process alive
  });
  if (result.stopped === 'aborted') return 'interrupted';

  screen.say(`testing on ${count(data.test.length, 'text')}`);
  const { logits } = await score(policy, test.sequences);
  const metrics = binaryMetrics({ logits, labels: test.labels });
  await writePolicyDirectory(directory.model, policy, { maxLength, threshold: metrics.threshold });
  const runResult: RunResult = {
    method: settings.method,
    seed,
    configuration: run.configuration,
    data: {
      train: { ...sizeOf(data.train), flippedLabels: data.flippedLabels },
      validation: sizeOf(data.validation),
      test: sizeOf(data.test),
    },
    model: { parameters: weights(policy), trainable: sizes(policy.variables) },
    metrics,
    steps: result.steps,
    stopped: result.stopped,
    bestStep: result.best?.step ?? result.steps,
    seconds: result.seconds,
    tokens: result.tokens,
    tokensPerSecond: result.seconds > 0 ? result.tokens / result.seconds : 0,
    versions: { tsrl: ownVersion(), tfjs: version_core, node: process.versions.node },
    backend: run.backend,
  };
  await directory.setResult(runResult);
  return { result: runResult, history: result.history, test: { logits, labels: test.labels } };
}

async function follow(
  events: AsyncGenerator<TrainEvent>,
  directory: RunDirectory,
  label: string,
  screen: Screen,
): Promise<Extract<TrainEvent, { type: 'end' }>['result']> {
  let latest = '';
  for await (const event of events) {
    switch (event.type) {
      case 'start':
        await directory.begin(event.history);
        if (event.step > 0) screen.say(`going on at step ${event.step} of ${event.totalSteps}`);
        screen.bar(label, event.totalSteps, event.step);
        break;
      case 'step':
        screen.move(event.step, `loss ${(event.metrics['loss'] as number).toFixed(3)}${latest}`);
        break;
      case 'evaluation': {
        await directory.addToHistory(event.evaluation);
        const { validation } = event.evaluation;
        if (validation) latest = ` | validation ${brief(validation)}`;
        break;
      }
      case 'end':
        screen.end();
        await directory.setHistory(event.result.history);
        return event.result;
    }
  }
  throw new Error('training ended without a result');
}

/** The two figures to watch. */
const brief = ({ balancedAccuracy, auroc }: BinaryMetrics): string =>
  `balanced accuracy ${balancedAccuracy.toFixed(3)}, AUROC ${auroc === null ? 'undefined' : auroc.toFixed(3)}`;

/** `1 text`, `743 texts`. */
export const count = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;

const sizes = (variables: readonly { readonly size: number }[]): number =>
  variables.reduce((sum, variable) => sum + variable.size, 0);

const weights = (policy: TextPolicy): number =>
  sizes([...policy.language.model.weights.values(), ...policy.head.values()]);

function balancedSize(labels: Float64Array): number {
  const ones = labels.reduce((sum, label) => sum + label, 0);
  return 2 * Math.max(ones, labels.length - ones);
}

export function ownVersion(): string {
  return (createRequire(import.meta.url)('../package.json') as { version: string }).version;
}
