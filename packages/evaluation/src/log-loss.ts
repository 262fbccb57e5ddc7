import { OptionError } from '@tsrl/core';
import { expectProbabilities } from './binary-data.js';

/** A clipped log-loss, as plain JSON. */
export type LogLoss = {
  /** Mean −log p(y) in nats, p(y) at least `clip`. */
  readonly nll: number;
  /** How many p(y) were raised to `clip`: with any, `nll` depends on `clip`. */
  readonly clipped: number;
};

/**
 * The mean of −log max(p(y), clip), for forecasts that may be 0 or 1; `binaryMetrics` gives the plain one, which is
 * `null` where it is infinite.
 *
 * @param probabilities of class 1
 * @throws OptionError for a clip outside (0, 0.5), ShapeError when the lengths differ, DataError for no example, a label
 * other than 0 and 1, or a probability outside [0, 1]
 */
export function logLoss(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  {
    clip = 1e-12,
  }: {
    /** The smallest probability that counts, in (0, 0.5). Default 1e-12. */
    readonly clip?: number;
  } = {},
): LogLoss {
  if (!(clip > 0 && clip < 0.5)) throw new OptionError('logLoss', 'clip', 'in (0, 0.5)', clip);
  expectProbabilities('logLoss', probabilities, labels);
  let [sum, clipped] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const p = probabilities[i] as number;
    const ofLabel = labels[i] === 1 ? p : 1 - p;
    if (ofLabel < clip) {
      clipped += 1;
      sum -= Math.log(clip);
    } else {
      sum -= labels[i] === 1 ? Math.log(p) : Math.log1p(-p);
    }
  }
  return { nll: sum / labels.length, clipped };
}
