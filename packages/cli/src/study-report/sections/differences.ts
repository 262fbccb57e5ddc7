import { holm } from '@tsrl/evaluation';
import { pValue } from '../../report/format.js';
import type { Analysis } from '../analysis.js';
import { forest } from '../charts.js';
import { groupLabels } from '../damage.js';
import { difference, range, setsOf, signed, sure } from '../numbers.js';
import { type Cell, type Part, plain, type Section, text } from '../part.js';
import type { PlannedMethod } from '../plan.js';
import type { Roles } from '../roles.js';
import type { Block } from '../set-scores.js';

/** The best preset against every comparator, by kind of damage; all other pairs and all sets in a file of their own. */
export function differences(analysis: Analysis, roles: Roles, prefix: string): Section {
  const { plan } = analysis;
  const section = (parts: readonly Part[]): Section => ({ name: 'differences', title: 'Paired differences', parts });
  const { best, comparators } = roles;
  if (!best || comparators.length === 0) return section([text('There is nothing to compare yet.')]);
  const groups = (['one-sided', 'symmetric', 'both', 'clean'] as const)
    .map((group) => ({
      group,
      damages: plan.damages.filter((damage) => damage.group === group).map(({ label }) => label),
      rows: comparators.flatMap((method) => {
        const blocks = analysis.learnable(analysis.blocks(group, [best.name, method.name]));
        return blocks.length === 0 ? [] : [{ method, seen: analysis.difference(best.name, method.name, blocks) }];
      }),
    }))
    .filter(({ rows }) => rows.length > 0)
    .map(({ rows, ...rest }) => ({ ...rest, rows: rows.toSorted((a, b) => a.seen.estimate - b.seen.estimate) }));
  const figures = groups.map(({ group, damages, rows }) => {
    const title = `\`${best.label}\` minus each comparator, ${groupLabels[group]}`;
    return {
      name: `${prefix}differences-${group}`,
      title: title.replaceAll('`', ''),
      reading: `Points of balanced accuracy, mean over ${damages.join(', ')} and the sets that count (${setsOf(rows[0]?.seen.blocks ?? [], plan.datasets.length)}); 95 % intervals over seeds and test examples. Right of 0 ours is better; full symbols leave 0 out.`,
      svg: forest(
        title,
        'points of balanced accuracy',
        rows.map(({ method, seen }) => ({
          name: method.label,
          estimate: 100 * seen.estimate,
          interval: seen.interval && { lower: 100 * seen.interval.lower, upper: 100 * seen.interval.upper },
        })),
      ),
    };
  });
  const tables = groups.flatMap(({ group, rows }): Part[] => {
    const adjusted = holm(rows.map(({ seen }) => seen.pValue));
    return [
      { kind: 'heading', text: `Minus each comparator, ${groupLabels[group]}` },
      {
        kind: 'table',
        head: ['against', 'difference, 95 %', 'over sets, 95 %', 'sets won', 'p (Holm)', 'P(improvement), 95 %'],
        rows: rows.map(({ method, seen }, i) => {
          const wins = [...seen.perSet.values()].filter((one) => one > 0).length;
          const improvement = analysis.improvement(best.name, method.name, seen.blocks);
          return {
            name: `\`${method.label}\``,
            cells: [
              { text: difference(seen), strong: sure(seen.interval) },
              plain(range(seen.overSets, signed)),
              plain(`${wins} of ${seen.perSet.size}`),
              plain(pValue(adjusted[i] as number)),
              plain(`${improvement.estimate.toFixed(2)} ${range(improvement.interval, (share) => share.toFixed(2))}`),
            ],
          };
        }),
      },
    ];
  });
  return section([
    text(
      `\`${best.label}\` minus each comparator: same seeds, same test examples, same draws.`,
      'An interval without 0 is a difference on these sets; *over sets* asks whether other sets of the kind would show it.',
    ),
    { kind: 'figures', figures },
    {
      kind: 'folded',
      summary: 'The numbers of the plots, with tests over sets and the probability of improvement',
      parts: [
        text(
          '*Over sets*: Student’s interval of the mean over data sets.',
          '*p*: exact sign-flip test over data sets, corrected by Holm for the comparators of the table.',
          '*P(improvement)*: how often a run of ours beats a run of theirs on the same set; interval over seeds.',
        ),
        ...tables,
      ],
    },
    {
      kind: 'folded',
      summary: `Paired differences of every method to every comparator, and of ${best.label} on every set`,
      file: `${prefix}differences.md`,
      parts: [
        ...comparators.flatMap((method) => everyMethod(analysis, method)),
        ...everySet(analysis, best, comparators),
      ],
    },
  ]);
}

/** All methods against one comparator, by damage, over the sets that count. */
function everyMethod(analysis: Analysis, comparator: PlannedMethod): Part[] {
  const { plan } = analysis;
  const others = plan.methods.filter(({ name }) => name !== comparator.name);
  const cell = (method: PlannedMethod, damage: string): Cell => {
    const blocks = analysis.learnable(analysis.blocks(damage, [method.name, comparator.name]));
    return blocks.length === 0 ? plain('–') : marked(analysis, method, comparator, blocks);
  };
  return [
    { kind: 'heading', text: `Every method minus \`${comparator.label}\`, over the sets that count` },
    {
      kind: 'table',
      head: ['method', ...plan.damages.map(({ label }) => label)],
      rows: others.map((method) => ({
        name: `\`${method.label}\``,
        cells: plan.damages.map(({ name }) => cell(method, name)),
      })),
    },
  ];
}

/** The best preset against each comparator on every set, also on those that do not count. */
function everySet(analysis: Analysis, best: PlannedMethod, comparators: readonly PlannedMethod[]): Part[] {
  const { plan } = analysis;
  return comparators.flatMap((comparator): Part[] => [
    { kind: 'heading', text: `\`${best.label}\` minus \`${comparator.label}\`, on every set` },
    {
      kind: 'table',
      head: ['set', ...plan.damages.map(({ label }) => label)],
      rows: plan.datasets.map((dataset) => ({
        name: dataset,
        cells: plan.damages.map(({ name: damage }): Cell => {
          const block = { dataset, damage };
          const both = [best, comparator].every(({ name }) => analysis.score(block, name));
          return both ? marked(analysis, best, comparator, [block]) : plain('–');
        }),
      })),
    },
  ]);
}

function marked(analysis: Analysis, method: PlannedMethod, comparator: PlannedMethod, blocks: readonly Block[]): Cell {
  const seen = analysis.difference(method.name, comparator.name, blocks);
  return { text: difference(seen), strong: sure(seen.interval), shade: sure(seen.interval) ? seen.estimate / 0.05 : 0 };
}
