import { join } from 'node:path';
import { createRng, DataError, type Json } from '@tsrl/core';
import { bayesOptimal, supportTriage, type TriageExample } from '@tsrl/data';
import { useBackend } from '@tsrl/tensor';
import { writeFileAtomically } from '@tsrl/training/node';
import pc from 'picocolors';
import { makeLanguageModel, makePolicy } from '../make-policy.js';
import { damageAndSplit, noDamage, type RunData, sizeOf, tokenizeRun } from '../prepare-data.js';
import type { ReportRun } from '../result.js';
import { claimRunDirectory, configurationIn } from '../run-directory.js';
import { type Screen, screenFor } from '../screen.js';
import { completeSettings } from '../settings/index.js';
import { printComparison } from '../tables.js';
import { trainRun } from '../train-run.js';

/** Small enough for two minutes on two cores, large enough that both methods learn. */
const SIZE = { train: 12_000, test: 2_000, prior: 0.1, labelNoise: 0.2 };

/** The same for both methods: 320 steps in all. */
const SHARED = { refreshes: 20, epochs: 1, refreshBatches: 16, batchSize: 64, learningRate: 1e-3, maxLength: 64 };

const METHODS = ['sft', 'binary-ppo'] as const;

export interface QuickstartArguments {
  readonly out: string;
  readonly seed: number;
}

/** The embedded task, damaged: SFT and BinaryPPO with the same model, data and number of steps, side by side. */
export async function quickstartCommand(
  { out, seed }: QuickstartArguments,
  interruption: { readonly aborted: boolean },
  screen: Screen = screenFor(process.stderr),
): Promise<void> {
  for (const method of METHODS) await expectOwn(join(out, method));
  const root = createRng(seed);
  const { prior, labelNoise } = SIZE;
  const examples = supportTriage(SIZE.train, root.fork('train'), { prior });
  const test = supportTriage(SIZE.test, root.fork('test'), { prior });
  const damaged = damageAndSplit(examples, undefined, { ...noDamage, labelNoise }, root.fork('damage'));
  const data: RunData = { ...damaged, test };
  const backend = await useBackend('auto');
  screen.say(introduction(data, test, backend));

  const runs: ReportRun[] = [];
  for (const method of METHODS) {
    const texts = data.train.map(({ text }) => text);
    const language = await makeLanguageModel(undefined, texts, root);
    const damage = { labelNoise, imbalance: (1 - prior) / prior };
    const settings = completeSettings({ ...SHARED, ...damage, method, seed }, { parameters: 0, minorityShare: prior });
    const shown = settings.sampling === 'balanced' ? 0.5 : sizeOf(data.train).positives / data.train.length;
    const policy = makePolicy(language, settings, { prior: shown, rng: root.fork('policy') });
    const configuration: Json = { ...settings, backend, data: SIZE };
    const directory = await claimRunDirectory(join(out, method), configuration, { force: true });
    const examples = tokenizeRun(policy.encode, data, settings.maxLength);
    const run = {
      settings,
      configuration,
      data,
      examples,
      policy,
      backend,
      directory,
      resume: false,
      signal: interruption,
    };
    const outcome = await trainRun(run, screen);
    policy.dispose();
    language.model.dispose();
    if (outcome === 'interrupted') {
      screen.say('interrupted; quickstart starts over the next time');
      process.exitCode = 130;
      return;
    }
    runs.push(outcome);
  }

  const ceiling = bayesOptimal(test);
  const report = join(out, 'report.html');
  const summary =
    `${data.train.length} generated support messages, ${Math.round(100 * prior)} % of them urgent, ` +
    `${Math.round(100 * labelNoise)} % of the labels flipped; the same small model from the same random weights, ` +
    'the same number of steps; tested on clean labels.';
  const { renderReport } = await import('../report/index.js');
  const page = renderReport({ title: 'tsrl quickstart', summary, runs, ceiling });
  await writeFileAtomically(report, page);
  process.stdout.write('\n');
  printComparison(runs, ceiling);
  process.stdout.write(closing(report, join(out, 'binary-ppo', 'model')));
}

/** What a former quickstart left is replaced; a run of the user's is not. */
async function expectOwn(path: string): Promise<void> {
  const found = await configurationIn(path);
  const own = found === undefined || (found !== null && typeof found === 'object' && 'data' in found);
  if (!own) throw new DataError(path, 'holds a run that is not of quickstart; name another directory by --out');
}

function introduction({ train, flippedLabels }: RunData, test: readonly TriageExample[], backend: string): string {
  const urgent = test.find(({ label }) => label === 1)?.text ?? '';
  const routine = test.find(({ label }) => label === 0)?.text ?? '';
  return `${pc.bold('Which support messages are urgent?')}
  urgent    ${urgent}
  routine   ${routine}
A small language model learns it from ${train.length} messages: one in ten is urgent, and ${flippedLabels} labels
(20 %) were flipped on purpose, validation labels included. Backend: ${backend}.
`;
}

const closing = (report: string, model: string): string => `
The last column is what the exact posterior of the generator reaches; nothing learned can beat it on average.

report    ${pc.underline(report)}
Next
  npx tsrl predict --model ${model} --text "The app is down and nobody can pay"
  npx tsrl train --method binary-ppo --train train.jsonl --test test.jsonl --out runs/mine
  npx tsrl train --help
`;
