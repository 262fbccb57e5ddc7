import type { BinaryMetrics } from '@tsrl/evaluation';

/** One line of the history: where training stood, what the steps since the last line said, and the validation. */
export interface Evaluation {
  /** Refreshes that are complete (or begun), counted from 1. */
  readonly refresh: number;
  /** Passes over the present refresh that are complete. */
  readonly epoch: number;
  /** Steps taken. */
  readonly step: number;
  /** Tokens seen in training steps, without padding. */
  readonly tokens: number;
  /** Means over the steps since the last evaluation. */
  readonly train: Readonly<Record<string, number>>;
  /** `null` when there is no validation set. */
  readonly validation: BinaryMetrics | null;
  /** Whether these weights are the best so far. */
  readonly best: boolean;
}

/** Why training ended. */
export type StopReason = 'completed' | 'time' | 'patience' | 'aborted';

export interface TrainResult {
  readonly history: readonly Evaluation[];
  readonly stopped: StopReason;
  /** The line of the history whose weights the policy now has; `null` when they are simply the last. */
  readonly best: Evaluation | null;
  readonly steps: number;
  readonly tokens: number;
  /** Over all sessions of a resumed run. */
  readonly seconds: number;
}

/** What happens while training; draw it or ignore it. */
export type TrainEvent =
  | {
      readonly type: 'start';
      /** Without a stop of any kind. */
      readonly totalSteps: number;
      /** 0, or where a resumed run goes on. */
      readonly step: number;
      /** Lines that a resumed run already has. */
      readonly history: readonly Evaluation[];
      /** Whether what the method observes of the policy is observed once for the whole run: there is one refresh. */
      readonly frozen: boolean;
    }
  /** The policy is about to be scored before the first step, for a method that asks for `refLogits`. */
  | { readonly type: 'reference'; readonly examples: number }
  | { readonly type: 'observe'; readonly refresh: number; readonly examples: number }
  | {
      readonly type: 'step';
      readonly step: number;
      readonly totalSteps: number;
      readonly refresh: number;
      readonly epoch: number;
      readonly tokens: number;
      readonly metrics: Readonly<Record<string, number>>;
    }
  /** The policy went farther than `targetKl` allows: the refresh ends before its last epoch. */
  | { readonly type: 'targetKl'; readonly refresh: number; readonly epoch: number; readonly kl: number }
  | { readonly type: 'evaluate'; readonly examples: number }
  | { readonly type: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly type: 'checkpoint'; readonly step: number }
  | { readonly type: 'end'; readonly result: TrainResult };
