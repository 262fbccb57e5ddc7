import type { Comparison, Contestant, Environment, Growth, Limits, ResultFile } from '../result.js';
import { bars, curves, type Draw } from './chart.js';
import { groupBy } from './group-by.js';
import { peersFigure, peersSoftware, peersTable } from './peers.js';
import { capital, digits, duration, listed, table, who } from './text.js';

/** A part of the page, and the figures it shows, by file name. */
export interface Section {
  readonly markdown: string;
  readonly figures: ReadonlyMap<string, string>;
}

/** All of one suite: what was asked, where it was measured, figures, tables. */
export function section({ suite, question, command, environment, seconds, results }: ResultFile): Section {
  const figures = new Map<string, string>();
  const figure = (name: string, caption: string, svg: string): string => {
    const file = `${suite}-${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.svg`;
    figures.set(file, svg);
    return `![${suite}, ${name}](benchmarks/${file})\n\n*${caption}*`;
  };
  const comparisons = bySubject(results.filter((result) => result.kind === 'comparison'));
  const growths = results.filter((result) => result.kind === 'growth');
  const parts = [
    `## ${suite}`,
    question,
    `\`\`\`\n${command}\n\`\`\``,
    where(environment, seconds),
    ...(suite === 'peers' ? peersParts : otherParts)(comparisons, environment.machine.limits, figure),
    ...growthFigures(growths, figure),
    ...(growths.length > 0 ? [growthTable(growths)] : []),
  ];
  return { markdown: parts.filter(Boolean).join('\n\n'), figures };
}

type Subjects = ReadonlyMap<string, readonly Comparison[]>;

const bySubject = (comparisons: readonly Comparison[]): Subjects => groupBy(comparisons, ({ subject }) => subject);

/** Many contestants that share their software. */
function peersParts(subjects: Subjects, _: Limits, figure: Draw): string[] {
  const comparisons = [...subjects.values()].flat();
  return [
    peersSoftware(comparisons),
    ...peersFigure(comparisons, figure),
    ...[...subjects].map(([subject, group]) => peersTable(subject, group)),
  ];
}

function otherParts(subjects: Subjects, limits: Limits, figure: Draw): string[] {
  const comparisons = [...subjects.values()].flat();
  return [
    ...ratioFigures(comparisons, figure),
    ...throughputFigure(comparisons, figure),
    ...limitFigure(comparisons, limits, figure),
    ...[...subjects].map(([subject, group]) => comparisonTable(subject, group, limits)),
  ];
}

function where({ date, commit, backend, machine, versions }: Environment, seconds: number): string {
  const { cpu, cores, memoryGb, system, load, limits } = machine;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date.slice(0, 10)} in ${seconds} s on ${cores} cores of ${cpu}, ${memoryGb} GB, ${system}, load ` +
      `${load.toFixed(1)} at the start (0 is an idle machine); tsrl at commit \`${commit}\`, tfjs backend ${backend}, ` +
      `${software.join(', ')}.`,
    `Limits of one thread of WebAssembly there: reads ${digits(limits.readGbs)} GB/s, scales (reads and writes) ` +
      `${digits(limits.scaleGbs)} GB/s, ${digits(limits.gflops)} GFLOP/s.`,
  ].join(' ');
}

/** A figure for each of those that tsrl is compared with. */
function ratioFigures(comparisons: readonly Comparison[], figure: Draw): string[] {
  const rivals = comparisons.flatMap((comparison) =>
    comparison.contestants
      .filter(({ name, ratio }) => !name.startsWith('tsrl') && ratio !== undefined)
      .map((rival) => ({ comparison, rival })),
  );
  return [...groupBy(rivals, ({ rival }) => who(rival))].map(([name, group]) =>
    figure(
      `against ${name}`,
      `How many times as long as tsrl on one thread ${name} takes for the same work: longer bars are better for tsrl; ` +
        'left of the dashed line tsrl is slower.',
      bars({
        axis: `time of ${name} / time of tsrl, 1 thread (logarithmic)`,
        bars: group.map(({ comparison: { subject, variant }, rival: { ratio = 0 } }) => ({
          label: `${subject} ${variant}`,
          value: ratio,
          text: `${digits(ratio)} x`,
        })),
        mark: 1,
        logarithmic: true,
      }),
    ),
  );
}

function throughputFigure(comparisons: readonly Comparison[], figure: Draw): string[] {
  const all = comparisons.flatMap(({ subject, variant, work: { tokens }, contestants }) =>
    contestants.flatMap((contestant) => {
      if (tokens === undefined || !contestant.time) return [];
      const value = (1000 * tokens) / contestant.time.medianMs;
      return [{ label: `${subject}, ${variant.split(',')[0]}: ${who(contestant)}`, value, text: digits(value) }];
    }),
  );
  if (all.length === 0) return [];
  return [figure('tokens', 'Tokens in a second: longer bars are better.', bars({ axis: 'tokens / s', bars: all }))];
}

