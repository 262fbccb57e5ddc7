import type { EntropyBonusInputs, PpoClipInputs } from '@tsrl/losses';
import { entropyBonus, objective, ppoClip, scale } from '@tsrl/losses';
import type { Loss } from '@tsrl/tensor';

/** The clipped surrogate, as the Python side has it. */
export const ppo: Loss<PpoClipInputs> = objective({ policy: ppoClip({ clipLow: 0.2 }) });

/** The same minus `coefficient` times the entropy. */
export function ppoWithEntropy(coefficient: number): Loss<PpoClipInputs & EntropyBonusInputs> {
  return objective({ policy: ppoClip({ clipLow: 0.2 }), entropy: scale(coefficient, entropyBonus()) });
}
