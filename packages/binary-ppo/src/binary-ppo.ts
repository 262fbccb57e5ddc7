import * as tf from '@tensorflow/tfjs-core';
import { normalizeAdvantages } from '@tsrl/advantages';
import { expectLength, type Grid, OptionError, type Rng, StateError, show } from '@tsrl/core';
import {
  type BinaryCrossEntropyInputs,
  binaryCrossEntropy,
  entropyBonus,
  objective,
  ppoClip,
  scale,
  valueLoss,
} from '@tsrl/losses';
import { type BinaryReward, logComplement } from '@tsrl/rewards';
import {
  type BinaryScores,
  bernoulliEntropy,
  bernoulliKl,
  bernoulliLogProbs,
  type Loss,
  type PerToken,
  sequenceSum,
  stopGradient,
} from '@tsrl/tensor';
import { enumerateActions, labelActions, rewardsOfActions, sampleActions } from './actions.js';
import { againstBaseline, type Baseline, mapGrid } from './baselines.js';
import { referenceKl } from './reference-kl.js';

/** Options of BinaryPPO; the defaults are the preset `stable` of core.md 2.10. */
export interface BinaryPpoOptions {
  /** Reward of one action on one example. Default `logComplement()`: the printed reward with its sign put right. */
  readonly reward?: BinaryReward;
  /**
   * `enumerate` (default) counts both actions with their probability under the behaviour policy; `sample` draws them,
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
  readonly valueCoefficient?: number;
  /** The farthest that a value may move from its old one before it stops counting (see `valueLoss`). Off by default. */
  readonly valueClip?: number;
  /** β, of the supervised term; default 0.1. */
  readonly supervisedCoefficient?: number;
  /** The supervised term; default `binaryCrossEntropy()`, with smoothing and class weights as its options. */
  readonly supervisedLoss?: Loss<BinaryCrossEntropyInputs>;
  /** γ, of the entropy bonus; default 0.01. */
  readonly entropyCoefficient?: number;
  /** Of the divergence from the reference policy; default 0. Above it, `prepare` needs `refLogits`. */
  readonly klCoefficient?: number;
  /** `forward` (default) is KL(π_ref ‖ π), `reverse` KL(π ‖ π_ref). */
  readonly klDirection?: 'forward' | 'reverse';
}

/** What stays fixed between two refreshes, for N examples; columns of [N, 2] belong to the actions 0 and 1. */
export type BinaryPpoColumns = {
  /** [N], 0 or 1. */
  readonly labels: Float64Array;
  /** [N], z of the behaviour policy. */
  readonly oldLogits: Float64Array;
  /** [N, 2], how much each action counts; each row sums to 1. */
  readonly weights: Grid;
  /** [N, 2] */
  readonly advantages: Grid;
  /** [N, 2], what the value head is fitted to. */
  readonly returns: Grid;
  /** [N], V(x) of the behaviour policy; there with `valueClip`. */
  readonly oldValues?: Float64Array;
  /** [N], z of the reference policy; there with a `klCoefficient` above 0. */
  readonly refLogits?: Float64Array;
};

/** What the loss needs of a minibatch of B examples. */
export interface BinaryPpoInputs extends BinaryScores {
  readonly labels: tf.Tensor1D;
  readonly oldLogits: tf.Tensor1D;
  readonly weights: tf.Tensor2D;
  readonly advantages: tf.Tensor2D;
  readonly returns: tf.Tensor2D;
  readonly oldValues?: tf.Tensor1D;
  readonly refLogits?: tf.Tensor1D;
}

/** The parts of BinaryPPO; each works alone, and fits the `Method` of `@tsrl/training`. */
export interface BinaryPpo {
  readonly name: 'binary-ppo';
  readonly observes: readonly ('logits' | 'values' | 'logMass' | 'refLogits')[];
  readonly reward: BinaryReward;
  /** Rewards, actions, baseline and advantages of one refresh, on the host in float64. */
  prepare(observation: {
    readonly labels: Float64Array;
    readonly logits?: Float64Array;
    readonly values?: Float64Array;
    /** Of the reference policy: the one that training began with, as a rule. */
    readonly refLogits?: Float64Array;
    readonly rng: Rng;
  }): BinaryPpoColumns;
  readonly loss: Loss<BinaryPpoInputs>;
}

