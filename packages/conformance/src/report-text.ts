import Table from 'cli-table3';
import { decisions } from './decisions.js';
import type { Mismatch } from './judge.js';
import type { CaseResult, Status } from './run-case.js';
import type { Counts, FileResult, Report } from './run-directory.js';

const statuses: readonly Status[] = ['passed', 'failed', 'differs by decision', 'not mapped'];

/** A report to read at a glance: the counts of each file, what is behind them, the totals last. */
export function reportText(report: Report): string {
  const all = report.files.flatMap(({ file, cases }) => cases.map((result) => ({ ...result, file })));
  const of = (status: Status): readonly Located[] => all.filter((result) => result.status === status);
  return [
    overview(report),
    section('Failed', of('failed').map(failure)),
    section('Differs by decision', differing(of('differs by decision'))),
    section('Passed within the bound computed from the condition of the case', all.flatMap(conditioned)),
    section('Not mapped yet', missing(report.files)),
    totals(report.totals),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

type Located = CaseResult & { readonly file: string };

function overview({ files }: Report): string {
  const table = plainTable(['file', 'passed', 'failed', 'differs by decision', 'not mapped yet']);
  for (const { file, counts } of files) table.push([file, ...statuses.map((status) => number(counts[status]))]);
  return table.toString();
}

function totals(counts: Counts): string {
  const sum = statuses.reduce((total, status) => total + counts[status], 0);
  return `${sum} cases: ${counts.passed} passed, ${counts.failed} failed, ${counts['differs by decision']} differ by decision, ${counts['not mapped']} not mapped yet`;
}

function failure({ file, name, reason, worst }: Located): string {
  return `${file} ${name}: ${reason}${worst ? `; the largest by ${size(worst.error)} tolerances: ${place(worst)}` : ''}`;
}

const place = ({ part, index, expected, got }: Mismatch): string =>
  `${part}${index.length > 0 ? `[${index.join(', ')}]` : ''} expected ${expected}, got ${got}`;

function differing(cases: readonly Located[]): readonly string[] {
  return decisions.flatMap(({ name, ours, source, reason }) => {
    const here = cases.filter(({ decision }) => decision === name);
    if (here.length === 0) return [];
    return [
      `${name} (${here.length}): source: ${source}; ours: ${ours}`,
      `  because ${reason}`,
      ...here.map(({ file, name: one }) => `  ${file} ${one}`),
    ];
  });
}

function conditioned({ file, name, conditioned: error }: Located): readonly string[] {
  return error === undefined ? [] : [`${file} ${name}: ${size(error)} plain tolerances`];
}

function missing(files: readonly FileResult[]): readonly string[] {
  const within = files
    .filter(({ mapped }) => mapped)
    .flatMap(({ file, cases }) =>
      cases.filter(({ status }) => status === 'not mapped').map(({ name, reason }) => `${file} ${name}: ${reason}`),
    );
  const whole = files.filter(({ mapped }) => !mapped);
  const cases = whole.reduce((sum, { counts }) => sum + counts['not mapped'], 0);
  return whole.length === 0 ? within : [...within, `${whole.length} whole files with ${cases} cases`];
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, ...lines.map((line) => `  ${line}`)].join('\n');
}

const number = (count: number): string => (count === 0 ? '·' : String(count));

const size = (error: number): string =>
  Number.isFinite(error) ? String(Number(error.toPrecision(3))) : 'infinitely many';

function plainTable(head: string[]): Table.Table {
  const nothing = Object.fromEntries(
    [
      ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
      ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
    ].map((name) => [name, '']),
  );
  return new Table({
    head,
    chars: { ...nothing, middle: '  ' },
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
}
