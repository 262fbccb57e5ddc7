import { DataError, type Rng } from '@tsrl/core';
import type { LabelledText } from '@tsrl/data';
import { posteriorLabels } from '@tsrl/rewards';
import { type LabelQuality, labelQuality, orReason, type TextVectors } from './label-quality.js';
import type { NoiseRates } from './make-method.js';
import type { TrainSettings } from './settings/index.js';

/** Judges the training labels, with vectors of the texts where there are any; or says why it cannot. */
export type Judge = (vectors?: TextVectors) => LabelQuality | string;

/** A judge of these texts. What it was asked once it knows. */
export function judgeOf(train: readonly LabelledText[], rng: Rng): Judge {
  const known = new Map<TextVectors | undefined, LabelQuality | string>();
  return (vectors) => {
    const judged = known.get(vectors) ?? orReason(() => labelQuality(train, rng.fork('deal'), vectors));
    known.set(vectors, judged);
    return judged;
  };
}

/** What is known of wrong labels beside the settings. */
export interface Noise {
  /** As estimated, or as given where labels are beliefs. */
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
 * What the settings want to be known of wrong labels, beside two numbers. Beliefs do without what cannot be told: of labels
 * that cannot be judged, or seem to say nothing of the truth, there is nothing better to believe.
 *
 * @throws DataError where rates that a correction needs cannot be told; what the sources throw
 */
export async function noiseOf(
  { noiseRates, labels }: Pick<TrainSettings, 'noiseRates' | 'labels'>,
  { observed, file, judge, trusted }: NoiseSources,
): Promise<Noise> {
  const given = Array.isArray(noiseRates)
    ? { falsePositive: noiseRates[0] as number, falseNegative: noiseRates[1] as number }
    : undefined;
  const estimated = async (): Promise<NoiseRates | string> => {
    if (noiseRates === 'trusted') return trusted();
    const judged = await judge();
    return typeof judged === 'string' ? judged : judged[noiseRates as 'anchors' | 'confident'];
  };
  if (labels === 'observed') {
    if (noiseRates === null || given) return {};
    const rates = await estimated();
    if (typeof rates !== 'string') return { rates };
    throw new DataError(file, `--noise-rates ${noiseRates} finds no rates: ${rates}; give two numbers, or --trusted`);
  }
  const rates = given ?? (await estimated());
  if (typeof rates === 'string') return { problem: rates };
  if (rates.falsePositive + rates.falseNegative === 0) return { rates }; // nothing speaks against the labels
  const judged = await judge();
  if (typeof judged === 'string') return { problem: judged };
  return { rates, beliefs: posteriorLabels({ labels: observed, probabilities: judged.probabilities }, rates) };
}
