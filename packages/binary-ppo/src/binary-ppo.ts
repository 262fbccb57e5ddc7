import { type BinaryReward, logComplement } from '@tsrl/rewards';
import type { Loss } from '@tsrl/tensor';
import { type BinaryPpoOptions, expectOptions } from './options.js';
import { type BinaryPpoColumns, type BinaryPpoObservation, prepareRefresh } from './prepare.js';
import { type BinaryPpoInputs, totalLoss } from './total-loss.js';

/** The parts of BinaryPPO; each works alone, and fits the `Method` of `@tsrl/training`. */
export interface BinaryPpo {
  readonly name: 'binary-ppo';
  readonly observes: readonly ('logits' | 'values' | 'logMass' | 'refLogits')[];
  readonly reward: BinaryReward;
  /** Rewards, actions, baseline and advantages of one refresh, on the host in float64. */
  prepare(observation: BinaryPpoObservation): BinaryPpoColumns;
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
 * The actions of an example are the columns of a [B, 2] tensor, and the weights are its mask: so the terms are those of
 * losses over tokens. With `invalidReward` there is a third action, an answer that is neither class, and π(a|x) =
 * exp(logMass) sigmoid(±z) for the others; rewards, the supervised term and class weights are of the two classes as before,
 * everything else sums over three actions. Where answers are always valid it is the form with two.
 *
 * Metrics: those of the terms under their names (`policy/clipFraction`, ...); `policy/kl` is the exact KL(π_old ‖ π) of
 * this batch, which a stop at a target divergence reads; with three actions `mass`, the mean probability of a valid answer.
 *
 * One refresh moves π(y|x) by at most about `clipHigh · max(p, 1 − p)`, so plan for ten refreshes or more; a run with one
 * (`frozen` in the event `start` of `train`) stops there.
 *
 * The reward printed in the paper rewards the wrong action (core.md 2.2); `printed` of @tsrl/rewards keeps it as a
 * negative control.
 *
 * @throws OptionError for an option out of range
 * @see Pandey and Jin 2026, arXiv:2602.02708; core.md 2.9 to 2.11
 */
export function binaryPpo(options: BinaryPpoOptions = {}): BinaryPpo {
  expectOptions(options);
  const { reward = logComplement(), baseline = 'analytic', klCoefficient = 0, invalidReward } = options;
  return {
    name: 'binary-ppo',
    observes: [
      'logits',
      ...(baseline === 'valueHead' ? (['values'] as const) : []),
      ...(invalidReward === undefined ? [] : (['logMass'] as const)),
      ...(klCoefficient === 0 ? [] : (['refLogits'] as const)),
    ],
    reward,
    prepare: (observation) => prepareRefresh(options, observation),
    loss: totalLoss(options),
  };
}
