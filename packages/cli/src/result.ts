import type { Json } from '@tsrl/core';
import type { BinaryMetrics } from '@tsrl/evaluation';
import type { Evaluation, StopReason } from '@tsrl/training';

/** How large a data set is, and how many of its labels are 1. */
export interface DataSize {
  readonly examples: number;
  readonly positives: number;
}

/** `result.json`: all that a run says at its end. */
export interface RunResult {
  readonly method: 'binary-ppo' | 'sft';
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
  /** On the test file, at threshold 0.5, of the weights that were kept. */
  readonly metrics: BinaryMetrics;
  readonly steps: number;
  /** Why training ended, and the step whose weights were kept. */
  readonly stopped: StopReason;
  readonly bestStep: number;
  /** Time spent in training, over all sessions of a resumed run. */
  readonly seconds: number;
  /** Tokens seen in training, without padding. */
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
