import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DataError } from '@tsrl/core';
import { type Screen, screenFor } from '../screen.js';
import { threadCount } from '../settings/index.js';
import { runStudy } from '../study/run-study.js';
import { readStudyConfig } from '../study/study-config.js';

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
