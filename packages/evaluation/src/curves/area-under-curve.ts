import { expectCurve, type LearningCurve } from './learning-curve.js';

/**
 * Area under a learning curve by trapezoids, divided by its range of samples: the mean score over training, which
 * rewards fast learning. Compare runs over the same range. A single evaluation is its own mean.
 *
 * @throws ShapeError when the lengths differ, DataError for no evaluation, a number that is not finite, or samples that
 * do not increase
 */
export function areaUnderCurve(curve: LearningCurve): number {
  expectCurve('areaUnderCurve', 'curve', curve);
  const { samples, scores } = curve;
  const last = samples.length - 1;
  if (last === 0) return scores[0] as number;
  let area = 0;
  for (let i = 1; i <= last; i++) {
    const width = (samples[i] as number) - (samples[i - 1] as number);
    area += (width * ((scores[i] as number) + (scores[i - 1] as number))) / 2;
  }
  return area / ((samples[last] as number) - (samples[0] as number));
}
