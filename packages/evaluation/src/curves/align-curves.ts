import { expectFiniteValues } from '../finite-values.js';
import { expectCurve, type LearningCurve } from './learning-curve.js';

/**
 * The scores of runs at the same numbers of samples, by linear interpolation between their evaluations: what a mean
 * curve with an interval is drawn from. `null` outside the range of a run, which is not extended.
 *
 * @param at numbers of samples, in any order
 * @returns scores[run][point]
 * @throws ShapeError when the lengths of a curve differ, DataError for no evaluation, no point, a number that is not
 * finite, or samples that do not increase
 */
export function alignCurves(
  curves: readonly LearningCurve[],
  at: ArrayLike<number>,
): readonly (readonly (number | null)[])[] {
  expectFiniteValues('alignCurves', 'at', at);
  return curves.map((curve, run) => {
    expectCurve('alignCurves', `curves[${run}]`, curve);
    const samples = Array.from(curve.samples);
    return Array.from(at, (point) => {
      const right = samples.findIndex((sample) => sample >= point);
      const high = curve.scores[right] as number;
      if (right === -1 || samples[right] === point) return right === -1 ? null : high;
      if (right === 0) return null;
      const left = samples[right - 1] as number;
      const low = curve.scores[right - 1] as number;
      return low + ((point - left) / ((samples[right] as number) - left)) * (high - low);
    });
  });
}
