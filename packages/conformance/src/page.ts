import { decisions } from './decisions.js';
import type { CaseResult } from './run-case.js';
import type { Report } from './run-directory.js';

type Located = CaseResult & { readonly file: string };

/** docs/conformance.md: what passes, and the one table of what differs on purpose, in Markdown. */
export function conformancePage({ files, totals }: Report): string {
  const all = files.flatMap(({ file, cases }): Located[] => cases.map((result) => ({ ...result, file: stem(file) })));
  const conditioned = all.filter(({ conditioned: error }) => error !== undefined);
  const share = ((100 * totals['differs by decision']) / all.length).toFixed(1);
  return [
    '<!-- Made by `npm run conformance -- --dir ../shared/goldens --page docs/conformance.md`; do not edit. -->',
    '',
    '# Conformance',
    '',
    'Golden files hold inputs of functions of TRL, verl, OpenRLHF, rlax and the code of papers, with the outputs and',
    'gradients that these really gave. Our public functions get the same inputs; every number is compared: at',
    '`1e-9 + 1e-7 |b|` where ours compute in float64, at `1e-6 + 2e-5 |b|` where they compute in float32.',
    '',
    `**${all.length} cases of ${files.length} files: ${totals.passed} pass, ${totals.failed} fail, ` +
      `${totals['differs by decision']} (${share} %) differ by decision, ${totals['not mapped']} are not mapped.**`,
    '',
    '## Where we differ on purpose',
    '',
    'A case stands here only when it would fail, the decision applies to its inputs, and explains every number that differs.',
    '',
    ...table(['decision', 'in', 'the source gives', 'ours give', 'because', 'cases'], differing(all)),
    '',
    '## What float32 cannot do better',
    '',
    conditioned.length === 0
      ? 'No case needs more than the plain bound.'
      : 'Passed within a bound that grows by the condition of the case: how far the float64 result moves when each input ' +
        'moves by one float32 ulp. Our own function, run in float64, meets the plain bound.',
    ...(conditioned.length === 0
      ? []
      : ['', ...table(['case', 'error in plain bounds'], conditioned.map(conditionedRow))]),
    '',
    '## By file',
    '',
    ...table(
      ['file', 'pass', 'fail', 'differ', 'not mapped'],
      files.map(({ file, counts }) => [
        `\`${stem(file)}\``,
        ...[counts.passed, counts.failed, counts['differs by decision'], counts['not mapped']].map(number),
      ]),
    ),
    '',
  ].join('\n');
}

function differing(all: readonly Located[]): readonly (readonly string[])[] {
  return decisions.flatMap(({ name, cases, source, ours, reason }) => {
    const here = all.filter(({ decision }) => decision === name);
    if (here.length === 0) return [];
    const named = here.map(({ file, name: one }) => `\`${file}\` ${one}`);
    return [[name, cases, source, ours, reason, named.join('<br>')]];
  });
}

const conditionedRow = ({ file, name, conditioned }: Located): readonly string[] => [
  `\`${file}\` ${name}`,
  String(Number((conditioned as number).toPrecision(3))),
];

const stem = (file: string): string => file.replace(/\.json$/, '');
const number = (count: number): string => (count === 0 ? '·' : String(count));

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
