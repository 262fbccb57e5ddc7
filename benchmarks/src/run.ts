import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { environment } from './environment.js';
import { startWasm } from './kernels.js';
import { type Case, measure, type Result } from './measure.js';
import { matmul } from './suites/matmul.js';
import { trainingStep } from './suites/training-step.js';

const suites: Readonly<Record<string, readonly Case[]>> = { matmul, 'training-step': trainingStep };
const usage = `npm run bench -- [--suite ${Object.keys(suites).join('|')}] [--filter TEXT] [--rounds N] [--json FILE]`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      suite: { type: 'string' },
      filter: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const chosen = values.suite === undefined ? Object.values(suites).flat() : (suites[values.suite] ?? []);
  const cases = chosen.filter(({ name }) => name.includes(values.filter));
  if (values.help || cases.length === 0 || !(Number.isInteger(rounds) && rounds > 0)) {
    console.error(usage);
    process.exitCode = values.help ? 0 : 2;
    return;
  }

  tf.enableProdMode();
  const use = await startWasm();
  const where = environment();
  console.log(
    `${where.backend}, ${where.machine.cores} x ${where.machine.cpu}, load ${where.machine.load.toFixed(1)}, ` +
      `Node ${where.versions['node']}, tfjs ${where.versions['@tensorflow/tfjs-core']}, ${where.commit}, ${where.date}`,
  );
  const results: Result[] = [];
  for (const [i, subject] of cases.entries()) {
    const tell = (round: number): void =>
      progress(`${i + 1}/${cases.length} ${subject.name}, round ${round + 1}/${rounds}`);
    results.push(await measure(subject, rounds, use, tell));
  }
  progress('');
  printTable(results);
  if (values.json !== undefined) {
    mkdirSync(dirname(values.json), { recursive: true });
    writeFileSync(values.json, `${JSON.stringify({ environment: where, rounds, results }, null, 2)}\n`);
  }
}

/** One line that replaces itself, where somebody watches. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function printTable(results: readonly Result[]): void {
  const rows = results.map(({ name, flop, timings, ratio, disagreement }) => {
    const cells = Object.values(timings).map(({ medianMs, madMs }) => {
      const speed = flop === undefined ? '' : ` (${(flop / medianMs / 1e6).toFixed(1)} GFLOP/s)`;
      return `${medianMs.toPrecision(3)} ± ${madMs.toPrecision(2)} ms${speed}`;
    });
    return [name, ...cells, ratio.toFixed(1), disagreement.toExponential(0)];
  });
  const header = ['case', ...Object.keys(results[0]?.timings ?? {}), 'ratio', 'differ by'];
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] as string).length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] as number)).join(' | ')} |`;
  console.log([line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n'));
}

await main();
