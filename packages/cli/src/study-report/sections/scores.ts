import { percentileInterval } from '@tsrl/evaluation';
import type { Analysis } from '../analysis.js';
import { points, range } from '../numbers.js';
import { type Cell, type Part, type PartRow, plain, type Section, text } from '../part.js';
import type { PlannedMethod } from '../plan.js';
import type { Block, Threshold } from '../set-scores.js';

const roleNames = { preset: 'preset', variant: 'ours', ablation: 'ablation', comparator: 'comparator' } as const;

/** Damage × method: means over the sets that count, as a heat table; the other threshold and the intervals folded. */
export function scores(analysis: Analysis): Section {
  const { plan } = analysis;
  const blocks = new Map(plan.damages.map(({ name }) => [name, analysis.learnable(analysis.blocks(name))]));
  const all = plan.datasets.length;
  const counted = plan.damages.map(({ label, name }) => `${label} (${blocks.get(name)?.length ?? 0})`).join(', ');
  return {
    name: 'scores',
    title: 'Balanced accuracy by damage and method',
    parts: [
      text(
        `Mean balanced accuracy in percent over the sets that count, clean test texts, threshold 0.5; chance is 50.`,
        `A set counts under a damage where the best method exceeds 60, of ${all} sets on ${counted}.`,
        'The best of a column is bold; blue is above the median of its column and orange below, in full from 5 points on.',
        'A column may average other sets than its neighbour: compare down, not across.',
      ),
      heat(analysis, blocks, 'half'),
      {
        kind: 'folded',
        summary: 'The same with 95 % intervals over seeds and test examples',
        parts: [withIntervals(analysis, blocks, 'half')],
      },
      {
        kind: 'folded',
        summary: 'At the threshold chosen on the (damaged) validation split',
        parts: [heat(analysis, blocks, 'chosen'), withIntervals(analysis, blocks, 'chosen')],
      },
    ],
  };
}

/** A difference to the median that has the full colour. */
const FULL = 0.05;

type Blocks = ReadonlyMap<string, readonly Block[]>;

function heat(analysis: Analysis, blocks: Blocks, threshold: Threshold): Part {
  return grid(
    analysis,
    blocks,
    (means) => {
      const present = means.filter((mean) => mean !== null);
      const best = Math.max(...present);
      const middle = present.toSorted((a, b) => a - b)[Math.floor(present.length / 2)] ?? 0;
      return means.map((mean): Cell => {
        if (mean === null) return plain('–');
        const strong = points(mean) === points(best);
        return { text: points(mean), strong, shade: (mean - middle) / FULL };
      });
    },
    threshold,
  );
}

function withIntervals(analysis: Analysis, blocks: Blocks, threshold: Threshold): Part {
  return grid(
    analysis,
    blocks,
    (means, damage) =>
      means.map((mean, i): Cell => {
        const own = blocks.get(damage) ?? [];
        const method = analysis.plan.methods[i] as PlannedMethod;
        if (mean === null) return plain('–');
        return plain(`${points(mean)} ${range(percentileInterval(analysis.mean(method.name, own, threshold)))}`);
      }),
    threshold,
  );
}

/** A row for each method, a column for each damage; a method without all sets of a column has no mean there. */
function grid(
  analysis: Analysis,
  blocks: Blocks,
  column: (means: readonly (number | null)[], damage: string) => Cell[],
  threshold: Threshold,
): Part {
  const { plan } = analysis;
  const columns = plan.damages.map(({ name }) => {
    const own = blocks.get(name) ?? [];
    const means = plan.methods.map((method) =>
      own.length > 0 && own.every((block) => analysis.score(block, method.name))
        ? analysis.mean(method.name, own, threshold).estimate
        : null,
    );
    return column(means, name);
  });
  const rows = plan.methods.map(
    (method, i): PartRow => ({
      name: `\`${method.label}\``,
      note: roleNames[method.role],
      cells: columns.map((cells) => cells[i] as Cell),
    }),
  );
  return { kind: 'table', head: ['method', ...plan.damages.map(({ label }) => label)], rows };
}
