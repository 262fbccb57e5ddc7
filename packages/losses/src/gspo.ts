import { type Aggregate, type Loss, sequenceMean, sequenceSum } from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawPolicyInputs } from './example.js';
import { expectClips } from './option-checks.js';
import { expectPolicyInputs, type PolicyInputs } from './policy-inputs.js';
import { ppoClip } from './ppo-clip.js';
import { sequenceRatio, sequenceTokenRatio } from './sequence-ratio.js';

/** Options of `gspo` and `gspoToken`. */
export interface GspoOptions {
  /** The ratio of a response counts no further below 1 than this; in [0, 1), default 3e-4. */
  readonly clipLow?: number;
  /** The ratio of a response counts no further above 1 than this; default 4e-4. */
  readonly clipHigh?: number;
  /** How the losses of tokens become one; default `sequenceMean`. Any other weighs a response by its length. */
  readonly aggregate?: Aggregate;
}

/**
 * Group sequence policy optimization: the clipped surrogate with one ratio per response,
 *
 *   s_i = exp(Σ_t m_it (logProbs_it − oldLogProbs_it) / n_i),  clamped to exp(±20)
 *   loss_it = −min(s_i A_it, clip(s_i, 1 − clipLow, 1 + clipHigh) A_it),  mean over the responses of their means
 *
 * It is `sequenceRatio(ppoClip(…))`: the gradient at each token of response i is −s_i A_i / n_i where nothing clips.
 * Advantages are [B, T] as everywhere, usually the same at all tokens of a response; where they are not, their mean
 * decides (`gspoToken` keeps them apart). For responses of one token it is `ppoClip`. A row without a token has s = 1
 * and is not counted.
 *
 * Differences: the clip range is the paper's, some hundred times narrower than that of a token ratio. TRL has it as
 * `importance_sampling_level="sequence"` with ε = 0.2 unless set, and does not clamp. What verl calls `gspo` is
 * `gspoToken`.
 *
 * Metrics: those of `ppoClip`, of s_i at every token.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zheng et al. 2025, arXiv:2507.18071
 */
export function gspo(options: GspoOptions = {}): Loss<PolicyInputs> {
  return named('gspo', options, sequenceRatio);
}

/**
 * GSPO whose tokens may have advantages of their own: the ratio of the response in value, of the token in gradient,
 *
 *   s_it = sg(s_i) · exp(logProbs_it − sg(logProbs_it))
 *   loss_it = −min(s_it A_it, clip(s_it, 1 − clipLow, 1 + clipHigh) A_it),  mean over the responses of their means
 *
 * It is `sequenceTokenRatio(ppoClip(…))`. The value is always that of `gspo`, the gradient −s_i A_it / n_i at each
 * token, which is that of `gspo` where the advantages of a response are equal.
 *
 * Differences: verl clamps log s_i from above at 10, here it is ±20; it ignores its aggregation mode for this loss.
 *
 * Metrics: those of `ppoClip`, of s_i at every token.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Zheng et al. 2025, arXiv:2507.18071
 */
export function gspoToken(options: GspoOptions = {}): Loss<PolicyInputs> {
  return named('gspoToken', options, sequenceTokenRatio);
}

/** Options of `luspo`. */
export interface LuspoOptions {
  /** The ratio of a response counts no further below 1 than this; in [0, 1), default 2e-3. */
  readonly clipLow?: number;
  /** The ratio of a response counts no further above 1 than this; default 2.5e-3. */
  readonly clipHigh?: number;
  /** How the losses of tokens become one; default `sequenceSum`, which is the length times the loss of the response. */
  readonly aggregate?: Aggregate;
}

/**
 * Length-unbiased sequence policy optimization: the loss of `gspo` for each response, times its length,
 *
 *   loss = (1 / B₊) Σ_i n_i · −min(s_i A_i, clip(s_i, 1 − clipLow, 1 + clipHigh) A_i)
 *
 * which is `gspo` aggregated by `sequenceSum`: the gradient at a token no longer shrinks with the length of its
 * response.
 *
 * Differences: TRL's `loss_type="luspo"` accepts token ratios too, and then averages the padding with the tokens.
 *
 * Metrics: those of `ppoClip`, of s_i at every token.
 *
 * @throws OptionError when built, ShapeError when called
 * @see arXiv:2602.05261
 */
export function luspo({
  clipLow = 2e-3,
  clipHigh = 2.5e-3,
  aggregate = sequenceSum,
}: LuspoOptions = {}): Loss<PolicyInputs> {
  return named('luspo', { clipLow, clipHigh, aggregate }, sequenceRatio);
}

function named(
  who: string,
  { clipLow = 3e-4, clipHigh = 4e-4, aggregate = sequenceMean }: GspoOptions,
  level: (loss: Loss<PolicyInputs>) => Loss<PolicyInputs>,
): Loss<PolicyInputs> {
  expectClips(who, { clipLow, clipHigh });
  const loss = level(ppoClip({ clipLow, clipHigh, aggregate }));
  return (inputs, context = {}) => {
    expectPolicyInputs(who, inputs);
    return loss(inputs, context);
  };
}

const entry = {
  citation: 'arXiv:2507.18071',
  per: 'token',
  differentiable: ['logProbs'],
  example: drawPolicyInputs,
} as const;

export const gspoEntry: LossEntry<PolicyInputs> = {
  ...entry,
  name: 'gspo',
  formula: '−min(s A, clip(s, 1 − clipLow, 1 + clipHigh) A), s = exp(mean over tokens of log π / π_old)',
  evaluate: gspo(),
  variants: { 'a wide range': gspo({ clipLow: 0.2, clipHigh: 0.28 }) },
  build: (aggregate) => gspo({ aggregate }),
};

export const gspoTokenEntry: LossEntry<PolicyInputs> = {
  ...entry,
  name: 'gspoToken',
  formula: '−min(s_t A, clip(s_t, 1 − clipLow, 1 + clipHigh) A), s_t = sg(s) π / sg(π), s as in gspo',
  excused: { descent: 'the value has the ratio of the response, the gradient on purpose that of the token' },
  evaluate: gspoToken(),
  build: (aggregate) => gspoToken({ clipLow: 0.2, clipHigh: 0.28, aggregate }),
};

export const luspoEntry: LossEntry<PolicyInputs> = {
  ...entry,
  name: 'luspo',
  formula: '−n min(s A, clip(s, 1 − clipLow, 1 + clipHigh) A), s as in gspo, n the length of the response',
  citation: 'arXiv:2602.05261',
  evaluate: luspo(),
  build: (aggregate) => luspo({ aggregate }),
};
