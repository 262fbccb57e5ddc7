import { basename, relative, resolve, sep } from 'node:path';
import { createRng, DataError, type Json, OptionError } from '@tsrl/core';
import { collapsed } from '@tsrl/evaluation';
import { useBackend } from '@tsrl/tensor';
import { priorOf } from '../class-weights.js';
import { judgeOf } from '../label-judge.js';
import { ratesFromTrusted, type TextVectors } from '../label-quality.js';
import { calibratedPolicy, makeLanguageModel } from '../make-policy.js';
import { type Noise, noiseOf } from '../noise.js';
import {
  type DataFiles,
  fingerprint,
  loadRunData,
  loadTrusted,
  modelFingerprint,
  noDamage,
  tokenizeRun,
} from '../prepare-data.js';
import { claimRunDirectory } from '../run-directory.js';
import { type Screen, screenFor } from '../screen.js';
import {
  checkSettings,
  completeSettings,
  expectConsistent,
  type GivenSettings,
  meaningful,
  warningsOf,
} from '../settings/index.js';
import { count } from '../show-training.js';
import { printResult } from '../tables.js';
import { beginning, trainRun } from '../train-run.js';

/** The options of `tsrl train` beside the settings. */
export interface TrainArguments extends DataFiles {
  readonly model?: string | undefined;
  readonly out: string;
  readonly maxMinutes?: number | undefined;
  readonly resume?: boolean | undefined;
  readonly force?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export async function trainCommand(
  given: GivenSettings,
  args: TrainArguments,
  interruption: { readonly aborted: boolean },
  screen: Screen = screenFor(process.stderr),
): Promise<void> {
  // Everything that can be wrong with the input is found before the run's directory is touched.
  checkSettings(given);
  expectConsistent(given);
  checkArguments(args, given);
  const seed = given.seed ?? 0;
  const root = createRng(seed);
  const data = await loadRunData(args, { ...noDamage, ...given }, root.fork('data'));
  const backend = await useBackend(given.backend);
  const texts = data.train.map(({ text }) => text);
  const language = await makeLanguageModel(args.model, texts, root);

  const positives = data.train.filter(({ label }) => label === 1).length;
  const minority = Math.min(positives, data.train.length - positives) / data.train.length;
  const facts = { parameters: parameters(language.model.weights), minorityShare: minority };
  const settings = completeSettings(given, facts);
  const { maxPositions } = language.model.config;
  if (settings.maxLength > maxPositions) {
    throw new OptionError(
      'tsrl',
      '--max-length',
      `at most ${maxPositions}, which the model can read`,
      settings.maxLength,
    );
  }
  const prior = priorOf(settings, [data.train.length - positives, positives]);
  const policy = await calibratedPolicy(language, settings, { prior, rng: root.fork('policy') });

  const examples = tokenizeRun(policy.encode, data, settings.maxLength);
  const judge = judgeOf(data.train, root.fork('folds'));
  const find = (vectors?: TextVectors): Promise<Noise> =>
    noiseOf(settings, {
      observed: examples.train.labels,
      file: args.train,
      judge: () => judge(vectors),
      trusted: async () => ratesFromTrusted(await loadTrusted(args), data.train),
    });
  // Rates that cannot be told are an error of the input; beliefs are no error, and wait for vectors.
  const known = settings.labels === 'observed' ? await find() : undefined;

  const configuration: Json = {
    ...meaningful(settings),
    backend,
    model: args.model === undefined ? 'tiny' : basename(resolve(args.model)),
    modelFiles: args.model === undefined ? null : await modelFingerprint(args.model),
    train: await fingerprint(args.train),
    test: await fingerprint(args.test),
    validation: args.validation ? await fingerprint(args.validation) : null,
    ...(args.trusted && { trusted: await fingerprint(args.trusted) }),
    textColumn: args.textColumn ?? 'text',
    labelColumn: args.labelColumn ?? 'label',
  };
  for (const warning of warningsOf(settings)) screen.say(`warning: ${warning}`);
  const directory = await claimRunDirectory(args.out, configuration, args);
  screen.say(
    `${settings.method} on ${count(data.train.length, 'text')} (${positives} of class 1), ` +
      `${count(parameters(language.model.weights), 'weight')}, backend ${backend}, into ${args.out}`,
  );

  const outcome = await trainRun(
    {
      settings,
      configuration,
      data,
      examples,
      policy,
      noise: async (vectors) => known ?? find(vectors),
      judge,
      backend,
      directory,
      resume: args.resume === true,
      signal: interruption,
      ...(args.maxMinutes !== undefined && { maxSeconds: 60 * args.maxMinutes }),
    },
    screen,
  );
  policy.dispose();
  language.model.dispose();
  if (outcome === 'interrupted') {
    screen.say(`interrupted; the same command with --resume goes on from ${beginning(directory)}`);
    process.exitCode = 130;
    return;
  }
  if (collapsed(outcome.result.metrics.confusion)) {
    screen.say(
      'warning: nearly every test text is given the same class; balanced sampling or another learning rate may help',
    );
  }
  const { renderReport } = await import('../report/index.js'); // half a second that other commands need not wait
  const summary = `${settings.method} trained on ${args.train}, tested on ${args.test}.`;
  await directory.setReport(renderReport({ title: `${settings.method}: ${args.out}`, summary, runs: [outcome] }));
  if (args.json) process.stdout.write(`${JSON.stringify(outcome.result, null, 2)}\n`);
  else printResult(outcome.result, directory);
}

function checkArguments(
  { maxMinutes, resume, force, model, out, trusted }: TrainArguments,
  { noiseRates, save }: GivenSettings,
): void {
  if ((noiseRates === 'trusted') !== (trusted !== undefined)) {
    throw new DataError('tsrl', '--noise-rates trusted and --trusted FILE go together; got one of them');
  }
  if (save === 'adapters' && model === undefined) {
    throw new DataError(
      'tsrl',
      '--save adapters needs --model, which they are read over; a model of our own is saved whole',
    );
  }
  if (maxMinutes !== undefined && !(maxMinutes > 0)) {
    throw new OptionError('tsrl', '--max-minutes', 'positive', maxMinutes);
  }
  if (resume && force) throw new DataError('tsrl', '--resume goes on with a run and --force replaces it: give one');
  const [first] = model === undefined ? [undefined] : relative(resolve(out), resolve(model)).split(sep);
  if (first === '' || first === 'model') {
    throw new DataError(out, `--out holds the model to begin with, ${model}, which the run would replace`);
  }
}

const parameters = (weights: ReadonlyMap<string, { readonly size: number }>): number =>
  [...weights.values()].reduce((sum, { size }) => sum + size, 0);
