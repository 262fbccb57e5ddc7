import type { Analysis } from '../analysis.js';
import { range } from '../numbers.js';
import { plain, type Section, text } from '../part.js';
import type { Roles } from '../roles.js';
import { type Target, targetsOf, type Verdict } from '../targets.js';

const marks: Readonly<Record<Verdict, string>> = {
  'aim reached': '★ aim reached',
  met: '✓ met',
  'met, uncertain': '✓ met, not certain',
  'not met': '✗ not met',
  'not measured': '– not measured',
};

/** What was to be reached, set before the study, and what was. */
export function targetsSection(analysis: Analysis, roles: Roles): Section {
  const row = (target: Target) => ({
    name: target.what,
    cells: [
      plain(target.least),
      plain(target.aim),
      { text: target.seen, strong: true },
      plain(range(target.interval, target.write)),
      { text: marks[target.verdict], strong: true },
      plain(target.atChosen),
      plain(range(target.overSets, target.write)),
    ],
  });
  const targets = targetsOf(analysis, roles);
  return {
    name: 'targets',
    title: 'Targets',
    parts: [
      text(
        roles.best ? `The preset is \`${roles.best.label}\` in every row.` : '',
        'Differences are in points of balanced accuracy.',
        '*Seen* and its interval: threshold 0.5, over training seeds and test examples of these sets.',
        '*Over sets*: Student’s interval over the data sets, which speaks of other data sets of the kind and is wider.',
        '*Surely above 0*: the interval leaves 0 out. *Not certain*: the interval reaches below what was asked for.',
      ),
      {
        kind: 'table',
        head: ['target', 'at least', 'aim', 'seen', '95 % interval', 'reached', 'at the chosen threshold', 'over sets'],
        rows: targets.map(row),
      },
      {
        kind: 'folded',
        summary: 'What stands behind the rows: sets that count, the same over all sets, the choice of the preset',
        parts: [
          text(
            'A preset that is the best of several is flattered by the choice. *Preset chosen on the other sets* takes on each',
            'data set the preset that is best on all others, which is free of that.',
          ),
          {
            kind: 'table',
            head: ['target', 'note'],
            rows: targets.map(({ what, note }) => ({ name: what, cells: [plain(note)] })),
          },
        ],
      },
    ],
  };
}