/** How much of the machine tsrl uses. */
function limitFigure(comparisons: readonly Comparison[], limits: Limits, figure: Draw): string[] {
  const all = comparisons.flatMap((comparison) => {
    const [ours] = comparison.contestants;
    const share = ours && shareOf(comparison, ours, limits);
    if (share === undefined || comparison.work.tokens !== undefined) return [];
    return [
      {
        label: `${comparison.subject} ${comparison.variant}`,
        value: 100 * share,
        text: `${digits(100 * share)} %, ${rates(comparison, ours as Contestant).at(0)}`,
      },
    ];
  });
  if (all.length === 0) return [];
  return [
    figure(
      'limits',
      'The least time that the machine needs for the multiplications and additions or for reading the inputs and ' +
        'writing the outputs once, whichever is longer, as a share of the time of tsrl on one thread: longer bars are ' +
        'better, 100 % is the limit. Exponentials count as nothing, so functions of a softmax cannot come near it; ' +
        'what fits the caches can pass it.',
      bars({ axis: '% of the limit of the machine', bars: all }),
    ),
  ];
}

function comparisonTable(subject: string, group: readonly Comparison[], limits: Limits): string {
  const header = ['', 'by', 'time', 'times as long as the first', 'rate', 'share of the limit', 'memory', 'differs by'];
  const rows = group.flatMap((comparison) =>
    comparison.contestants.map((contestant, i) => {
      const { time, problem, memory, ratio, difference } = contestant;
      const share = shareOf(comparison, contestant, limits);
      return [
        i === 0 ? comparison.variant : '',
        who(contestant),
        time ? duration(time) : (problem ?? ''),
        i === 0 ? '1' : ratio === undefined ? '' : digits(ratio),
        rates(comparison, contestant).join(', '),
        share === undefined ? '' : `${digits(100 * share)} %`,
        memory ? `${digits(memory.megabytes)} MB` : '',
        difference === undefined ? '' : difference.toExponential(0),
      ];
    }),
  );
  const shown = header.map((_, column) => column < 2 || rows.some((row) => row[column] !== ''));
  const pick = (cells: readonly string[]): string[] => cells.filter((_, column) => shown[column]);
  const details = [...new Set(group.map(({ detail }) => detail))];
  const said = group
    .flatMap(({ contestants }) => contestants)
    .flatMap((contestant) => (contestant.settings ? [{ name: who(contestant), how: contestant.settings }] : []));
  const settings = [...groupBy(said, ({ how }) => how)].map(
    ([how, same]) => `${listed([...new Set(same.map(({ name }) => name))])}: ${how}.`,
  );
  return [
    `### ${subject}`,
    `${details.map(capital).join('. ')}.`,
    table(pick(header), rows.map(pick)),
    settings.join('\n\n'),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** One thread's share of what one thread could do. */
function shareOf({ work }: Comparison, { time, threads }: Contestant, limits: Limits): number | undefined {
  if (!time || threads !== 1 || (work.flop === undefined && work.bytes === undefined)) return undefined;
  const bandwidth = Math.max(limits.readGbs, limits.scaleGbs);
  const least = Math.max((work.flop ?? 0) / limits.gflops, (work.bytes ?? 0) / bandwidth) / 1e6;
  return least / time.medianMs;
}

function rates({ work: { flop, bytes, tokens } }: Comparison, { time }: Contestant): string[] {
  if (!time) return [];
  const perSecond = (count: number): number => (1000 * count) / time.medianMs;
  return [
    ...(tokens === undefined ? [] : [`${digits(perSecond(tokens))} tokens/s`]),
    ...(flop === undefined ? [] : [`${digits(perSecond(flop) / 1e9)} GFLOP/s`]),
    ...(bytes === undefined || flop !== undefined ? [] : [`${digits(perSecond(bytes) / 1e9)} GB/s`]),
  ];
}

/** Few enough lines in each to follow them. */
const linesOfFigure = 7;

function growthFigures(growths: readonly Growth[], figure: Draw): string[] {
  return [...groupBy(growths, ({ variant, detail }) => `${variant}; ${detail.split('; ').at(-1)}`)].flatMap(
    ([name, group]) => {
      const parts = Math.ceil(group.length / linesOfFigure);
      return Array.from({ length: parts }, (_, i) => {
        const part = group.slice(i * linesOfFigure, (i + 1) * linesOfFigure);
        const size = part[0]?.size ?? '';
        return figure(
          parts > 1 ? `${name} ${i + 1}` : name,
          `Milliseconds of a call while ${size} grows (${name.split('; ').at(-1)}; ${name.split(', ')[1]?.split(';')[0]}): ` +
            'lower is better, and parallel to the steps of the grid is in proportion to the size.',
          curves(
            size,
            'ms',
            part.map(({ subject, points }) => ({
              name: subject,
              points: points.map(({ size: x, time }) => [x, time.medianMs] as const),
            })),
          ),
        );
      });
    },
  );
}

function growthTable(growths: readonly Growth[]): string {
  const rows = growths.map(({ subject, variant, points, exponent }) => {
    const last = points.at(-1);
    const perElement = last && (1e6 * last.time.medianMs) / last.elements;
    return [subject, variant, last ? duration(last.time) : '', digits(perElement ?? 0), exponent.toFixed(2)];
  });
  return [
    '### Growth',
    'The exponent p of time ~ size^p, fitted by least squares to the logarithms of the shortest runs of the four largest ' +
      'sizes: 1 is in ' +
      'proportion, 2 would be quadratic, below 1 a constant cost still shows. Time and time per element are those of ' +
      'the largest size; lower is better.',
    table(['', 'grows, pass', 'time', 'ns / element', 'exponent'], rows),
  ].join('\n\n');
}
