import type { Json } from '@tsrl/core';
import type { BinaryMetrics } from '@tsrl/evaluation';
import type { Evaluation, StopReason } from '@tsrl/training';
import type { TrainSettings } from './settings/index.js';

/** How large a data set is, and how many of its labels are 1. */
export interface DataSize {
  readonly examples: number;
  readonly positives: number;
}

/** What a run learned about the labels it was given. */
export interface LabelReport {
  /** The model that judged: logistic regression over the words of the texts, or over the vectors of the frozen model. */
  readonly by: 'tf-idf' | 'vectors';
  readonly folds: number;
  /** Estimated shares of wrong labels: of true 0, and of true 1; `null` where the data give none. */
  readonly falsePositive: number | null;
  readonly falseNegative: number | null;
  /** How many texts stand in `suspects.jsonl`. */
  readonly suspects: number;
}

/** `result.json`: all that a run says at its end. */
export interface RunResult {
  readonly method: TrainSettings['method'];
  readonly seed: number;
  /** Every setting that the run was made with, defaults included. */
  readonly configuration: Json;
  readonly data: {
    /** As trained on: after the split, the imbalance and the noise that were asked for. */
    readonly train: DataSize & { readonly flippedLabels: number };
    readonly validation: DataSize;
    readonly test: DataSize;
  };
  readonly model: { readonly parameters: number; readonly trainable: number };
  /** On the test file, of the weights that were kept, at the threshold and the temperature of the saved model. */
  readonly metrics: BinaryMetrics;
  /** Log-odds are divided by it; 1 unless it was asked for. */
  readonly temperature: number;
  /** What cross-validation says of the training labels; absent where it could not say anything. */
  readonly labels?: LabelReport;
  /** e₀ and e₁ as the method was told of them, given or estimated. */
  readonly noiseRates?: readonly [number, number];
  readonly steps: number;
  /** Why training ended, and the step whose weights were kept. */
  readonly stopped: StopReason;
  readonly bestStep: number;
  /** Time spent in training, over all sessions of a resumed run. */
  readonly seconds: number;
  /** Tokens seen in training, without padding; with a frozen model those of all texts, read once. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly backend: string;
}

/** A run as a report shows it. */
export interface ReportRun {
  readonly result: RunResult;
  readonly history: readonly Evaluation[];
  /** [N] z and [N] labels of the test set. */
  readonly test: { readonly logits: ArrayLike<number>; readonly labels: ArrayLike<number> };
}

/** What the best possible classifier would reach, where it is known. */
export interface Ceiling {
  readonly accuracy: number;
  readonly balancedAccuracy: number;
  readonly f1: number;
  readonly auroc: number;
}

/** Everything on a report page. */
export interface ReportInput {
  readonly title: string;
  /** One or two sentences: what was trained on what. */
  readonly summary: string;
  /** One run, or several to be compared on the same test set. */
  readonly runs: readonly ReportRun[];
  readonly ceiling?: Ceiling;
}
