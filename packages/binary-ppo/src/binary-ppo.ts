import * as tf from '@tensorflow/tfjs-core';
import { analyticAdvantages, analyticBaseline, normalizeAdvantages } from '@tsrl/advantages';
import { expectLength, type Grid, OptionError, type Rng, StateError, show } from '@tsrl/core';
import { binaryCrossEntropy, entropyBonus, objective, ppoClip, scale, valueLoss } from '@tsrl/losses';
import { type BinaryReward, logComplement } from '@tsrl/rewards';
import {
  type BinaryScores,
  bernoulliEntropy,
  bernoulliLogProbs,
  type Loss,
  type PerToken,
  sequenceSum,
} from '@tsrl/tensor';
import { enumerateActions, rewardsOfActions, sampleActions } from './actions.js';

/** Options of BinaryPPO; the defaults are the preset `stable` of core.md 2.10. */
export interface BinaryPpoOptions {
  /** Reward of one action on one example. Default `logComplement()`: the printed reward with its sign put right. */
  readonly reward?: BinaryReward;
  /**
   * `enumerate` (default) counts both actions with their probability under the behaviour policy; `sample` draws them,
   * as the paper does.
   */
  readonly actions?: 'enumerate' | 'sample';
  /** Draws per example in the mode `sample`; default 1. */
  readonly samplesPerExample?: number;
  /** `analytic` (default) is exact; `valueHead` asks the policy for V(x) and trains it, as the paper does. */
  readonly baseline?: 'analytic' | 'valueHead';
  /** Advantages over the whole refresh: divided by their deviation (`scale`, default), centred too, or as they are. */
  readonly normalize?: 'scale' | 'whiten' | 'none';
  /** Default 0.2. */
  readonly clipLow?: number;
  /** Default `clipLow`. */
  readonly clipHigh?: number;
  /** c > 1; off by default. */
  readonly dualClip?: number;
  /** α, of the value loss; default 0.5, and no such term without a value head. */
  readonly valueCoefficient?: number;
  /** β, of the cross-entropy with the labels; default 0.1. */
  readonly supervisedCoefficient?: number;
  /** γ, of the entropy bonus; default 0.01. */
  readonly entropyCoefficient?: number;
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
};

/** What the loss needs of a minibatch of B examples. */
export interface BinaryPpoInputs extends BinaryScores {
  readonly labels: tf.Tensor1D;
  readonly oldLogits: tf.Tensor1D;
  readonly weights: tf.Tensor2D;
  readonly advantages: tf.Tensor2D;
  readonly returns: tf.Tensor2D;
}

/** The parts of BinaryPPO; each works alone, and fits the `Method` of `@tsrl/training`. */
export interface BinaryPpo {
  readonly name: 'binary-ppo';
  readonly observes: 'logits' | 'values';
  readonly reward: BinaryReward;
  /** Rewards, actions, baseline and advantages of one refresh, on the host in float64. */
  prepare(observation: {
    readonly labels: Float64Array;
    readonly logits?: Float64Array;
    readonly values?: Float64Array;
    readonly rng: Rng;
  }): BinaryPpoColumns;
  readonly loss: Loss<BinaryPpoInputs>;
}

