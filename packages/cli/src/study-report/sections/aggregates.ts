import { performanceProfile } from '@tsrl/evaluation';
import { axis, type Point } from '../../report/chart.js';
import type { Analysis } from '../analysis.js';
import { lines } from '../charts.js';
import { points, range } from '../numbers.js';
import { type Cell, plain, type Section, text } from '../part.js';
import type { PlannedMethod } from '../plan.js';
import type { Roles } from '../roles.js';

/** Interquartile means over runs and sets, and performance profiles. */
export function aggregates(analysis: Analysis, roles: Roles, prefix: string): Section {
  const { plan } = analysis;
  const columns = plan.damages.map(({ name }) => {
    const blocks = analysis.learnable(analysis.blocks(name));
    const found = plan.methods.map((method) =>
      blocks.length > 0 && blocks.every((block) => analysis.score(block, method.name))
        ? analysis.interquartile(method.name, blocks)
        : null,
    );
    const best = Math.max(...found.flatMap((one) => (one ? [one.estimate] : [])));
    return found.map((one): Cell => {
      if (!one) return plain('–');
      return { text: `${points(one.estimate)} ${range(one.interval)}`, strong: points(one.estimate) === points(best) };
    });
  });
  const shown = shownMethods(analysis, roles);
  const figures = plan.damages.flatMap(({ name, label }) => {
    const blocks = analysis.blocks(
      name,
      shown.map((method) => method.name),
    );
    if (shown.length === 0 || blocks.length === 0) return [];
    const title = `Performance profile, ${label}`;
    const taus = Array.from({ length: 51 }, (_, i) => 0.5 + i / 100);
    const drawn = shown.map((method) => {
      const profile = performanceProfile(analysis.scores(method.name, blocks), taus);
      return { name: method.label, points: taus.map((tau, i): Point => [tau, profile[i] as number]) };
    });
    const svg = lines(
      {
        title,
        x: axis('balanced accuracy τ', { min: 0.5, max: 1 }),
        y: axis('share of runs above τ', { min: 0, max: 1, nameGap: 40 }),
      },
      drawn,
    );
    return [
      {
        name: `${prefix}profile-${name}`,
        title,
        reading: `All ${blocks.length} sets, all seeds: a line above another everywhere is better by every aggregate.`,
        svg,
      },
    ];
  });
  return {
    name: 'aggregates',
    title: 'Over data sets: interquartile means and performance profiles',
    parts: [
      text(
        'Interquartile mean of balanced accuracy in percent: the middle half of all runs of all sets that count, which one easy or hopeless set cannot carry;',
        '95 % intervals by the stratified bootstrap over seeds (runs drawn within each set), so without the test examples.',
      ),
      {
        kind: 'folded',
        summary: 'Interquartile means',
        parts: [
          {
            kind: 'table',
            head: ['method', ...plan.damages.map(({ label }) => label)],
            rows: plan.methods.map((method, i) => ({
              name: `\`${method.label}\``,
              cells: columns.map((column) => column[i] as Cell),
            })),
          },
        ],
      },
      { kind: 'figures', figures },
    ],
  };
}

/** The few that a plot can hold: the best preset, the two ways of supervised training, and the next best comparators. */
export function shownMethods(
  { plan, mean, blocks, learnable, score }: Analysis,
  { best, comparators }: Roles,
): PlannedMethod[] {
  const all = plan.damages.flatMap(({ name }) => learnable(blocks(name)));
  const named = [plan.plain, plan.balanced].flatMap((name) => comparators.filter((method) => method.name === name));
  const others = comparators
    .filter((method) => !named.includes(method) && all.every((block) => score(block, method.name)))
    .toSorted((a, b) => mean(b.name, all).estimate - mean(a.name, all).estimate);
  return [...(best ? [best] : []), ...named, ...(all.length > 0 ? others : [])].slice(0, 5);
}
