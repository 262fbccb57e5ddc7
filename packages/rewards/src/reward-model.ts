import { type Moments, OptionError } from '@tsrl/core';
import { type ComponentScores, scoreComponents } from './composed.js';
import type { Reward } from './reward.js';
import { standardize } from './standardized-sum.js';

/** Options of {@link rewardModel}. */
export interface RewardModelOptions<Sample> {
  /** The model, however it is reached: the score of each sample, `null` where it has none. */
  readonly score: Reward<Sample>;
  /** The score of each sample's reference completion, which is taken off. Default none. */
  readonly reference?: Reward<Sample>;
  /** Scores are standardised by these, from `componentMoments` or `runningMoments`. Default not. */
  readonly moments?: Moments;
  /** A bounded function of what has come out so far. Default none. */
  readonly squash?: 'sigmoid' | 'tanh';
  /** Then clipped to [−clip, clip], positive; 5 with moments is ±5 σ. Default none. */
  readonly clip?: number;
}

/**
 * The scores of a reward model, shaped so that a policy cannot live on their extremes:
 *
 *   r = clip(squash((s(y) − s(y_ref) − μ) / σ), −c, c)
 *
 * each part only where it is asked for. `null` where the model or the reference has no score. While fewer than two
 * scores were seen the standardised score is 0.
 *
 * @throws OptionError for an unknown `squash` or a clip that is not positive; ShapeError and DataError for what the
 * model gives, as {@link scoreComponents}
 */
export function rewardModel<Sample>({
  score,
  reference,
  moments,
  squash,
  clip = Number.POSITIVE_INFINITY,
}: RewardModelOptions<Sample>): Reward<Sample> {
  if (!(clip > 0)) throw new OptionError('rewardModel', 'clip', 'positive', clip);
  if (squash !== undefined && squash !== 'sigmoid' && squash !== 'tanh') {
    throw new OptionError('rewardModel', 'squash', "'sigmoid' or 'tanh'", squash);
  }
  const shaped = (raw: number): number => {
    const standard = moments === undefined ? raw : standardize(raw, moments, 0);
    const bounded =
      squash === 'tanh' ? Math.tanh(standard) : squash === 'sigmoid' ? 1 / (1 + Math.exp(-standard)) : standard;
    return Math.min(Math.max(bounded, -clip), clip);
  };
  const models: Readonly<Record<string, Reward<Sample>>> = reference === undefined ? { score } : { score, reference };
  return async (samples) => {
    const scored: ComponentScores = await scoreComponents<Readonly<Record<string, Reward<Sample>>>>(models, samples);
    return (scored['score'] ?? []).map((raw, i) => {
      const base = scored['reference'] === undefined ? 0 : (scored['reference'][i] as number | null);
      return raw === null || base === null ? null : shaped(raw - base);
    });
  };
}

/**
 * A judge's preference without its bias for a position: P(y ≻ y′) from its probability for the first of (y, y′) and
 * for the first of (y′, y), ½ (p + 1 − p′).
 *
 * @throws OptionError for a probability outside [0, 1]
 */
export function symmetricPreference(first: number, firstWhenSwapped: number): number {
  for (const [name, p] of Object.entries({ first, firstWhenSwapped })) {
    if (!(p >= 0 && p <= 1)) throw new OptionError('symmetricPreference', name, 'in [0, 1]', p);
  }
  return 0.5 * (first + 1 - firstWhenSwapped);
}
