import * as tf from '@tensorflow/tfjs-core';
import {
  alphaDivergence,
  alphapo,
  cpo,
  dpo,
  hinge,
  ipo,
  type Loss,
  log1mexp,
  negativeLogLikelihood,
  objective,
  oddsRatio,
  type PairLengths,
  type PairLogProbs,
  referenceFree,
  scale,
  simpo,
  tpo,
  tpoL,
} from '@tsrl/losses';
import { tokenMean } from '@tsrl/tensor';
import { type DeviceInputs, onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { has, numberOf, textOf } from '../inputs.js';
import { oneByOne } from '../one-by-one.js';
import { byFunction, type Family } from '../outcome.js';
import { block, blockOf, type PairByPair, pairByPair, pairLogProbs, type Responses, responses } from '../pairs.js';

type Pairs = PairLogProbs & PairLengths;

/** Log-probs as they are given, sums or means: of one token each, as far as the loss is concerned. */
function single(pairs: PairLogProbs): Pairs {
  const one = tf.onesLike(pairs.chosenLogProbs);
  return { ...pairs, chosenLengths: one, rejectedLengths: one };
}

/**
 * The preference term of TRL's CPO. Its rewards bend in every type where α is not 0; up to a constant, that is an
 * α-divergence from no reference.
 */
function cpoPreference(golden: GoldenCase): Loss<Pairs> {
  const [beta, labelSmoothing] = [numberOf(golden, 'beta'), numberOf(golden, 'label_smoothing', 0)];
  const alpha = numberOf(golden, 'alpha', 0);
  const divergence = alphaDivergence(1 - alpha);
  const type = textOf(golden, 'loss_type');
  switch (type) {
    case 'sigmoid':
      return referenceFree(dpo({ beta, labelSmoothing, divergence }));
    case 'hinge':
      return referenceFree(hinge({ beta, divergence }));
    case 'ipo':
      return referenceFree(ipo({ beta, divergence }));
    case 'simpo':
      return alphapo({ alpha, beta, gamma: numberOf(golden, 'simpo_gamma', 0.5), labelSmoothing });
    default:
      throw new UnmappedError(`no loss of pairs is called ${type}`);
  }
}

/** Its rewards, of whatever type. */
const cpoRewards = (golden: GoldenCase): Loss<Pairs> =>
  alphapo({ alpha: numberOf(golden, 'alpha', 0), beta: numberOf(golden, 'beta'), gamma: 0 });

const vectors = ({ losses, chosenRewards, rejectedRewards }: PairByPair): Record<string, tf.Tensor> => ({
  losses,
  chosen_rewards: chosenRewards,
  rejected_rewards: rejectedRewards,
});

export const preferenceCpo: Family = {
  file: 'preference.cpo',
  run: (golden) =>
    has(golden, 'logits')
      ? fullCpo(golden)
      : onDevice(golden, { of: 'mean_loss' }, (x) => {
          const loss = cpoPreference(golden);
          const pairs = single(pairLogProbs(x));
          return {
            mean_loss: loss(pairs).loss,
            ...vectors(pairByPair(cpoRewards(golden), pairs)),
            losses: oneByOne(loss, pairs),
          };
        }),
};

/** Rows with labels of −100 where nothing counts; two blocks, chosen above rejected. */
function labelled(x: DeviceInputs): Responses {
  const labels = x.ids('labels');
  return responses({
    ids: labels,
    logits: x.float<tf.Tensor3D>('logits'),
    mask: tf.cast(tf.notEqual(labels, -100), 'float32'),
  });
}

function pairsOf(batch: Responses, blocks = 2): Pairs {
  const [chosen, rejected] = [blockOf(batch, 0, blocks), blockOf(batch, 1, blocks)];
  return {
    chosenLogProbs: chosen.logProbs,
    rejectedLogProbs: rejected.logProbs,
    chosenLengths: chosen.lengths,
    rejectedLengths: rejected.lengths,
  };
}

/** Log-probs as the loss sees them: means for the types that divide by the lengths. */
function averaged(pairs: Pairs): Pairs {
  return single({
    chosenLogProbs: tf.div(pairs.chosenLogProbs, pairs.chosenLengths),
    rejectedLogProbs: tf.div(pairs.rejectedLogProbs, pairs.rejectedLengths),
  });
}

const scalars = (metrics: Readonly<Record<string, tf.Scalar>>, factor = 1): Record<string, tf.Tensor> => ({
  'metrics.rewards/chosen': tf.mul(metrics['chosenReward'] as tf.Scalar, factor),
  'metrics.rewards/rejected': tf.mul(metrics['rejectedReward'] as tf.Scalar, factor),
  'metrics.rewards/margins': tf.mul(metrics['margin'] as tf.Scalar, factor),
  'metrics.rewards/accuracies': metrics['accuracy'] as tf.Scalar,
});

function fullCpo(golden: GoldenCase): ReturnType<typeof onDevice> {
  const imitationWeight = numberOf(golden, 'cpo_alpha', 1);
  const type = textOf(golden, 'loss_type');
  const means = type === 'ipo' || type === 'simpo';
  return onDevice(golden, { of: 'loss' }, (x) => {
    const batch = labelled(x);
    const sums = pairsOf(batch);
    const pairs = means ? averaged(sums) : single(sums);
    const preference = cpoPreference(golden);
    const chosen = { logProbs: block(batch.logProbs, 0, 2), mask: block(batch.mask, 0, 2) };
    const [beta, labelSmoothing] = [numberOf(golden, 'beta'), numberOf(golden, 'label_smoothing', 0)];
    const whole =
      type === 'sigmoid' && numberOf(golden, 'alpha', 0) === 0
        ? cpo({ beta, labelSmoothing, imitationWeight, aggregate: tokenMean })(sums)
        : objective({ preference, imitation: scale(imitationWeight, negativeLogLikelihood()) })({
            ...pairs,
            ...chosen,
          });
    return {
      loss: whole.loss,
      ...scalars(cpoRewards(golden)(pairs).metrics),
      'metrics.logps/chosen': tf.mean(pairs.chosenLogProbs),
      'metrics.logps/rejected': tf.mean(pairs.rejectedLogProbs),
      // The source does not compute what has no weight.
      'metrics.nll_loss': imitationWeight === 0 ? tf.scalar(0) : negativeLogLikelihood()(chosen).loss,
    };
  });
}

/** The authors' trainer: mean log-probs, and γ / β. */
export const preferenceSimpo: Family = {
  file: 'preference.simpo-reference',
  run(golden) {
    const beta = numberOf(golden, 'beta');
    const gamma = beta * numberOf(golden, 'gamma_beta_ratio');
    const type = textOf(golden, 'loss_type');
    if (type !== 'sigmoid' && type !== 'hinge') throw new UnmappedError(`no loss of pairs is called ${type}`);
    const loss: Loss<Pairs> =
      type === 'sigmoid'
        ? simpo({ beta, gamma, labelSmoothing: numberOf(golden, 'label_smoothing', 0) })
        : referenceFree(hinge({ beta, targetMargin: 1 + gamma }));
    return onDevice(golden, { of: 'mean_loss' }, (x) => {
      const pairs = single(pairLogProbs(x));
      return { mean_loss: loss(pairs).loss, ...vectors(pairByPair(loss, pairs)) };
    });
  },
};

export const preferenceOrpo: Family = byFunction('preference.orpo', {
  // What the source maximizes: β log sigmoid(log odds ratio), of mean log-probs; the gradient is of the mean.
  odds_ratio_loss(golden) {
    const beta = numberOf(golden, 'beta');
    const loss = oddsRatio();
    return onDevice(golden, { of: 'mean' }, (x) => {
      const pairs = single(pairLogProbs(x));
      const { loss: mean, metrics } = loss(pairs);
      const each = pairByPair(loss, pairs);
      return {
        mean: tf.mul(mean, -beta),
        losses: tf.mul(each.losses, -beta),
        chosen_rewards: tf.mul(each.chosenRewards, beta),
        rejected_rewards: tf.mul(each.rejectedRewards, beta),
        mean_ratio: tf.neg(mean),
        mean_log_odds: metrics['logOddsRatio'] as tf.Scalar,
      };
    });
  },
  log1mexp: (golden) => onDevice(golden, { of: 'result' }, (x) => ({ result: log1mexp(x.float<tf.Tensor>('x')) })),
  /** The imitation covers all tokens of the chosen rows but the first, prompt included. */
  get_batch_loss_metrics(golden) {
    const lambda = numberOf(golden, 'beta');
    return onDevice(golden, { of: 'loss' }, (x) => {
      const batch = labelled(x);
      const pairs = pairsOf(batch);
      const whole = responses({
        ids: x.ids('input_ids'),
        logits: x.float<tf.Tensor3D>('logits'),
        mask: x.float('attention_mask'),
      });
      const chosen = { logProbs: block(whole.logProbs, 0, 2), mask: block(whole.mask, 0, 2) };
      const terms = { imitation: negativeLogLikelihood(), odds: scale(lambda, oddsRatio()) };
      const { loss, metrics } = objective(terms)({ ...pairs, ...chosen });
      const odds = oddsRatio()(pairs);
      const means = averaged(pairs);
      return {
        loss,
        ...scalars(odds.metrics, lambda),
        'metrics.logps/chosen': tf.mean(means.chosenLogProbs),
        'metrics.logps/rejected': tf.mean(means.rejectedLogProbs),
        'metrics.nll_loss': metrics['imitation/loss'] as tf.Scalar,
        'metrics.log_odds_ratio': tf.neg(odds.loss),
        'metrics.log_odds_chosen': odds.metrics['logOddsRatio'] as tf.Scalar,
      };
    });
  },
});

/** Blocks of chosen, rejected and, with α, gold responses, whose imitation is the mean over their tokens. */
export const preferenceTpo: Family = {
  file: 'preference.tpo',
  run(golden) {
    const imitationWeight = numberOf(golden, 'tpo_alpha', 1);
    const blocks = imitationWeight === 0 ? 2 : 3;
    const options = { beta: numberOf(golden, 'beta'), labelSmoothing: numberOf(golden, 'label_smoothing', 0) };
    const type = textOf(golden, 'loss_type');
    const means = type === 'ipo' || type === 'tpo-l';
    return onDevice(golden, { of: 'loss' }, (x) => {
      const batch = responses({
        ids: x.ids('input_ids'),
        logits: x.float<tf.Tensor3D>('logits'),
        mask: x.float('completion_mask'),
      });
      const sums = pairsOf(batch, blocks);
      const gamma = numberOf(golden, 'tpo_l_gamma', 0.5);
      const preference = tpoPreference(type, { ...options, gamma });
      const gold = blocks === 3 ? blockOf(batch, 2, 3) : undefined;
      const whole = { ...options, imitationWeight, aggregate: tokenMean };
      const goldInputs = gold && { ...sums, goldLogProbs: gold.logProbs, goldLengths: gold.lengths };
      const result =
        goldInputs === undefined
          ? preference(sums)
          : type === 'sigmoid'
            ? tpo(whole)(goldInputs)
            : type === 'tpo-l'
              ? tpoL({ ...whole, gamma })(goldInputs)
              : objective({ preference, imitation: scale(imitationWeight, negativeLogLikelihood()) })({
                  ...sums,
                  logProbs: block(batch.logProbs, 2, 3),
                  mask: block(batch.mask, 2, 3),
                });
      const shown = means ? averaged(sums) : sums;
      return {
        loss: result.loss,
        per_sequence_loss: oneByOne(preference, sums),
        chosen_logps: shown.chosenLogProbs,
        rejected_logps: shown.rejectedLogProbs,
      };
    });
  },
};

function tpoPreference(
  type: string,
  { beta, labelSmoothing, gamma }: { readonly beta: number; readonly labelSmoothing: number; readonly gamma: number },
): Loss<Pairs> {
  switch (type) {
    case 'sigmoid':
      return referenceFree(dpo({ beta, labelSmoothing }));
    case 'hinge':
      return referenceFree(hinge({ beta }));
    case 'ipo':
      return referenceFree(ipo({ beta, lengthNormalize: true }));
    case 'tpo-l':
      return simpo({ beta, gamma, labelSmoothing });
    default:
      throw new UnmappedError(`no loss of pairs is called ${type}`);
  }
}
