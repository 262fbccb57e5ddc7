import { expectLength, type Grid, sigmoid, zeros } from '@tsrl/core';

/** Inputs of {@link analyticBaseline} and {@link analyticAdvantages}, all [B]. */
export interface BinaryDecisions {
  /** z: log-odds of action 1 under the behaviour policy. */
  readonly logits: ArrayLike<number>;
  /** What action 0 would earn. */
  readonly rewards0: ArrayLike<number>;
  /** What action 1 would earn. */
  readonly rewards1: ArrayLike<number>;
}

/**
 * The exact value of a binary decision whose two rewards are known: no critic, no sampling.
 *
 *   V(x) = p r₁ + (1 − p) r₀,   p = sigmoid(z)
 *
 * @returns [B]
 * @throws ShapeError when the lengths differ
 * @see analyticAdvantages, which is more exact than subtracting V when p is near 0 or 1
 */
export function analyticBaseline({ logits, rewards0, rewards1 }: BinaryDecisions): Float64Array {
  expectDecisions('analyticBaseline', { logits, rewards0, rewards1 });
  return Float64Array.from(logits, (z, i) => {
    return sigmoid(z) * (rewards1[i] as number) + sigmoid(-z) * (rewards0[i] as number);
  });
}

/**
 * Advantages of both actions against the exact baseline, written so that nothing cancels for confident policies:
 *
 *   A(1) = r₁ − V = (1 − p) (r₁ − r₀),   A(0) = r₀ − V = −p (r₁ − r₀),   p = sigmoid(z)
 *
 * Only the gap of the rewards matters. The mean under the policy is 0 for every example.
 *
 * @returns [B, 2]: column a holds the advantage of action a
 * @throws ShapeError when the lengths differ
 */
export function analyticAdvantages({ logits, rewards0, rewards1 }: BinaryDecisions): Grid {
  expectDecisions('analyticAdvantages', { logits, rewards0, rewards1 });
  const advantages = zeros(logits.length, 2);
  for (let i = 0; i < logits.length; i++) {
    const z = logits[i] as number;
    const gap = (rewards1[i] as number) - (rewards0[i] as number);
    advantages.data[2 * i] = -sigmoid(z) * gap;
    advantages.data[2 * i + 1] = sigmoid(-z) * gap;
  }
  return advantages;
}

function expectDecisions(who: string, { logits, rewards0, rewards1 }: BinaryDecisions): void {
  expectLength(who, 'rewards0', rewards0, logits.length);
  expectLength(who, 'rewards1', rewards1, logits.length);
}
