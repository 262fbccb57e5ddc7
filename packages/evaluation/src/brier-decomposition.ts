import { expectProbabilities } from './binary-data.js';

/** The parts of a Brier score, as plain JSON. */
export type BrierDecomposition = {
  /** Mean (p − y)² = reliability − resolution + uncertainty. */
  readonly brier: number;
  /** Mean squared distance of a forecast from how often it came true; 0 is calibrated. */
  readonly reliability: number;
  /** Mean squared distance of how often a forecast came true from the base rate; higher is better. */
  readonly resolution: number;
  /** ȳ(1 − ȳ), the Brier score of always forecasting the base rate. */
  readonly uncertainty: number;
  /** 1 − brier/uncertainty; `null` when a class is missing. */
  readonly skill: number | null;
};

/**
 * Murphy's decomposition of the Brier score, over groups of identical forecasts, where it is an identity:
 *
 *   mean (p − y)² = Σ (n_g/N)(p_g − ȳ_g)² − Σ (n_g/N)(ȳ_g − ȳ)² + ȳ(1 − ȳ)
 *
 * When all forecasts differ each is a group of its own; round them first for parts that mean something.
 *
 * @param probabilities of class 1
 * @throws ShapeError when the lengths differ, DataError for no example, a label other than 0 and 1, or a probability
 * outside [0, 1]
 * @see Murphy 1973, "A new vector partition of the probability score"
 */
export function brierDecomposition(probabilities: ArrayLike<number>, labels: ArrayLike<number>): BrierDecomposition {
  const positives = expectProbabilities('brierDecomposition', probabilities, labels);
  const n = labels.length;
  const rate = positives / n;
  const groups = new Map<number, { count: number; hits: number }>();
  let brier = 0;
  for (let i = 0; i < n; i++) {
    const [p, y] = [probabilities[i] as number, labels[i] as number];
    const { count, hits } = groups.get(p) ?? { count: 0, hits: 0 };
    groups.set(p, { count: count + 1, hits: hits + y });
    brier += (p - y) ** 2 / n;
  }
  let [reliability, resolution] = [0, 0];
  for (const [p, { count, hits }] of groups) {
    reliability += (count / n) * (p - hits / count) ** 2;
    resolution += (count / n) * (hits / count - rate) ** 2;
  }
  const uncertainty = rate * (1 - rate);
  return { brier, reliability, resolution, uncertainty, skill: uncertainty === 0 ? null : 1 - brier / uncertainty };
}
