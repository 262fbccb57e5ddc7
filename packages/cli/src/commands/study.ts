import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DataError } from '@tsrl/core';
import type { Command as Commander } from 'commander';
import { type Screen, screenFor } from '../screen.js';
import { numberOf, threadCount } from '../settings/index.js';
import { runStudy } from '../study/run-study.js';
import { readStudyConfig } from '../study/study-config.js';

type Command = (signal: { readonly aborted: boolean }) => Promise<void>;

/** Adds `tsrl study`; `interruptible` runs it with what says that it should stop. */
export function addStudyCommand(tsrl: Commander, interruptible: (command: Command) => Promise<void>): void {
  tsrl
    .command('study')
    .description('Compare methods over data sets, damages and seeds on all cores; goes on where it was stopped.')
    .requiredOption('--config <file>', 'what to run: YAML or JSON')
    .option('--data <dir>', 'what the paths of the data sets begin with', '.')
    .option('--model <name=dir...>', 'directory of each model that the configuration names')
    .option('--out <dir>', 'where to write (default: runs/study/NAME)')
    .option('--threads <n>', 'runs at once (default: one per core)', (text) => numberOf('--threads', undefined, text))
    .option('--features-only', 'compute the vectors of frozen models, and stop')
    .option('--redo', 'run anew what failed, and what was made by another configuration')
    .action((args: StudyArguments) => interruptible((signal) => studyCommand(args, signal)));
}

/** The options of `tsrl study`. */
export interface StudyArguments {
  readonly config: string;
  readonly data: string;
  /** `NAME=DIR` each. */
  readonly model?: readonly string[] | undefined;
  readonly out?: string | undefined;
  readonly threads?: number | undefined;
  readonly featuresOnly?: boolean | undefined;
  readonly redo?: boolean | undefined;
}

/** Runs a study, or goes on with it; ends with a line on what there is, and 1 as exit code where a cell failed. */
export async function studyCommand(
  args: StudyArguments,
  interruption: { readonly aborted: boolean },
  screen: Screen = screenFor(process.stderr),
): Promise<void> {
  const config = await readStudyConfig(args.config);
  const out = args.out ?? join('runs', 'study', config.name);
  const end = await runStudy(
    {
      config,
      data: args.data,
      models: directoriesOf(args.model ?? []),
      out,
      threads: threadCount(args.threads),
      script: worker(),
      featuresOnly: args.featuresOnly === true,
      redo: args.redo === true,
      signal: interruption,
    },
    screen,
  );
  const done = `${end.finished} of ${end.cells} cells`;
  switch (end.stopped) {
    case 'aborted':
      screen.say(`interrupted with ${done}; the same command goes on from there`);
      process.exitCode = 130;
      return;
    case 'features':
      screen.say(`vectors are in ${join(out, 'features')}`);
      return;
    case 'done':
      screen.say(`${done} are in ${join(out, 'cells')}`);
      if (end.failed === 0) return;
      screen.say(`${end.failed} failed: *.failed.json there say why; --redo runs them again`);
      process.exitCode = 1;
  }
}

function directoriesOf(models: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    models.map((model) => {
      const [, name, directory] = /^([^=]+)=(.+)$/.exec(model) ?? [];
      if (name === undefined || directory === undefined) {
        throw new DataError('--model', `must be NAME=DIR; got ${model}`);
      }
      return [name, directory];
    }),
  );
}

/** The built worker, whether this module was built or is run from its source: a thread cannot be started from TypeScript. */
function worker(): URL {
  const own = createRequire(import.meta.url).resolve('@tsrl/cli/package.json');
  return pathToFileURL(join(dirname(own), 'dist', 'study-worker.js'));
}
