import { DataError, isTsrlError, type Rng } from '@tsrl/core';
import type { LabelledText } from '@tsrl/data';
import { loadLabelledTexts } from '@tsrl/data/node';
import { type LabelQuality, labelQuality, ratesFromTrusted, type TextVectors } from './label-quality.js';
import type { NoiseFacts } from './make-method.js';
import type { DataFiles } from './prepare-data.js';
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

/**
 * The noise rates, where the settings want them estimated.
 *
 * @throws DataError for labels from which no rates can be told, or a file of trusted texts that cannot be used
 */
export async function estimatedRates(
  { noiseRates }: Pick<TrainSettings, 'noiseRates'>,
  { trusted, train: file, textColumn, labelColumn }: DataFiles,
  train: readonly LabelledText[],
  judge: Judge,
): Promise<NoiseFacts | undefined> {
  if (noiseRates === 'trusted') {
    const columns = { ...(textColumn && { textColumn }), ...(labelColumn && { labelColumn }) };
    return ratesFromTrusted(await loadLabelledTexts(trusted as string, columns), train);
  }
  if (noiseRates !== 'confident') return undefined;
  const quality = judge();
  const rates = typeof quality === 'string' ? quality : quality.rates;
  if (typeof rates !== 'string') return rates;
  throw new DataError(file, `--noise-rates confident finds no rates: ${rates}; give two numbers, or --trusted`);
}
