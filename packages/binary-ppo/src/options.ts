import { OptionError, type Schedule, show } from '@tsrl/core';
import type { BinaryCrossEntropyInputs } from '@tsrl/losses';
import type { BinaryReward } from '@tsrl/rewards';
import type { Loss } from '@tsrl/tensor';
import type { Baseline } from './baselines.js';

/** The weight of a term: a number of at least 0, or a schedule over the steps of the run, counted from 0. */
export type Coefficient = number | Schedule;

/** Options of BinaryPPO; the defaults are the preset `stable` of core.md 2.10. */
export interface BinaryPpoOptions {
  /** Reward of one action on one example. Default `logComplement()`: the printed reward with its sign put right. */
  readonly reward?: BinaryReward;
  /**
   * `enumerate` (default) counts all actions with their probability under the behaviour policy; `sample` draws them,
   * as the paper does; `label` takes the action of the label alone, imitation that asks for the baseline `analytic`.
   */
  readonly actions?: 'enumerate' | 'sample' | 'label';
  /** Draws per example in the mode `sample`; default 1. */
  readonly samplesPerExample?: number;
  /** c > 0: rewards are held in [−c, c], after all corrections. Off by default. */
  readonly rewardClip?: number;
  /**
   * `analytic` (default) is exact; `valueHead` asks the policy for V(x) and trains it, as the paper does; `batchMean` is
   * the mean reward of the refresh.
   */
  readonly baseline?: Baseline;
  /** Advantages over the whole refresh: divided by their deviation (`scale`, default), centred too, or as they are. */
  readonly normalize?: 'scale' | 'whiten' | 'none';
  /** c > 0: advantages are held in [−c, c] after the normalisation. Off by default. */
  readonly advantageClip?: number;
  /** Times the advantages at the end: the weight of the policy term beside the others. Default 1. */
  readonly advantageScale?: number;
  /** Default 0.2. */
  readonly clipLow?: number;
  /** Default `clipLow`. */
  readonly clipHigh?: number;
  /** c > 1; off by default. */
  readonly dualClip?: number;
  /** α, of the value loss; default 0.5, and no such term without a value head. */
  readonly valueCoefficient?: Coefficient;
  /** The farthest that a value may move from its old one before it stops counting (see `valueLoss`). Off by default. */
  readonly valueClip?: number;
  /** β, of the supervised term; default 0.1. */
  readonly supervisedCoefficient?: Coefficient;
  /**
   * The supervised term, of the choice between the two classes; default `binaryCrossEntropy()`. The other losses of
   * @tsrl/losses over `{ logits, labels }` fit too.
   */
  readonly supervisedLoss?: Loss<BinaryCrossEntropyInputs>;
  /** γ, of the entropy bonus; default 0.01. */
  readonly entropyCoefficient?: Coefficient;
  /** Of the divergence from the reference policy; default 0. With any other, `prepare` needs `refLogits`. */
  readonly klCoefficient?: Coefficient;
  /** `forward` (default) is KL(π_ref ‖ π), `reverse` KL(π ‖ π_ref). */
  readonly klDirection?: 'forward' | 'reverse';
  /**
   * W: for the first W steps of the run the loss is the supervised term alone, with weight 1 (core.md 2.11, step 1).
   * Default 0. Best a multiple of the steps of a refresh, since the behaviour policy is observed when a refresh begins;
   * the reference policy is the one before these steps.
   */
  readonly warmupSteps?: number;
  /**
   * −κ, what an answer that is neither class earns, whatever the label; at most 0, and −1 is usual. Given, the policy must
   * tell the log-probability of a valid answer (`logMass`), and an invalid one is its third action. Off by default.
   */
  readonly invalidReward?: number;
}

/** Throws an OptionError for the first option that is out of range, unless a part of BinaryPPO checks it itself. */
export function expectOptions(options: BinaryPpoOptions): void {
  expectOneOf('actions', options.actions, ['enumerate', 'sample', 'label']);
  expectOneOf('baseline', options.baseline, ['analytic', 'valueHead', 'batchMean', 'none']);
  expectOneOf('normalize', options.normalize, ['scale', 'whiten', 'none']);
  expectOneOf('klDirection', options.klDirection, ['forward', 'reverse']);
  const { actions, baseline = 'analytic' } = options;
  if (actions === 'label' && baseline !== 'analytic') fail('baseline', '"analytic" for the actions "label"', baseline);
  const atLeast0 = (x: number): boolean => x >= 0 && x < Number.POSITIVE_INFINITY;
  const ranges: readonly [keyof BinaryPpoOptions, (x: number) => boolean, string][] = [
    ['samplesPerExample', (x) => Number.isInteger(x) && x >= 1, 'an integer of at least 1'],
    ['valueCoefficient', atLeast0, 'at least 0 and finite'],
    ['supervisedCoefficient', atLeast0, 'at least 0 and finite'],
    ['entropyCoefficient', atLeast0, 'at least 0 and finite'],
    ['klCoefficient', atLeast0, 'at least 0 and finite'],
    ['advantageScale', atLeast0, 'at least 0 and finite'],
    ['rewardClip', (x) => x > 0, 'positive'],
    ['advantageClip', (x) => x > 0, 'positive'],
    ['clipLow', (x) => x >= 0 && x < 1, 'in [0, 1)'],
    ['clipHigh', (x) => x >= 0, 'at least 0'],
    ['dualClip', (x) => x > 1, 'above 1'],
    ['warmupSteps', (x) => Number.isInteger(x) && x >= 0, 'an integer of at least 0'],
    ['invalidReward', (x) => x <= 0 && x > Number.NEGATIVE_INFINITY, 'at most 0 and finite'],
  ];
  for (const [name, fits, expected] of ranges) {
    const value = options[name];
    if (typeof value === 'number' && !fits(value)) fail(name, expected, value);
  }
}

function expectOneOf(option: string, value: string | undefined, known: readonly string[]): void {
  if (value !== undefined && !known.includes(value)) fail(option, known.map(show).join(' or '), value);
}

function fail(option: string, expected: string, got: unknown): never {
  throw new OptionError('binaryPpo', option, expected, got);
}
