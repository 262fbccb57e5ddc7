import { OptionError } from '@tsrl/core';

/** What a reward of binary classification sees of one example and one action. */
export interface BinaryRewardInput {
  /** The class that the policy chose. */
  readonly action: 0 | 1;
  /** The class that the data names. */
  readonly label: 0 | 1;
  /** Log-odds of class 1 under the behaviour policy: z, with π_old(1|x) = sigmoid(z). A constant. */
  readonly logit: number;
}

/** The reward of one action on one example. A logit that is not a number gives a reward that is not a number. */
export type BinaryReward = (input: BinaryRewardInput) => number;

/** Options of every member of the family. */
export interface ConfidenceOptions {
  /** κ, positive: the scale of all rewards. Default 1. */
  readonly kappa?: number;
  /** Weight of the examples of class 0 and of class 1, not negative. Default [1, 1]. */
  readonly classWeights?: readonly [number, number];
}

/** Options of the members whose confidence is a logarithm, and so has no bound of its own. */
export interface CappedOptions extends ConfidenceOptions {
  /** The largest absolute confidence in nats, positive; `Infinity` for none. Default 5. */
  readonly cap?: number;
}

/**
 * The confidence-weighted family: right actions earn their confidence, wrong actions lose it,
 *
 *   r(x, a, y) = κ · w[y] · s · c(z_a),   s = +1 if a = y else −1
 *
 * where z_a is the log-odds of the chosen action (z for action 1, −z for action 0). A confidence of one's own makes
 * a new member: `confidenceWeighted('mine', (odds) => Math.min(1, Math.abs(odds)))`.
 *
 * With an exact baseline the expected policy gradient depends on the rewards through their gap alone:
 * p (1 − p) (r_right − r_wrong) = p (1 − p) κ w (c(z_y) + c(−z_y)), p the probability of the labelled class.
 *
 * @throws OptionError when kappa is not positive and finite, or a class weight negative or not finite
 * @see Pandey and Jin 2026, arXiv:2602.02708 (BinaryPPO)
 */
export function confidenceWeighted(
  who: string,
  confidence: (odds: number) => number,
  { kappa = 1, classWeights = [1, 1] }: ConfidenceOptions = {},
): BinaryReward {
  const scales = scalePerClass(who, kappa, classWeights);
  return ({ action, label, logit }) =>
    scales[label] * (action === label ? 1 : -1) * confidence(action === 1 ? logit : -logit);
}

/** κ · w[y] for both classes, checked. */
export function scalePerClass(
  who: string,
  kappa: number,
  classWeights: readonly [number, number],
): readonly [number, number] {
  if (!(kappa > 0 && kappa < Number.POSITIVE_INFINITY))
    throw new OptionError(who, 'kappa', 'positive and finite', kappa);
  const valid = classWeights.length === 2 && classWeights.every((weight) => weight >= 0 && Number.isFinite(weight));
  if (!valid) {
    throw new OptionError(who, 'classWeights', 'two finite numbers of at least 0', classWeights.map(String).join(', '));
  }
  return [kappa * classWeights[0], kappa * classWeights[1]];
}

/** The cap, checked. */
export function capOf(who: string, cap: number): number {
  if (!(cap > 0)) throw new OptionError(who, 'cap', 'positive (Infinity for none)', cap);
  return cap;
}
