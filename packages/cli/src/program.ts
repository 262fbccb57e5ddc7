import { isTsrlError } from '@tsrl/core';
import { backendNames } from '@tsrl/tensor';
import { WorkerError } from '@tsrl/training';
import { Command, CommanderError, Option } from 'commander';
import { evaluateCommand } from './commands/evaluate.js';
import { predictCommand } from './commands/predict.js';
import { quickstartCommand } from './commands/quickstart.js';
import { addStudyCommand } from './commands/study.js';
import { addStudyReport } from './commands/study-report.js';
import { trainCommand } from './commands/train.js';
import { addFlags, fields, files, groups, numberOf } from './settings/index.js';
import { readTrainInput } from './train-input.js';
import { ownVersion } from './train-run.js';
import { TOKENS_PER_THREAD } from './workers.js';

/** Input that cannot be used, as opposed to a fault of ours. */
const WRONG_INPUT = 2;

const FAULT = 1;

/** Runs the command line; resolves to the exit code: 0, 2 for wrong input, 130 when interrupted, 1 for a fault. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv]);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_INPUT; // it has said why
    if (isTsrlError(error)) {
      process.stderr.write(`${error.message}\n`);
      return error instanceof WorkerError ? FAULT : WRONG_INPUT;
    }
    process.stderr.write(`tsrl: this should not have happened, please report it\n${(error as Error).stack}\n`);
    return FAULT;
  }
}

/** Runs a command that stops in good order when it is interrupted; the second time, the process ends at once. */
async function interruptible(command: (signal: { readonly aborted: boolean }) => Promise<void>): Promise<void> {
  const signal = { aborted: false };
  const interrupt = (): void => {
    if (signal.aborted) process.exit(130);
    signal.aborted = true;
  };
  process.on('SIGINT', interrupt);
  try {
    await command(signal);
  } finally {
    process.off('SIGINT', interrupt);
  }
}

const number =
  (flag: string) =>
  (text: string): number | string =>
    numberOf(flag, undefined, text);

function program(): Command {
  const tsrl = new Command('tsrl')
    .description('Binary classification with language models by reward maximisation, without Python.')
    .version(ownVersion())
    .exitOverride()
    .showHelpAfterError('(tsrl --help, tsrl COMMAND --help)');
  const backend = new Option('--backend <name>', 'where to compute').choices(['auto', ...backendNames]).default('auto');
  const textColumn = new Option('--text-column <name>', 'column of the text (default: text)');
  const base = new Option('--base <dir>', 'what adapters belong to, when it is no longer where it was');
  const share = TOKENS_PER_THREAD.toLocaleString('en');
  const scorers = new Option(
    '--threads <n>',
    `threads at most, one for each ${share} tokens (default: one per core)`,
  ).argParser(number('--threads'));
  const labelColumn = new Option('--label-column <name>', 'column of the label, 0 or 1 (default: label)');

  tsrl
    .command('quickstart', { isDefault: false })
    .description('Train SFT and BinaryPPO on a generated task with noisy, unbalanced labels, and compare them.')
    .option('--seed <n>', 'seed of data, weights and order', number('--seed'), 1)
    .option('--out <dir>', 'where to write', 'runs/quickstart')
    .action((options) => interruptible((signal) => quickstartCommand(options, signal)));

  const train = tsrl
    .command('train')
    .summary('Train a classifier on labelled texts and test it; writes result, history, model and report.')
    .description(
      'Train a classifier on labelled texts and test it; writes result, history, model and report.\n\n' +
        'Flags that are needed may stand in the file of --config instead, as may all others below but the switches of ' +
        'the run: --batch-size 32 is batchSize: 32 there. Flags outvote the file.',
    )
    .optionsGroup(`${groups.run}:`)
    .option('--config <file>', 'settings from a YAML or JSON file')
    .option('--max-minutes <m>', 'stop training after this time, and test what there is', number('--max-minutes'))
    .option('--resume', 'go on with the run in --out, exactly where its last checkpoint stands')
    .option('--force', 'replace the run in --out')
    .option('--json', 'print result.json on standard output, and nothing else there');
  addFlags(train, { ...files, ...fields });
  train.action((options: Record<string, unknown>) =>
    interruptible(async (signal) => {
      const missing = (flag: string): never => train.error(`error: required option '${flag}' not specified`);
      const said = Object.entries(options).filter(([key]) => train.getOptionValueSource(key) !== 'default');
      const { given, args } = await readTrainInput(Object.fromEntries(said), missing);
      await trainCommand(given, args, signal);
    }),
  );

  tsrl
    .command('predict')
    .description('Probability of class 1 for a text or a file of texts, as JSON lines.')
    .requiredOption('--model <dir>', 'the model of a run: DIR/model')
    .addOption(base)
    .option('--text <text>', 'one text')
    .option('--data <file>', 'a file of texts: JSONL or CSV')
    .addOption(textColumn)
    .addOption(backend)
    .addOption(scorers)
    .action(predictCommand);

  tsrl
    .command('eval')
    .description('Metrics of a saved model on labelled texts, as JSON.')
    .requiredOption('--model <dir>', 'the model of a run: DIR/model')
    .addOption(base)
    .requiredOption('--data <file>', 'labelled texts: JSONL or CSV')
    .addOption(textColumn)
    .addOption(labelColumn)
    .addOption(backend)
    .addOption(scorers)
    .action(evaluateCommand);
  addStudyCommand(tsrl, interruptible);
  addStudyReport(tsrl);
  return tsrl;
}
