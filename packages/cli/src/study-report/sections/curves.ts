import { alignCurves } from '@tsrl/evaluation';
import { axis, ink, type Point } from '../../report/chart.js';
import { count } from '../../report/format.js';
import type { Analysis } from '../analysis.js';
import { lines } from '../charts.js';
import { type Section, text } from '../part.js';
import type { Roles } from '../roles.js';
import { shownMethods } from './aggregates.js';

/** Validation balanced accuracy over the steps, a plot for each damage: means over the sets that count and their seeds. */
export function curves(analysis: Analysis, roles: Roles, prefix: string): Section | null {
  const { plan } = analysis;
  const shown = shownMethods(analysis, roles);
  const figures = plan.damages.flatMap(({ name, label }) => {
    const sets = new Set(analysis.learnable(analysis.blocks(name)).map(({ dataset }) => dataset));
    const drawn = shown.flatMap((method) => {
      const runs = [...sets]
        .flatMap((dataset) => analysis.runs({ dataset, damage: name }, method.name))
        .filter(({ curve }) => curve.length > 1)
        .map(({ curve }) => ({
          samples: curve.map(({ step }) => step),
          scores: curve.map(({ balancedAccuracy }) => balancedAccuracy),
        }));
      const points = meanCurve(runs);
      return points.length > 1 ? [{ name: method.label, points }] : [];
    });
    if (drawn.length === 0) return [];
    const title = `Validation balanced accuracy, ${label}`;
    const values = drawn.flatMap(({ points }) => points.map(([, y]) => Number(y)));
    const svg = lines(
      {
        title,
        x: axis('step', { min: 0, axisLabel: { color: ink, fontSize: 12, formatter: count } }),
        y: axis('balanced accuracy', {
          nameGap: 44,
          min: Math.floor(20 * Math.min(...values)) / 20,
          max: Math.ceil(20 * Math.max(...values)) / 20,
        }),
      },
      drawn,
    );
    return [{ name: `${prefix}curves-${name}`, title, reading: `Mean over ${sets.size} sets and all seeds.`, svg }];
  });
  if (figures.length === 0) return null;
  return {
    name: 'curves',
    title: 'Learning curves',
    parts: [
      text(
        'On the validation split, which is damaged like the training data: with flipped labels nothing can reach 1, and',
        'heights cannot be compared with those on the clean test texts.',
      ),
      { kind: 'figures', figures },
    ],
  };
}

/** The mean of the runs wherever all of them have been evaluated, or lie between two evaluations. */
function meanCurve(runs: Parameters<typeof alignCurves>[0]): Point[] {
  const steps = [...new Set(runs.flatMap(({ samples }) => Array.from(samples)))].sort((a, b) => a - b);
  if (steps.length === 0) return [];
  const aligned = alignCurves(runs, steps);
  return steps.flatMap((step, i): Point[] => {
    const values = aligned.map((scores) => scores[i] as number | null);
    return values.some((value) => value === null)
      ? []
      : [[step, (values as number[]).reduce((sum, value) => sum + value, 0) / values.length]];
  });
}
