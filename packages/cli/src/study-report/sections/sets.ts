import { percentileInterval } from '@tsrl/evaluation';
import { count } from '../../report/format.js';
import type { Analysis } from '../analysis.js';
import { points, range } from '../numbers.js';
import { type Cell, type Part, plain, type Section, text } from '../part.js';
import type { Threshold } from '../set-scores.js';

/** Every data set by itself, in a file of its own. */
export function sets(analysis: Analysis, prefix: string): Section {
  const { plan, track } = analysis;
  const sizes: Part = {
    kind: 'table',
    head: ['set', 'training', 'of class 1', 'test', 'of class 1', 'counts with damage'],
    rows: plan.datasets.map((dataset) => {
      const clean = plan.damages.find(({ group }) => group === 'clean')?.name;
      const data = track.cells.find((cell) => cell.dataset === dataset && cell.damage === clean)?.data;
      const test = track.datasets[dataset];
      const counts = plan.damages.filter(({ name }) => analysis.learnable([{ dataset, damage: name }]).length > 0);
      const which = counts.length === plan.damages.length ? 'all' : counts.map(({ label }) => label).join(', ');
      return {
        name: dataset,
        cells: [
          plain(data ? count(data.train) : '–'),
          plain(data ? `${points(data.positives / data.train)} %` : '–'),
          plain(test ? count(test.test) : '–'),
          plain(test ? `${points(test.positives / test.test)} %` : '–'),
          plain(which || 'none'),
        ],
      };
    }),
  };
  const perSet = plan.datasets.flatMap((dataset): Part[] => [
    { kind: 'heading', text: dataset },
    grid(analysis, dataset, 'half'),
    {
      kind: 'folded',
      summary: `${dataset}, at the threshold chosen on validation data`,
      parts: [grid(analysis, dataset, 'chosen')],
    },
  ]);
  return {
    name: 'sets',
    title: 'Each data set',
    parts: [
      text('Training examples are those of a clean run, without its validation split.'),
      sizes,
      {
        kind: 'folded',
        summary: 'Every data set, damage and method with its interval',
        file: `${prefix}sets.md`,
        parts: [
          text(
            'Mean balanced accuracy in percent over the seeds, threshold 0.5, with 95 % intervals over seeds and test',
            'examples. A run that failed counts as 50.',
          ),
          ...perSet,
        ],
      },
    ],
  };
}

function grid(analysis: Analysis, dataset: string, threshold: Threshold): Part {
  const { plan } = analysis;
  const columns = plan.damages.map(({ name: damage }) => {
    const scores = plan.methods.map((method) => analysis.score({ dataset, damage }, method.name)?.bootstrap[threshold]);
    const best = Math.max(...scores.map((score) => score?.estimate ?? 0));
    return scores.map((score): Cell => {
      if (!score) return plain('–');
      const strong = points(score.estimate) === points(best);
      return { text: `${points(score.estimate)} ${range(percentileInterval(score))}`, strong };
    });
  });
  return {
    kind: 'table',
    head: ['method', ...plan.damages.map(({ label }) => label)],
    rows: plan.methods.map((method, i) => ({
      name: `\`${method.label}\``,
      cells: columns.map((column) => column[i] as Cell),
    })),
  };
}
