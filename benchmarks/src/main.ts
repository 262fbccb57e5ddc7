import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startBackend } from './backend.js';
import { readEnvironment } from './environment.js';
import { printResult } from './print.js';
import { showProgress } from './progress.js';
import type { Environment, Measured, ResultFile } from './result.js';
import type { Settings, Suite, Task } from './suite.js';
import { suites } from './suites/index.js';

const usage = `npm run bench -- [--suite ${suites.map(({ name }) => name).join('|')}] [--filter TEXT] [--rounds N]
                [--json FILE] [--python PATH] [--list]

Without --suite all suites run. Results go to benchmarks/results/SUITE.json, and of one suite to FILE where it is given;
with --filter, which takes the tasks whose names hold TEXT, they are printed alone unless FILE is given.
--python names a Python with torch, for the suite peers, which is left out without it. --rounds is 15 by default, and
fewer where a round takes long.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      suite: { type: 'string' },
      filter: { type: 'string' },
      rounds: { type: 'string', default: '15' },
      json: { type: 'string' },
      python: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { suite: only, filter, python } = values;
  const rounds = Number(values.rounds);
  const chosen = suites.filter(({ name }) => only === undefined || name === only);
  const settings: Settings = { rounds, ...(python !== undefined && { python: fromCaller(python) }) };
  const plans = await Promise.all(
    chosen.map(async (suite) => ({
      suite,
      tasks: (await suite.tasks(settings)).filter(({ name }) => name.includes(filter ?? '')),
    })),
  );
  const tasks = plans.flatMap((plan) => plan.tasks);
  if (values.help || values.list) {
    console.log(values.help ? usage : tasks.map(({ name, seconds }) => `${name} (about ${seconds} s)`).join('\n'));
    return;
  }
  if (!(rounds >= 1 && Number.isInteger(rounds)) || tasks.length === 0 || (values.json && chosen.length !== 1)) {
    console.error(usage);
    process.exitCode = 2;
    return;
  }

  await startBackend('wasm');
  const environment = await readEnvironment();
  const { load, cores, cpu } = environment.machine;
  console.error(`${cores} x ${cpu}, load ${load.toFixed(2)}, tsrl ${environment.commit}, ${tasks.length} tasks`);
  const progress = showProgress(tasks);
  const files: [string, ResultFile][] = [];
  for (const { suite, tasks } of plans.filter((plan) => plan.tasks.length > 0)) {
    const result = await runSuite(suite, tasks, environment, progress);
    if (values.json !== undefined) files.push([fromCaller(values.json), result]);
    else if (filter === undefined) files.push([resultsOf(suite.name), result]);
    else files.push(['', result]);
  }
  progress.end();
  for (const [file, result] of files) {
    console.log(`\n${result.suite}: ${result.question}`);
    for (const measured of result.results) console.log(printResult(measured));
    if (file === '') continue;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${JSON.stringify(result, null, 1)}\n`);
    console.log(`-> ${file}`);
  }

  async function runSuite(
    { name, question, end }: Suite,
    tasks: readonly Task[],
    environment: Environment,
    progress: ReturnType<typeof showProgress>,
  ): Promise<ResultFile> {
    const start = performance.now();
    const date = new Date().toISOString();
    const results: Measured[] = [];
    try {
      for (const task of tasks) {
        progress.start(`${name}: ${task.name}`);
        results.push(...(await task.run()));
        progress.finish();
        await setImmediate(); // the progress line may be drawn
      }
    } finally {
      await end?.();
    }
    const parts = [
      `--suite ${name}`,
      filter && `--filter '${filter}'`,
      `--rounds ${rounds}`,
      python && '--python PATH',
    ];
    return {
      suite: name,
      question,
      command: `npm run bench -- ${parts.filter(Boolean).join(' ')}`,
      environment: { ...environment, date },
      seconds: Math.round((performance.now() - start) / 1000),
      results,
    };
  }
}

/** npm changes into this workspace; paths are those of the caller. */
const fromCaller = (path: string): string => resolve(process.env['INIT_CWD'] ?? '.', path);

const resultsOf = (suite: string): string => fileURLToPath(new URL(`../results/${suite}.json`, import.meta.url));

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1); // Python or a worker may still be waited for
});
