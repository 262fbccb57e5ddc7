import { writeFile } from 'node:fs/promises';
import { enableProdMode } from '@tensorflow/tfjs-core';
import { DataError, isTsrlError } from '@tsrl/core';
import { useBackend } from '@tsrl/tensor';
import { Command, CommanderError, Option } from 'commander';
import { decisions } from './decisions.js';
import { conformancePage } from './page.js';
import { reportText } from './report-text.js';
import { runDirectory } from './run-directory.js';

/** Where the command writes. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
}

interface Options {
  readonly dir: string;
  readonly family?: string;
  readonly json?: boolean;
  readonly page?: string;
  readonly backend: 'wasm' | 'cpu';
}

/**
 * The command. Exit code 0 when nothing failed, 1 when a case failed, 2 when it could not run: an option that is not
 * understood, a directory that cannot be read, a file that is not a golden file.
 */
export async function runCommand(args: readonly string[], { out, err }: Streams): Promise<0 | 1 | 2> {
  const command = new Command('conformance')
    .description('Runs golden files of reference implementations through tsrl and compares.')
    .requiredOption('--dir <directory>', 'the golden files')
    .option('--family <name>', 'only the files whose names start with this')
    .option('--json', 'print one JSON document and nothing else')
    .option('--page <file>', 'write the report as Markdown, too')
    .addOption(new Option('--backend <name>', 'where device functions run').choices(['wasm', 'cpu']).default('wasm'))
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
  try {
    command.parse(args, { from: 'user' });
    const { dir, family, json, page, backend } = command.opts<Options>();
    enableProdMode();
    await useBackend(backend);
    const report = await runDirectory(dir, family);
    out(json ? jsonText({ directory: dir, backend, ...report, decisions }) : `${reportText(report)}\n`);
    if (page !== undefined) await write(page, conformancePage(report));
    return report.totals.failed > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!isTsrlError(error)) throw error;
    err(`${error.message}\n`);
    return 2;
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new DataError(file, `the page cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

/** JSON has no NaN and no infinities: they become strings, as in golden files. */
const jsonText = (value: unknown): string =>
  `${JSON.stringify(value, (_, part) => (typeof part === 'number' && !Number.isFinite(part) ? String(part) : part), 2)}\n`;
