import { count } from '../../report/format.js';
import type { Analysis } from '../analysis.js';
import type { FailedCell } from '../cell.js';
import { type Part, plain, type Section, text } from '../part.js';

/** What did not work, and what is not there. */
export function failures({ track, plan, score, runs }: Analysis): Section {
  const failedGroups = new Set(track.failed.map(({ dataset, damage, method }) => `${dataset}/${damage}/${method}`));
  const total = track.cells.length + track.failed.length;
  const missing = plan.datasets.flatMap((dataset) =>
    plan.damages.flatMap(({ name: damage }) =>
      plan.methods
        .filter(
          ({ name }) => runs({ dataset, damage }, name).length > 0 || failedGroups.has(`${dataset}/${damage}/${name}`),
        )
        .filter(({ name }) => !score({ dataset, damage }, name))
        .map(({ name }) => `${dataset}/${damage}/${name}`),
    ),
  );
  const failed: readonly Part[] =
    track.failed.length === 0
      ? []
      : [
          text('A run that failed counts as a classifier that always gives the same answer: balanced accuracy 50.'),
          {
            kind: 'folded',
            summary: 'What they said',
            parts: [
              {
                kind: 'table',
                head: ['cells', 'seeds', 'what the first one said'],
                rows: bySeeds(track.failed).map(({ path, seeds, error }) => ({
                  name: `\`${path}\``,
                  cells: [plain(seeds.join(', ')), plain(oneLine(error))],
                })),
              },
            ],
          },
        ];
  const lacking: readonly Part[] =
    missing.length === 0
      ? []
      : [
          {
            kind: 'folded',
            summary: `${count(missing.length)} that lack seeds, and are in no mean and no comparison`,
            parts: [text(missing.map((path) => `\`${path}\``).join(', '))],
          },
        ];
  return {
    name: 'failures',
    title: 'What failed',
    parts: [text(`${count(track.failed.length)} of ${count(total)} runs failed.`), ...failed, ...lacking],
  };
}

/** The seeds of one data set, damage and method in one row, in the order of the page. */
function bySeeds(failed: readonly FailedCell[]) {
  const rows = new Map<string, { readonly path: string; readonly seeds: number[]; readonly error: string }>();
  for (const { dataset, damage, method, seed, error } of failed) {
    const path = `${dataset}/${damage}/${method}`;
    const row = rows.get(path) ?? { path, seeds: [], error };
    rows.set(path, row);
    row.seeds.push(seed);
  }
  return [...rows.values()];
}

const oneLine = (message: string): string => message.replace(/\s+/g, ' ').replaceAll('|', '/');
