import { Buffer } from 'node:buffer';
import { type Json, sigmoid } from '@tsrl/core';
import { type BinaryMetrics, binaryMetrics, chooseThreshold, temperature } from '@tsrl/evaluation';

/** Metrics on the clean test set. */
export type CellMetrics = Pick<
  BinaryMetrics,
  'accuracy' | 'balancedAccuracy' | 'f1' | 'mcc' | 'auroc' | 'averagePrecision' | 'nll' | 'brier' | 'ece'
>;

/** One cell of the grid, as OUT/cells/DATASET/DAMAGE/METHOD/SEED.json holds it. */
export interface CellResult extends CellKey, Measured {
  /** What it was made of; a cell that was made of the same is not made again. */
  readonly inputs: Json;
  /** What tuning chose; empty where there was nothing to choose. */
  readonly tuned: Json;
}

/** Which cell: the folders of its file. */
export interface CellKey {
  /** The name of the study. */
  readonly track: string;
  readonly dataset: string;
  readonly damage: string;
  readonly method: string;
  readonly seed: number;
}

/** What a run gives, wherever it belongs. */
export interface Measured {
  /** Every setting of the run, defaults included. */
  readonly settings: Json;
  readonly steps: number;
  /** From the first step to the last score. */
  readonly seconds: number;
  readonly data: {
    readonly train: number;
    /** Training labels that say 1, damaged as they are. */
    readonly positives: number;
    /** Training labels that were flipped on purpose. */
    readonly flipped: number;
    readonly validation: number;
    readonly test: number;
  };
  /** At threshold 0.5, and at the one chosen on the validation split, which is damaged like the training data. */
  readonly half: CellMetrics;
  readonly chosen: CellMetrics & { readonly threshold: number };
  /** By a temperature from the validation split. */
  readonly scaled: { readonly temperature: number; readonly ece: number; readonly nll: number };
  /** Which test examples are right at 0.5, and at the chosen threshold: see {@link packBits}. */
  readonly right: string;
  readonly rightChosen: string;
  /** On the validation split, as training went. */
  readonly curve: readonly { readonly step: number; readonly balancedAccuracy: number }[];
}

/** z of class 1, and labels. */
export interface ScoredLabels {
  readonly logits: Float64Array;
  readonly labels: Float64Array;
}

/** All that is said of a test set; threshold and temperature come from the validation split alone. */
export function measure(
  validation: ScoredLabels,
  test: ScoredLabels,
): Pick<Measured, 'half' | 'chosen' | 'scaled' | 'right' | 'rightChosen'> {
  const threshold = chooseThreshold(validation.logits.map(sigmoid), validation.labels);
  const T = temperature(validation);
  const scaled = binaryMetrics({ logits: test.logits.map((z) => z / T), labels: test.labels });
  return {
    half: metricsAt(test, 0.5),
    chosen: { ...metricsAt(test, threshold), threshold },
    scaled: { temperature: T, ece: scaled.ece, nll: scaled.nll as number },
    right: packBits(rightAt(test, 0.5)),
    rightChosen: packBits(rightAt(test, threshold)),
  };
}

function metricsAt(test: ScoredLabels, threshold: number): CellMetrics {
  const all = binaryMetrics(test, { threshold });
  const { accuracy, balancedAccuracy, f1, mcc, auroc, averagePrecision, nll, brier, ece } = all;
  return { accuracy, balancedAccuracy, f1, mcc, auroc, averagePrecision, nll, brier, ece };
}

const rightAt = ({ logits, labels }: ScoredLabels, threshold: number): boolean[] =>
  Array.from(logits, (z, i) => (sigmoid(z) >= threshold ? 1 : 0) === labels[i]);

/** One bit each, eight to a byte, the first one the least significant; base64. */
export function packBits(bits: ArrayLike<boolean>): string {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++) {
    if (bits[i]) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  }
  return Buffer.from(bytes).toString('base64');
}
