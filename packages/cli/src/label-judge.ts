import { DataError, isTsrlError, type Rng } from '@tsrl/core';
import type { LabelledText } from '@tsrl/data';
import { type LabelQuality, labelQuality, type TextVectors } from './label-quality.js';
import type { NoiseFacts } from './make-method.js';
import type { TrainSettings } from './settings/index.js';

/** Judges the training labels, with vectors of the texts where there are any; or says why it cannot. */
export type Judge = (vectors?: TextVectors) => LabelQuality | string;

/** A judge of these texts. What it finds without vectors it finds once. */
export function judgeOf(train: readonly LabelledText[], rng: Rng): Judge {
  const judge = (vectors?: TextVectors): LabelQuality | string => {
    try {
      return labelQuality(train, rng.fork('deal'), vectors);
    } catch (error) {
      if (isTsrlError(error, 'data')) return error.message;
      throw error;
    }
  };
  let byWords: LabelQuality | string | undefined;
  return (vectors) => {
    if (vectors) return judge(vectors);
    byWords ??= judge();
    return byWords;
  };
}

/** Where facts of the noise come from. */
interface NoiseSources {
  /** What is judged, for messages. */
  readonly file: string;
  /** Or says why it cannot. */
  readonly judge: () => LabelQuality | string | Promise<LabelQuality>;
  readonly trusted: () => Promise<NoiseFacts>;
}

/**
 * What the settings want to be known of wrong labels; `undefined` where two numbers, or nothing, will do. Beliefs in labels
 * do without rates: where these cannot be told from the labels, the labels are believed.
 *
 * @throws DataError where no rates can be told otherwise; what the sources throw
 */
export async function noiseFacts(
  { noiseRates, labels }: Pick<TrainSettings, 'noiseRates' | 'labels'>,
  { file, judge, trusted }: NoiseSources,
): Promise<NoiseFacts | undefined> {
  const beliefs = labels === 'posterior';
  if (noiseRates === null || (Array.isArray(noiseRates) && !beliefs)) return undefined;
  const noRates = (why: string): DataError =>
    new DataError(file, `--noise-rates ${noiseRates} finds no rates: ${why}; give two numbers, or --trusted`);
  const quality = async (): Promise<LabelQuality> => {
    const judged = await judge();
    if (typeof judged !== 'string') return judged;
    throw beliefs ? new DataError(file, `--labels posterior cannot judge the labels: ${judged}`) : noRates(judged);
  };
  const estimate = async (): Promise<NoiseFacts> => {
    if (noiseRates === 'trusted') return trusted();
    const rates = (await quality())[noiseRates as 'anchors' | 'confident'];
    if (typeof rates !== 'string') return rates;
    if (beliefs) return { falsePositive: 0, falseNegative: 0 };
    throw noRates(rates);
  };
  const rates = Array.isArray(noiseRates)
    ? { falsePositive: noiseRates[0] as number, falseNegative: noiseRates[1] as number }
    : await estimate();
  return beliefs ? { ...rates, probabilities: (await quality()).probabilities } : rates;
}