/**
 * BinaryPPO: binary classification as reward maximisation, offline. A text is a state, its class an action, an episode
 * one step long; the behaviour policy π_old is the policy at the last refresh.
 *
 *   L = L_policy + α L_value + β L_supervised − γ H + β_kl L_kl
 *   L_policy = −(1/N) Σ_i Σ_a w_ia min(ρ_ia A_ia, clip(ρ_ia, 1 − clipLow, 1 + clipHigh) A_ia)
 *   ρ_ia = π(a|x_i) / π_old(a|x_i),   A_ia = r(x_i, a, y_i) − V(x_i),   w_ia = π_old(a|x_i), the share of draws, or [a = y_i]
 *
 * Both actions of an example are two columns of a [B, 2] tensor, and the weights are its mask: so the policy term is
 * `ppoClip` with the aggregation `sequenceSum`, and no term is a formula of this file.
 *
 * Metrics: those of the terms under their names (`policy/clipFraction`, ...), and `policy/kl`, the exact KL(π_old ‖ π) of
 * this batch, which a stop at a target divergence reads.
 *
 * One refresh moves π(y|x) by at most about `clipHigh · max(p, 1 − p)`, so plan for ten refreshes or more.
 *
 * The reward printed in the paper rewards the wrong action (core.md 2.2); `printed` of @tsrl/rewards keeps it as a
 * negative control.
 *
 * @throws OptionError for an option out of range
 * @see Pandey and Jin 2026, arXiv:2602.02708; core.md 2.9 to 2.11
 */