/**
 * BinaryPPO: binary classification as reward maximisation, offline. A text is a state, its class an action, an episode
 * one step long; the behaviour policy π_old is the policy at the last refresh.
 *
 *   L = L_policy + α L_value + β L_supervised − γ H
 *   L_policy = −(1/N) Σ_i Σ_a w_ia min(ρ_ia A_ia, clip(ρ_ia, 1 − clipLow, 1 + clipHigh) A_ia)
 *   ρ_ia = π(a|x_i) / π_old(a|x_i),   A_ia = r(x_i, a, y_i) − V(x_i),   w_ia = π_old(a|x_i) or the share of draws
 *
 * Both actions of an example are two columns of a [B, 2] tensor, and the weights are its mask: so the policy term is
 * `ppoClip` with the aggregation `sequenceSum`, and nothing here is a formula of its own.
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
  baseline = 'analytic',
  normalize = 'scale',
  clipLow = 0.2,
  clipHigh = clipLow,
  dualClip,
  valueCoefficient = 0.5,
  supervisedCoefficient = 0.1,
  entropyCoefficient = 0.01,
}: BinaryPpoOptions = {}): BinaryPpo {
  expectOneOf('actions', actions, ['enumerate', 'sample']);
  expectOneOf('baseline', baseline, ['analytic', 'valueHead']);
  expectOneOf('normalize', normalize, ['scale', 'whiten', 'none']);
  if (!(Number.isInteger(samplesPerExample) && samplesPerExample >= 1)) {
    throw new OptionError('binaryPpo', 'samplesPerExample', 'an integer of at least 1', samplesPerExample);
  }
  for (const [name, value] of Object.entries({ valueCoefficient, supervisedCoefficient, entropyCoefficient })) {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      throw new OptionError('binaryPpo', name, 'at least 0 and finite', value);
    }
  }
  const critic = baseline === 'valueHead';
  const aggregate = sequenceSum;
  const terms: Record<string, Loss<ActionInputs>> = {
    policy: ppoClip({ clipLow, clipHigh, ...(dualClip === undefined ? {} : { dualClip }), aggregate }),
  };
  if (critic && valueCoefficient > 0) terms['value'] = scale(valueCoefficient, valueLoss({ factor: 1, aggregate }));
  if (supervisedCoefficient > 0) terms['supervised'] = scale(supervisedCoefficient, binaryCrossEntropy());
  if (entropyCoefficient > 0) terms['entropy'] = scale(entropyCoefficient, entropyBonus({ aggregate }));
  const total: Loss<ActionInputs> = objective(terms);

  return {
    name: 'binary-ppo',
    observes: critic ? 'values' : 'logits',
    reward,
    prepare({ labels, logits, values, rng }) {
      if (!logits) throw new StateError('binaryPpo', 'needs the logits of the behaviour policy');
      expectLength('binaryPpo', 'logits', logits, labels.length);
      const rewards = rewardsOfActions(reward, { labels, logits });
      const [rewards0, rewards1] = [column(rewards, 0), column(rewards, 1)];
      const sampled = actions === 'sample';
      const counts = sampled ? sampleActions(logits, samplesPerExample, rng) : enumerateActions(logits);

      let raw = critic ? rewards : analyticAdvantages({ logits, rewards0, rewards1 });
      let returns = rewards;
      if (critic) {
        if (!values) throw new StateError('binaryPpo', 'the baseline valueHead needs a policy with a value head');
        expectLength('binaryPpo', 'values', values, labels.length);
        raw = map(rewards, (r, i) => r - (values[i] as number));
        // Both actions together say what the state is worth; a single draw is all that sampling knows.
        const exact = analyticBaseline({ logits, rewards0, rewards1 });
        if (!sampled) returns = map(rewards, (_, i) => exact[i] as number);
      }
      const { advantages } = normalizeAdvantages(
        { advantages: raw, weights: counts },
        { mode: normalize, variance: sampled ? 'sample' : 'population' },
      );
      const weights = sampled ? map(counts, (count) => count / samplesPerExample) : counts;
      return { labels, oldLogits: logits, weights, advantages, returns };
    },
    loss: (inputs, context) => tf.tidy(() => ({ ...total(toActions(inputs), context) })),
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
  readonly returns: PerToken;
}

function toActions({ logits, values, labels, oldLogits, weights, advantages, returns }: BinaryPpoInputs): ActionInputs {
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
    returns,
  };
}

const column = ({ data, rows, columns }: Grid, c: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => data[i * columns + c] as number);

const map = ({ data, rows, columns }: Grid, f: (value: number, row: number) => number): Grid => ({
  data: data.map((value, i) => f(value, Math.floor(i / columns))),
  rows,
  columns,
});

function expectOneOf(option: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) throw new OptionError('binaryPpo', option, known.map(show).join(' or '), value);
}
