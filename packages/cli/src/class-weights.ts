import { balancedClassWeights, effectiveClassWeights } from '@tsrl/data';
import type { TrainSettings } from './settings/index.js';

/** Weights of class 0 and class 1 in reward and loss. */
export function classWeightsOf(
  { classWeights, effectiveBeta }: Pick<TrainSettings, 'classWeights' | 'effectiveBeta'>,
  counts: readonly [number, number],
): readonly [number, number] {
  switch (classWeights) {
    case 'none':
      return [1, 1];
    case 'balanced':
      return balancedClassWeights(counts);
    case 'effective':
      return effectiveClassWeights(counts, { beta: effectiveBeta });
  }
}

/** The share of class 1 in what training shows, each text counting with its weight: where the bias of a head begins. */
export function priorOf(
  settings: Pick<TrainSettings, 'sampling' | 'classWeights' | 'effectiveBeta'>,
  counts: readonly [number, number],
): number {
  if (settings.sampling !== 'plain') return 0.5;
  const [zeros, ones] = counts.map((n, label) => n * (classWeightsOf(settings, counts)[label] as number));
  return (ones as number) / ((zeros as number) + (ones as number));
}
