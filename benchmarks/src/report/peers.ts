import type { Comparison, Contestant } from '../result.js';
import { type Draw, type Ratios, ratios } from './chart.js';
import { families, familyOf, fastest } from './families.js';
import { groupBy } from './group-by.js';
import { capital, digits, duration, listed, table } from './text.js';

const tuned = ', tuned malloc';
/** What `describe` of the suite puts behind the formulation: libraries, BLAS, allocator. */
const software = /; ([^;]*torch \d[^;]*)$/;

/** All of the suite `peers` in one figure: one thread each, each peer at its best. */
export function peersFigure(comparisons: readonly Comparison[], figure: Draw): string[] {
  const groups = comparisons.flatMap((comparison): Ratios['groups'] => {
    const ours = fastest(comparison, 1, (name) => name === 'tsrl');
    if (!ours) return [];
    const bars = families.flatMap((family) => {
      const peer = fastest(comparison, 1, (name) => familyOf(name) === family);
      const value = peer && peer.time.medianMs / ours.time.medianMs;
      return value === undefined ? [] : [{ series: family, value, text: digits(value) }];
    });
    const passes = comparison.variant.replace(', forward + backward', '').replace(', forward', '');
    return bars.length > 0 ? [{ label: `${comparison.subject} ${passes}`, bars }] : [];
  });
  if (groups.length === 0) return [];
  return [
    figure(
      'ratios',
      'How many times as long as tsrl the others take for the same work, one thread each and each in the fastest of its ' +
        'formulations and allocators: right of the dashed line tsrl is faster, left of it slower.',
      ratios({ axis: 'their time / time of tsrl, 1 thread each (logarithmic)', series: families, groups }),
    ),
  ];
}

/** Versions and allocators, which all tables of the suite share. */
export function peersSoftware(comparisons: readonly Comparison[]): string {
  const used = comparisons
    .flatMap(({ contestants }) => contestants)
    .flatMap(({ name, settings }) => {
      const parts = settings?.match(software)?.[1]?.split(', ');
      return parts ? [{ name, parts }] : [];
    });
  const mallocOf = (which: boolean): string[] =>
    used.filter(({ name }) => name.endsWith(tuned) === which).flatMap(({ parts }) => parts.filter(isMalloc));
  const versions = [...new Set(used.flatMap(({ parts }) => parts))].filter((part) => !isMalloc(part));
  if (versions.length === 0) return '';
  const [plain, special] = [mallocOf(false)[0], mallocOf(true)[0]];
  return [
    `The others: ${versions.join(', ')}.`,
    plain && `They run on ${plain}${special ? `; *tuned malloc* is ${special}` : ''}.`,
    'All ratios are to tsrl on one thread.',
  ]
    .filter(Boolean)
    .join(' ');
}

const isMalloc = (part: string): boolean => part.includes('malloc');

/** A line for each contestant, with columns for one and two threads. */
export function peersTable(subject: string, group: readonly Comparison[]): string {
  const counts = [1, 2];
  const header = ['', 'by', ...counts.flatMap((n) => [n === 1 ? '1 thread' : `${n} threads`, 'ratio']), 'differs by'];
  const rows = group.flatMap(({ variant, contestants }) =>
    [...groupBy(contestants, ({ name }) => name)].map(([name, same], i) => {
      const cells = counts.flatMap((n) => cellsOf(same.find(({ threads }) => threads === n)));
      const apart = same.flatMap(({ difference }) => difference ?? []);
      return [
        i === 0 ? variant : '',
        name,
        ...(i === 0 ? cells.with(1, '1') : cells),
        apart.length > 0 ? Math.max(...apart).toExponential(0) : '',
      ];
    }),
  );
  const details = [...new Set(group.map(({ detail }) => detail))];
  return [
    `### ${subject}`,
    `${details.map(capital).join('. ')}.`,
    table(header, rows),
    formulations(group.flatMap(({ contestants }) => contestants)),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function cellsOf(contestant: Contestant | undefined): [time: string, ratio: string] {
  if (!contestant) return ['', ''];
  const { time, problem, ratio } = contestant;
  return [time ? duration(time) : (problem ?? ''), ratio === undefined ? '' : digits(ratio)];
}

/** A line for each way of writing it, with those who do. */
function formulations(contestants: readonly Contestant[]): string {
  const said = contestants.flatMap(({ name, threads, settings }) => {
    if (settings === undefined) return [];
    const called = name === 'tsrl' && threads > 1 ? `${name}, ${threads} threads` : name.replace(tuned, '');
    return [{ called, how: settings.replace(software, '') }];
  });
  return [...groupBy(said, ({ how }) => how)]
    .map(([how, same]) => `- ${listed([...new Set(same.map(({ called }) => called))])}: ${how}.`)
    .join('\n');
}
