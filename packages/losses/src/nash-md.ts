import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import {
  type Aggregate,
  expectSameShape,
  expectShape,
  type Loss,
  type PerSequence,
  type PerToken,
  sequenceSum,
  stopGradient,
  zeroMasked,
} from '@tsrl/tensor';
import type { LossEntry } from './entry.js';
import { drawLogProb, drawMask, drawSequences, drawTokens } from './example.js';
import { expectPositive } from './option-checks.js';
import { ofRows } from './sequence-ratio.js';
import type { TokenInputs } from './token-inputs.js';

/** Options of `nashMd`. */
export interface NashMdOptions {
  /** β > 0, weight of the divergence from the reference; default 0.1. */
  readonly beta?: number;
  /**
   * Which log-ratios d_s = log π / π_ref are the weight of token t in the gradient of the divergence: its own
   * (`token`, default, as in TRL), its own and the later ones (`toGo`), or all of the response (`sequence`). Only the
   * last two are unbiased for responses of more than one token.
   */
  readonly klCredit?: 'token' | 'toGo' | 'sequence';
  /** How the losses of tokens become one; default `sequenceSum`, the mean over responses. */
  readonly aggregate?: Aggregate;
}

/** Inputs of `nashMd`: a sample y of the policy, compared with a sample of the mixture (`geometricMixture`). */
export interface NashMdInputs extends TokenInputs {
  /** log π_ref of the tokens of y, [B, T], constant. */
  readonly refLogProbs: PerToken;
  /** P(y ≻ y') in [0, 1], [B], constant: of a judge, or sigmoid(r(y) − r(y')) of a reward model. */
  readonly probabilities: PerSequence;
}

/**
 * Nash mirror descent, as a policy gradient against a geometric mixture of policy and reference:
 *
 *   loss = agg((β D_t − (P − ½)) logProbs_t),  D constant: d_t, Σ_{s ≥ t} d_s or Σ_s d_s,  d = logProbs − refLogProbs
 *
 * It is a surrogate: its gradient is that of β KL − P(π ≻ mixture), its value means nothing. ½ is a control variate, the
 * chance to win against oneself. An end-of-sequence penalty belongs into r before P is formed.
 *
 * Differences: TRL has the credit `token` and divides by all rows, also those without a token.
 *
 * Metrics: `kl`, the mean over responses of Σ_t d_t; `score`, that of (P − ½) Σ_t logProbs_t.
 *
 * @throws OptionError when built, ShapeError when called
 * @see Munos et al. 2023, arXiv:2312.00886, section 7
 */
export function nashMd({
  beta = 0.1,
  klCredit = 'token',
  aggregate = sequenceSum,
}: NashMdOptions = {}): Loss<NashMdInputs> {
  expectPositive('nashMd', 'beta', beta);
  const credit = credits.get(klCredit);
  if (credit === undefined) throw new OptionError('nashMd', 'klCredit', "'token', 'toGo' or 'sequence'", klCredit);

  return ({ logProbs, refLogProbs, probabilities, mask }, context = {}) => {
    expectShape('nashMd', 'logProbs', logProbs, ['B', 'T']);
    expectSameShape('nashMd', { logProbs, refLogProbs, mask });
    expectShape('nashMd', 'probabilities', probabilities, [logProbs.shape[0]]);
    return tf.tidy(() => {
      const now = zeroMasked(logProbs, mask);
      const known = stopGradient(now);
      const ratios = tf.sub<PerToken>(known, zeroMasked(refLogProbs, mask));
      const preference = tf.expandDims<PerToken>(tf.sub(ofRows(probabilities, mask), 0.5), 1);
      const weight = tf.sub(tf.mul(credit(ratios, mask), beta), preference);
      return {
        loss: aggregate(tf.mul<PerToken>(weight, now), mask, context),
        metrics: { kl: sequenceSum(ratios, mask), score: sequenceSum(tf.mul(preference, known), mask) },
      };
    });
  };
}

const credits: ReadonlyMap<string, (ratios: PerToken, mask: PerToken) => PerToken> = new Map([
  ['token', (ratios) => ratios],
  ['toGo', (ratios, mask) => tf.cumsum<PerToken>(tf.mul(ratios, mask), 1, false, true)],
  ['sequence', (ratios, mask) => tf.sum<PerToken>(tf.mul(ratios, mask), 1, true)],
]);

/** Options of `geometricMixture`. */
export interface GeometricMixtureOptions {
  /** c in [0, 1], the share of the reference; default 0.5, as in TRL. 0 is self-play. */
  readonly mixture?: number;
}

/**
 * The opponent of Nash-MD, token by token: logits of π^(1 − c) π_ref^c, normalized,
 *
 *   (1 − c) logits + c refLogits,  [..., V]
 *
 * which a sampler turns into probabilities. That is not the mixture normalized over whole responses.
 *
 * @throws OptionError unless c is in [0, 1], ShapeError when the logits differ in shape
 * @see Munos et al. 2023, arXiv:2312.00886, section 7
 */
export function geometricMixture<L extends tf.Tensor>(
  logits: L,
  refLogits: L,
  { mixture = 0.5 }: GeometricMixtureOptions = {},
): L {
  if (!(mixture >= 0 && mixture <= 1)) throw new OptionError('geometricMixture', 'mixture', 'in [0, 1]', mixture);
  expectSameShape('geometricMixture', { logits, refLogits });
  return tf.tidy(() => tf.add<L>(tf.mul(logits, 1 - mixture), tf.mul(refLogits, mixture)));
}

export const nashMdEntry: LossEntry<NashMdInputs> = {
  name: 'nashMd',
  formula: '(β D − (P − ½)) log π, D = log π / π_ref, constant',
  citation: 'arXiv:2312.00886',
  per: 'token',
  differentiable: ['logProbs'],
  excused: { descent: 'the log-ratios in the weight have no gradient: the value is not what is lowered' },
  example: (shape, rng) => ({
    logProbs: drawTokens(shape, drawLogProb(rng)),
    refLogProbs: drawTokens(shape, drawLogProb(rng)),
    probabilities: drawSequences(shape, () => rng.uniform()),
    mask: drawMask(shape, rng),
  }),
  evaluate: nashMd(),
  variants: {
    'credit to go': nashMd({ klCredit: 'toGo' }),
    'credit of the sequence': nashMd({ klCredit: 'sequence' }),
  },
  build: (aggregate) => nashMd({ aggregate }),
};
