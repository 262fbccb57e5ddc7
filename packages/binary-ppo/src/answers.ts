import * as tf from '@tensorflow/tfjs-core';
import {
  bernoulliEntropy,
  bernoulliKl,
  bernoulliLogProbs,
  type PerSequence,
  type PerToken,
  withGradient,
} from '@tsrl/tensor';

// A policy answers 0 or 1 and, where it tells the log-probability of a valid answer at all, x = logMass, also neither:
//
//   log π(1) = x − softplus(−z),  log π(0) = x − softplus(z),  log π(invalid) = log(1 − exp(x)) = −softplus(u)
//
// with u, the log-odds of a valid answer. So it decides twice between two, by u and then by z.

/** What a policy says of B examples. */
export interface Answers {
  /** z, [B]. */
  readonly logits: PerSequence;
  /** x, [B]; answers are always valid if left out. */
  readonly logMass?: PerSequence | undefined;
}

/** log π(a|x) of every action: [B, 2], or [B, 3] with that of an invalid answer. */
export function answerLogProbs({ logits, logMass }: Answers): PerToken {
  const classes = bernoulliLogProbs(logits);
  if (!logMass) return classes;
  return tf.tidy(() => {
    const invalid = tf.neg(tf.softplus(validityLogit(logMass)));
    return tf.concat([tf.add<PerToken>(classes, tf.expandDims(logMass, 1)), tf.expandDims(invalid, 1)], 1) as PerToken;
  });
}

/** Entropy over all actions in nats, [B]: H(u) + exp(x) H(z). */
export function answerEntropy({ logits, logMass }: Answers): PerSequence {
  const classes = bernoulliEntropy(logits);
  if (!logMass) return classes;
  return tf.tidy(() => tf.add(bernoulliEntropy(validityLogit(logMass)), tf.mul(tf.exp(logMass), classes)));
}

/** KL(π ‖ π') over all actions in nats, [B]: KL(u ‖ u') + exp(x) KL(z ‖ z'). */
export function answerKl(policy: Answers, other: Answers): PerSequence {
  const classes = bernoulliKl(policy.logits, other.logits);
  const [mass, otherMass] = [policy.logMass, other.logMass];
  if (!mass || !otherMass) return classes;
  return tf.tidy(() =>
    tf.add(bernoulliKl(validityLogit(mass), validityLogit(otherMass)), tf.mul(tf.exp(mass), classes)),
  );
}

/** Half a unit in the last place of a float32 mass near 1: nearer to 1 it cannot be told. */
export const CERTAIN: number = -(2 ** -25);

/**
 * u = x − log(1 − exp(x)), x ≤ 0 the log of a probability. A certain one, and one that rounding carried above 1, is taken
 * for 1 − 2⁻²⁵. Gradient: 1 / (1 − exp(x)).
 */
function validityLogit(logMass: PerSequence): PerSequence {
  return tf.tidy(() =>
    withGradient<PerSequence>(
      [logMass],
      () => {
        const x = tf.minimum<PerSequence>(logMass, CERTAIN);
        const invalid = tf.neg(tf.expm1(x));
        return { value: tf.sub(x, tf.log(invalid)), saved: [invalid] };
      },
      (dy, [invalid]) => [tf.div(dy, invalid as tf.Tensor)],
    ),
  );
}
