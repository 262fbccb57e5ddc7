import type { Rng } from '@tsrl/core';
import type { LabelledText } from '@tsrl/data';
import { type LabelQuality, labelQuality, orReason, type TextVectors } from './label-quality.js';

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
