import { isTsrlError, OptionError } from '@tsrl/core';
import { backendNames } from '@tsrl/tensor';
import { WorkerError } from '@tsrl/training';
import { Command, CommanderError, Option } from 'commander';
import { evaluateCommand } from './commands/evaluate.js';
import { predictCommand } from './commands/predict.js';
import { quickstartCommand } from './commands/quickstart.js';
import { type TrainArguments, trainCommand } from './commands/train.js';
import { completeSettings, type GivenSettings, type TrainSettings } from './settings.js';
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

/** `(default: 64)`, or one for each method. */
function byDefault(name: keyof TrainSettings): string {
  const [ppo, sft] = (['binary-ppo', 'sft'] as const).map(
    (method) => completeSettings({ method }, { trainable: 1, minorityShare: 0.5 })[name] ?? 'all',
  );
  return ppo === sft ? `(default: ${ppo})` : `(default: ${ppo} for binary-ppo, ${sft} for sft)`;
}

const number =
  (flag: string) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isNaN(value)) throw new OptionError('tsrl', flag, 'a number', text);
    return value;
  };

function program(): Command {
  const tsrl = new Command('tsrl')
    .description('Binary classification with language models by reward maximisation, without Python.')
    .version(ownVersion())
    .exitOverride()
    .showHelpAfterError('(tsrl --help, tsrl COMMAND --help)');
  const backend = new Option('--backend <name>', 'where to compute').choices(['auto', ...backendNames]).default('auto');
  const textColumn = new Option('--text-column <name>', 'column of the text (default: text)');
  const share = TOKENS_PER_THREAD.toLocaleString('en');
  const scorers = new Option(
    '--threads <n>',
    `threads at most, one for each ${share} tokens (default: one per core)`,
  ).argParser(number('--threads'));
  const labelColumn = new Option('--label-column <name>', 'column of the label, 0 or 1 (default: label)');

  tsrl
    .command('quickstart', { isDefault: false })
    .description('Train SFT and BinaryPPO on a generated task with noisy, unbalanced labels, and compare them (2 min).')
    .option('--seed <n>', 'seed of data, weights and order', number('--seed'), 1)
    .option('--out <dir>', 'where to write', 'runs/quickstart')
    .action((options) => interruptible((signal) => quickstartCommand(options, signal)));

  const train = tsrl
    .command('train')
    .description('Train a classifier on labelled texts and test it; writes result, history, model and report.')
    .addOption(new Option('--method <name>', 'how to learn').choices(['binary-ppo', 'sft']).makeOptionMandatory())
    .requiredOption('--train <file>', 'training texts: JSONL or CSV with the columns text and label')
    .requiredOption('--test <file>', 'test texts, looked at once, at the end')
    .option('--validation <file>', 'texts to choose the best weights by (default: a tenth of the training texts)')
    .addOption(textColumn)
    .addOption(labelColumn)
    .option('--model <dir>', 'a Llama-family model in Hugging Face layout (default: a small one, from random weights)')
    .addOption(
      new Option('--policy <form>', `class from a head, or from yes/no tokens ${byDefault('policy')}`).choices([
        'head',
        'verbalizer',
      ]),
    )
    .option('--template <text>', 'prompt of the verbalizer, with {text} in it (default: ask for yes or no)')
    .option('--positive <word...>', 'verbalizer: words for class 1, one token each (default: spellings of yes)')
    .option('--negative <word...>', 'verbalizer: words for class 0, one token each (default: spellings of no)')
    .addOption(
      new Option('--trainable <part>', `train every weight, or the head alone ${byDefault('trainable')}`).choices([
        'full',
        'head',
      ]),
    )
    .addOption(
      new Option(
        '--sampling <way>',
        'show classes as they come, or equally often (default: by method and data)',
      ).choices(['plain', 'balanced']),
    )
    .addOption(
      new Option('--actions <mode>', `binary-ppo: count both actions, or draw them ${byDefault('actions')}`).choices([
        'enumerate',
        'sample',
      ]),
    )
    .addOption(
      new Option('--baseline <kind>', `binary-ppo: exact value, or a value head ${byDefault('baseline')}`).choices([
        'analytic',
        'valueHead',
      ]),
    )
    .option(
      '--label-noise <share>',
      `flip this share of the training labels on purpose ${byDefault('labelNoise')}`,
      number('--label-noise'),
    )
    .option(
      '--imbalance <ratio>',
      'drop texts of class 1 until class 0 has this many for each (default: drop none)',
      number('--imbalance'),
    )
    .option(
      '--refreshes <n>',
      `how often the behaviour policy is taken anew ${byDefault('refreshes')}`,
      number('--refreshes'),
    )
    .option('--epochs <n>', `passes over the texts of a refresh ${byDefault('epochs')}`, number('--epochs'))
    .option(
      '--refresh-batches <n>',
      `minibatches in a refresh ${byDefault('refreshBatches')}`,
      number('--refresh-batches'),
    )
    .option('--batch-size <n>', `texts in a step ${byDefault('batchSize')}`, number('--batch-size'))
    .option(
      '--learning-rate <r>',
      'peak of AdamW (default: by the number of weights trained, 0.001 at most; 0.01 for a head alone)',
      number('--learning-rate'),
    )
    .option('--max-length <n>', `tokens read of a text ${byDefault('maxLength')}`, number('--max-length'))
    .option('--max-minutes <m>', 'stop training after this time, and test what there is', number('--max-minutes'))
    .addOption(backend)
    .option(
      '--threads <n>',
      'threads that share each step and each evaluation (default: one per core)',
      number('--threads'),
    )
    .option('--seed <n>', 'seed of everything random', number('--seed'), 0)
    .option('--resume', 'go on with the run in --out, exactly where its last checkpoint stands')
    .option('--force', 'replace the run in --out')
    .option('--json', 'print result.json on standard output, and nothing else there')
    .requiredOption('--out <dir>', 'directory of the run');
  train.action((options: TrainArguments & GivenSettings) =>
    interruptible((signal) => trainCommand(settingsOf(options), options, signal)),
  );

  tsrl
    .command('predict')
    .description('Probability of class 1 for a text or a file of texts, as JSON lines.')
    .requiredOption('--model <dir>', 'the model of a run: DIR/model')
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
    .requiredOption('--data <file>', 'labelled texts: JSONL or CSV')
    .addOption(textColumn)
    .addOption(labelColumn)
    .addOption(backend)
    .addOption(scorers)
    .action(evaluateCommand);
  return tsrl;
}

const SETTINGS = [
  ...[
    'method',
    'policy',
    'template',
    'positive',
    'negative',
    'trainable',
    'sampling',
    'actions',
    'baseline',
    'labelNoise',
  ],
  ...[
    'imbalance',
    'refreshes',
    'epochs',
    'refreshBatches',
    'batchSize',
    'learningRate',
    'maxLength',
    'backend',
    'threads',
    'seed',
  ],
] as readonly (keyof TrainSettings)[];

/** The settings among the options: what was not given stays away. */
function settingsOf(options: GivenSettings): GivenSettings {
  const given = SETTINGS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(given) as GivenSettings;
}