export function binaryPpo({
  reward = logComplement(),
  actions = 'enumerate',
  samplesPerExample = 1,
  rewardClip = Number.POSITIVE_INFINITY,
  baseline = 'analytic',
  normalize = 'scale',
  advantageClip = Number.POSITIVE_INFINITY,
  advantageScale = 1,
  clipLow = 0.2,
  clipHigh = clipLow,
  dualClip,
  valueCoefficient = 0.5,
  valueClip,
  supervisedCoefficient = 0.1,
  supervisedLoss = binaryCrossEntropy(),
  entropyCoefficient = 0.01,
  klCoefficient = 0,
  klDirection = 'forward',
}: BinaryPpoOptions = {}): BinaryPpo {
  expectOneOf('actions', actions, ['enumerate', 'sample', 'label']);
  expectOneOf('baseline', baseline, ['analytic', 'valueHead', 'batchMean', 'none']);
  expectOneOf('normalize', normalize, ['scale', 'whiten', 'none']);
  expectOneOf('klDirection', klDirection, ['forward', 'reverse']);
  if (actions === 'label' && baseline !== 'analytic') {
    throw new OptionError('binaryPpo', 'baseline', '"analytic" for the actions "label"', baseline);
  }
  if (!(Number.isInteger(samplesPerExample) && samplesPerExample >= 1)) {
    throw new OptionError('binaryPpo', 'samplesPerExample', 'an integer of at least 1', samplesPerExample);
  }
  const coefficients = { valueCoefficient, supervisedCoefficient, entropyCoefficient, klCoefficient };
  for (const [name, value] of Object.entries({ ...coefficients, advantageScale })) {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      throw new OptionError('binaryPpo', name, 'at least 0 and finite', value);
    }
  }
  for (const [name, value] of Object.entries({ rewardClip, advantageClip })) {
    if (!(value > 0)) throw new OptionError('binaryPpo', name, 'positive', value);
  }
  const critic = baseline === 'valueHead';
  const aggregate = sequenceSum;
  const terms: Record<string, Loss<ActionInputs>> = {
    policy: ppoClip({ clipLow, clipHigh, ...(dualClip === undefined ? {} : { dualClip }), aggregate }),
  };
  const value = { factor: 1, aggregate };
  const fit = valueClip === undefined ? valueLoss(value) : valueLoss({ ...value, clip: valueClip });
  if (critic && valueCoefficient > 0) terms['value'] = scale(valueCoefficient, fit);
  if (supervisedCoefficient > 0) terms['supervised'] = scale(supervisedCoefficient, supervisedLoss);
  if (entropyCoefficient > 0) terms['entropy'] = scale(entropyCoefficient, entropyBonus({ aggregate }));
  if (klCoefficient > 0) terms['reference'] = scale(klCoefficient, referenceKl(klDirection));
  const total: Loss<ActionInputs> = objective(terms);

  return {
    name: 'binary-ppo',
    observes: ['logits', ...(critic ? ['values' as const] : []), ...(klCoefficient > 0 ? ['refLogits' as const] : [])],
    reward,
    prepare({ labels, logits, values, refLogits, rng }) {
      if (!logits) throw new StateError('binaryPpo', 'needs the logits of the behaviour policy');
      expectLength('binaryPpo', 'logits', logits, labels.length);
      const rewards = mapGrid(rewardsOfActions(reward, { labels, logits }), (r) => clamp(r, rewardClip));
      const sampled = actions === 'sample';
      const counts = sampled
        ? sampleActions(logits, samplesPerExample, rng)
        : actions === 'label'
          ? labelActions(labels)
          : enumerateActions(logits);
      const observed = { logits, ...(values && { values }), rewards, weights: counts, sampled };
      const { advantages: raw, returns } = againstBaseline(baseline, observed);
      const { advantages } = normalizeAdvantages(
        { advantages: raw, weights: counts },
        { mode: normalize, variance: sampled ? 'sample' : 'population' },
      );
      if (klCoefficient > 0) {
        if (!refLogits) throw new StateError('binaryPpo', 'klCoefficient needs the logits of the reference policy');
        expectLength('binaryPpo', 'refLogits', refLogits, labels.length);
      }
      return {
        labels,
        oldLogits: logits,
        weights: sampled ? mapGrid(counts, (count) => count / samplesPerExample) : counts,
        advantages: mapGrid(advantages, (a) => advantageScale * clamp(a, advantageClip)),
        returns,
        ...(critic && valueClip !== undefined && values && { oldValues: values }),
        ...(klCoefficient > 0 && refLogits && { refLogits }),
      };
    },
    loss: (inputs, context) =>
      tf.tidy(() => {
        const { loss, metrics } = total(toActions(inputs), context);
        const moved = bernoulliKl(inputs.oldLogits, stopGradient(inputs.logits));
        return {
          loss,
          metrics: { ...metrics, 'policy/kl': tf.div<tf.Scalar>(tf.sum(moved), Math.max(moved.size, 1)) },
        };
      }),
  };
}

/** A minibatch in the shapes of the token losses: a row per example, a column per action. */
interface ActionInputs {
  readonly logits: tf.Tensor1D;
  readonly labels: tf.Tensor1D;
  readonly logProbs: PerToken;
  readonly oldLogProbs: PerToken;
  readonly advantages: PerToken;
  readonly mask: PerToken;
  readonly entropy: PerToken;
  readonly values: PerToken;
  readonly oldValues: PerToken;
  readonly returns: PerToken;
  readonly refLogits: tf.Tensor1D;
}

function toActions(inputs: BinaryPpoInputs): ActionInputs {
  const { logits, values, labels, oldLogits, weights, advantages, returns, oldValues, refLogits } = inputs;
  const twice = (x: tf.Tensor1D): PerToken => tf.stack([x, x], 1) as PerToken;
  return {
    logits,
    labels,
    logProbs: bernoulliLogProbs(logits),
    oldLogProbs: bernoulliLogProbs(oldLogits),
    advantages,
    mask: weights,
    // Weights of a row sum to 1, so that the entropy of an example counts once.
    entropy: twice(bernoulliEntropy(logits)),
    // Read by the value term alone, which is there only with a value head.
    values: values ? twice(values) : returns,
    oldValues: oldValues ? twice(oldValues) : returns,
    returns,
    // Read by the divergence from the reference alone.
    refLogits: refLogits ?? oldLogits,
  };
}

const clamp = (x: number, most: number): number => Math.min(Math.max(x, -most), most);

function expectOneOf(option: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) throw new OptionError('binaryPpo', option, known.map(show).join(' or '), value);
}
