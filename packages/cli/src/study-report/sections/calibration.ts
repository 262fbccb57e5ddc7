import type { Analysis } from '../analysis.js';
import { calibrationOf, ENOUGH } from '../calibration-scores.js';
import { range } from '../numbers.js';
import { type Cell, type Part, plain, type Section, text } from '../part.js';
import type { PlannedMethod } from '../plan.js';

/** Expected calibration error before and after temperature scaling, on the sets that are large enough. */
export function calibration(analysis: Analysis): Section {
  const { plan } = analysis;
  const found = plan.methods.map((method) =>
    plan.damages.map((damage) => calibrationOf(analysis, method.name, damage.name)),
  );
  const table = (
    shown: readonly PlannedMethod[],
    cell: (one: NonNullable<ReturnType<typeof calibrationOf>>, best: boolean) => Cell,
  ): Part => ({
    kind: 'table',
    head: ['method', ...plan.damages.map(({ label }) => label)],
    rows: shown.map((method) => ({
      name: `\`${method.label}\``,
      cells: plan.damages.map((_, d): Cell => {
        const own = found[plan.methods.indexOf(method)]?.[d];
        const least = Math.min(...found.flatMap((row) => row[d]?.after.estimate ?? []));
        return own ? cell(own, own.after.estimate === least) : plain('–');
      }),
    })),
  });
  const main = plan.methods.filter(({ role }) => role === 'preset' || role === 'comparator');
  return {
    name: 'calibration',
    title: 'Calibration',
    parts: [
      text(
        `Expected calibration error (15 bins, of the predicted class) on clean test texts, mean over the sets with more`,
        `than ${ENOUGH.toLocaleString('en')} training examples: as trained → after temperature scaling. The best of all methods after scaling is bold.`,
        'The temperature comes from the damaged validation split, so that flips there keep probabilities low on clean texts.',
      ),
      table(main, ({ before, after }, strong) => ({
        text: `${before.estimate.toFixed(3)}\u00a0→\u00a0${after.estimate.toFixed(3)}`,
        strong,
      })),
      {
        kind: 'folded',
        summary: 'All methods, after scaling, with 95 % intervals over seeds',
        parts: [
          table(plan.methods, ({ after }) =>
            plain(`${after.estimate.toFixed(3)} ${range(after.interval, (ece) => ece.toFixed(3))}`),
          ),
        ],
      },
    ],
  };
}
