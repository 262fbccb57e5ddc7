import { DataError } from '@tsrl/core';
import { posteriorLabels } from '@tsrl/rewards';
import type { LabelQuality } from './label-quality.js';
import type { NoiseRates } from './make-method.js';
import type { TrainSettings } from './settings/index.js';

/** What is known of wrong labels. */
export interface Noise {
  /** As given or estimated. */
  readonly rates?: NoiseRates;
  /** [N]: the probability that the true label of each training text is 1. */
  readonly beliefs?: Float64Array;
  /** Why there are no beliefs, though they were asked for: the labels are taken as they are. */
  readonly problem?: string;
}

/** Where it comes from. */
interface NoiseSources {
  /** The training labels. */
  readonly observed: ArrayLike<number>;
  /** What holds them, for messages. */
  readonly file: string;
  readonly judge: () => LabelQuality | string | Promise<LabelQuality | string>;
  readonly trusted: () => Promise<NoiseRates>;
}

/**
 * What the settings want to be known of wrong labels. Beliefs do without what cannot be told: of labels that cannot be
 * judged, or seem to say nothing of the truth, there is nothing better to believe.
 *
 * @throws DataError where rates that a correction needs cannot be told; what the sources throw
 */
export async function noiseOf(
  { noiseRates, labels }: Pick<TrainSettings, 'noiseRates' | 'labels'>,
  { observed, file, judge, trusted }: NoiseSources,
): Promise<Noise> {
  if (noiseRates === null) return {};
  const rates = await ratesOf(noiseRates, { judge, trusted });
  if (labels === 'observed') {
    if (typeof rates !== 'string') return { rates };
    throw new DataError(file, `--noise-rates ${noiseRates} finds no rates: ${rates}; give two numbers, or --trusted`);
  }
  if (typeof rates === 'string') return { problem: rates };
  if (rates.falsePositive + rates.falseNegative === 0) return { rates }; // nothing speaks against the labels
  const judged = await judge();
  if (typeof judged === 'string') return { problem: judged };
  return { rates, beliefs: posteriorLabels({ labels: observed, probabilities: judged.probabilities }, rates) };
}

/** As given or estimated, or why they cannot be told. */
async function ratesOf(
  noiseRates: NonNullable<TrainSettings['noiseRates']>,
  { judge, trusted }: Pick<NoiseSources, 'judge' | 'trusted'>,
): Promise<NoiseRates | string> {
  if (typeof noiseRates !== 'string') return { falsePositive: noiseRates[0], falseNegative: noiseRates[1] };
  if (noiseRates === 'trusted') return trusted();
  const judged = await judge();
  return typeof judged === 'string' ? judged : judged[noiseRates];
}
