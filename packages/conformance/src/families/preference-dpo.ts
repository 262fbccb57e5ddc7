import * as tf from '@tensorflow/tfjs-core';
import {
  alphaDivergence,
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bcoPair,
  type Divergence,
  discopop,
  dpo,
  exo,
  forwardKl,
  hinge,
  ipo,
  jensenShannon,
  type Loss,
  lengthDesensitized,
  nca,
  negativeLogLikelihood,
  objective,
  type PairInputs,
  type PairLengths,
  rdpo,
  referenceFree,
  reverseKl,
  scale,
  sequenceLogProbs,
  sppoHard,
  wpoWeights,
} from '@tsrl/losses';
import { entropy, maskedMean, type PerSequence, stopGradient, sumSquaredProbs } from '@tsrl/tensor';
import { onDevice } from '../device.js';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { flagOf, numberOf, optionalNumber } from '../inputs.js';
import { oneByOne } from '../one-by-one.js';
import type { Family } from '../outcome.js';
import { block, pairByPair, pairInputs, type Responses, responses } from '../pairs.js';

type Pairs = PairInputs & PairLengths;

/** TRL's loss types. The smoothing acts in some only; `sigmoid` ignores it. */
function trlLoss(golden: GoldenCase, type: string): Loss<Pairs> {
  const beta = numberOf(golden, 'beta');
  const labelSmoothing = numberOf(golden, 'label_smoothing', 0);
  const divergence = divergenceOf(golden);
  const build = builders[type];
  if (build === undefined) throw new UnmappedError(`no loss of pairs is called ${type}`);
  return build({ beta, labelSmoothing, divergence, tau: numberOf(golden, 'discopop_tau', 0.05) });
}

interface TrlOptions {
  readonly beta: number;
  readonly labelSmoothing: number;
  readonly divergence: Divergence;
  readonly tau: number;
}

const builders: Readonly<Record<string, (options: TrlOptions) => Loss<Pairs>>> = {
  sigmoid: ({ beta, divergence }) => dpo({ beta, divergence }),
  sigmoid_norm: ({ beta, divergence }) => dpo({ beta, divergence, lengthNormalize: true }),
  hinge: ({ beta, divergence }) => hinge({ beta, divergence }),
  ipo: ({ beta, divergence }) => ipo({ beta, divergence, lengthNormalize: true }),
  exo_pair: ({ beta, divergence, labelSmoothing }) => exo({ beta, divergence, labelSmoothing }),
  nca_pair: ({ beta, divergence }) => nca({ beta, divergence }),
  robust: ({ beta, divergence, labelSmoothing }) => rdpo({ beta, divergence, flipRate: labelSmoothing }),
  bco_pair: ({ beta, divergence }) => bcoPair({ beta, divergence }),
  sppo_hard: ({ beta, divergence }) => sppoHard({ beta, divergence }),
  aot: ({ beta, labelSmoothing }) => aot({ beta, labelSmoothing }),
  aot_unpaired: ({ beta, labelSmoothing }) => aotUnpaired({ beta, labelSmoothing }),
  apo_zero: ({ beta }) => apoZero({ beta }),
  apo_down: ({ beta, divergence }) => apoDown({ beta, divergence }),
  discopop: ({ beta, divergence, tau }) => discopop({ beta, divergence, tau }),
};

function divergenceOf(golden: GoldenCase): Divergence {
  const name = golden.params['f_divergence_type'] ?? 'reverse_kl';
  switch (name) {
    case 'reverse_kl':
      return reverseKl;
    case 'forward_kl':
      return forwardKl;
    case 'js_divergence':
      return jensenShannon;
    case 'alpha_divergence':
      return alphaDivergence(numberOf(golden, 'f_alpha_divergence_coef', 0.5));
    default:
      throw new UnmappedError(`no divergence is called ${String(name)}`);
  }
}

/** The chosen responses by tokens, for the imitation among the loss types. */
type Chosen = Pick<Responses, 'logProbs' | 'mask'>;

/** One loss, or several with weights. */
function trlObjective(golden: GoldenCase): Loss<Pairs & Chosen> {
  const types = [golden.params['loss_type']].flat().map(String);
  const weights = (golden.params['loss_weights'] ?? types.map(() => 1)) as number[];
  const terms = types.map((type): Loss<Pairs & Chosen> => (type === 'sft' ? imitation : trlLoss(golden, type)));
  if (terms.length === 1) return terms[0] as Loss<Pairs & Chosen>;
  return objective(Object.fromEntries(terms.map((term, i) => [`${types[i]} ${i}`, scale(weights[i] as number, term)])));
}

const imitation: Loss<Chosen> = negativeLogLikelihood();

/** TRL's vector of losses before their mean: by pairs, or by ranks where the batch is sorted. */
function trlLosses(golden: GoldenCase, pairs: Pairs): tf.Tensor1D {
  const loss = trlLoss(golden, String(golden.params['loss_type']));
  const { chosenLogProbs, rejectedLogProbs, refChosenLogProbs, refRejectedLogProbs } = pairs;
  const ranked = (a: PerSequence, b: PerSequence): PerSequence => {
    const less = tf.sub<PerSequence>(stopGradient(a), stopGradient(b));
    return tf.reverse(tf.topk(less, less.size).values);
  };
  const zero = tf.zeros<tf.Rank.R1>([chosenLogProbs.size]);
  const ranks = { ...pairs, rejectedLogProbs: zero, refChosenLogProbs: zero, refRejectedLogProbs: zero };
  switch (golden.params['loss_type']) {
    case 'aot':
      return oneByOne(loss, {
        ...ranks,
        chosenLogProbs: ranked(chosenLogProbs, rejectedLogProbs),
        refChosenLogProbs: ranked(refChosenLogProbs, refRejectedLogProbs),
      });
    case 'aot_unpaired':
      return oneByOne(loss, {
        ...ranks,
        chosenLogProbs: ranked(chosenLogProbs, refChosenLogProbs),
        rejectedLogProbs: ranked(rejectedLogProbs, refRejectedLogProbs),
      });
    default:
      return oneByOne(loss, pairs);
  }
}

/** Whether the source has such a vector at all. */
const isSingle = ({ params }: GoldenCase): boolean => [params['loss_type']].flat().length === 1;

export const preferenceDpo: Family = {
  file: 'preference.dpo',
  run: (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const pairs = {
        ...pairInputs(x),
        chosenLengths: x.float<tf.Tensor1D>('chosen_lengths'),
        rejectedLengths: x.float<tf.Tensor1D>('rejected_lengths'),
      };
      const { metrics } = dpo({ beta: numberOf(golden, 'beta') })(pairs);
      const nothing = tf.zeros<tf.Rank.R2>([pairs.chosenLogProbs.size, 0]);
      return {
        loss: trlObjective(golden)({ ...pairs, logProbs: nothing, mask: nothing }).loss,
        ...(isSingle(golden) ? { per_sequence_loss: trlLosses(golden, pairs) } : {}),
        'metrics.chosen': metrics['chosenReward'] as tf.Scalar,
        'metrics.rejected': metrics['rejectedReward'] as tf.Scalar,
        'metrics.accuracies': metrics['accuracy'] as tf.Scalar,
        'metrics.margins': metrics['margin'] as tf.Scalar,
      };
    }),
};

/** From logits; chosen rows above rejected ones. The lengths are those of the mask before the shift. */
export const preferenceDpoLogits: Family = {
  file: 'preference.dpo-logits',
  run: (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const all = x.float('completion_mask');
      const side = (logits: string): Responses =>
        responses({ ids: x.ids('input_ids'), logits: x.float<tf.Tensor3D>(logits), mask: all });
      const [policy, reference] = [side('logits'), side('reference_logits')];
      const alpha = optionalNumber(golden, 'ld_alpha') ?? 1;
      const masks = lengthDesensitized(
        { chosenMask: block(policy.mask, 0, 2), rejectedMask: block(policy.mask, 1, 2) },
        { alpha },
      );
      const sums = ({ logProbs }: Responses): [PerSequence, PerSequence] => [
        sequenceLogProbs(block(logProbs, 0, 2), masks.chosenMask),
        sequenceLogProbs(block(logProbs, 1, 2), masks.rejectedMask),
      ];
      const [[chosenLogProbs, rejectedLogProbs], [refChosenLogProbs, refRejectedLogProbs]] = [
        sums(policy),
        sums(reference),
      ];
      const pairs = {
        chosenLogProbs,
        rejectedLogProbs,
        refChosenLogProbs,
        refRejectedLogProbs,
        chosenLengths: tf.sum<PerSequence>(block(all, 0, 2), 1),
        rejectedLengths: tf.sum<PerSequence>(block(all, 1, 2), 1),
        weights: flagOf(golden, 'use_weighting', false) ? pairWeights(policy) : tf.onesLike(chosenLogProbs),
      };
      const chosen = { logProbs: block(policy.logProbs, 0, 2), mask: block(policy.mask, 0, 2) };
      const { loss } = trlObjective(golden)({ ...pairs, ...chosen });
      // The source spreads the one number of its imitation over the pairs.
      const losses = (): tf.Tensor =>
        golden.params['loss_type'] === 'sft' ? tf.mul(tf.ones([chosenLogProbs.size]), loss) : trlLosses(golden, pairs);
      const { metrics } = dpo({ beta: numberOf(golden, 'beta') })(pairs);
      return {
        loss,
        ...(isSingle(golden) ? { per_sequence_loss: losses() } : {}),
        chosen_logps: chosenLogProbs,
        rejected_logps: rejectedLogProbs,
        reference_chosen_logps: refChosenLogProbs,
        reference_rejected_logps: refRejectedLogProbs,
        'metrics.rewards/margins': metrics['margin'] as tf.Scalar,
        ...observed(policy),
      };
    }),
};

function pairWeights({ logits, logProbs, mask }: Responses): PerSequence {
  const weights = wpoWeights({ logProbs, sumSquaredProbs: sumSquaredProbs(logits), mask });
  return tf.mul<PerSequence>(block(weights, 0, 2), block(weights, 1, 2));
}

/** What TRL logs of the logits themselves. */
function observed({ logits, ids, mask }: Responses): Record<string, tf.Tensor> {
  const means = tf.mean<tf.Tensor2D>(logits, -1);
  const right = tf.cast(tf.equal(tf.argMax(stopGradient(logits), -1), ids), 'float32');
  const chosen = block(mask, 0, 2);
  return {
    'metrics.entropy': maskedMean(entropy(logits), mask),
    'metrics.logits/chosen': maskedMean(block(means, 0, 2), chosen),
    'metrics.logits/rejected': maskedMean(block(means, 1, 2), block(mask, 1, 2)),
    'metrics.mean_token_accuracy': maskedMean(block(right, 0, 2), chosen),
  };
}

/** The original code of DPO, with its smoothing, IPO of sums, and a switch for no reference. */
export const preferenceDpoConservative: Family = {
  file: 'preference.dpo-conservative',
  run: (golden) =>
    onDevice(golden, { of: 'mean_loss' }, (x) => {
      const beta = numberOf(golden, 'beta');
      const pairs = pairInputs(x);
      const loss = flagOf(golden, 'ipo')
        ? ipo({ beta })
        : dpo({ beta, labelSmoothing: numberOf(golden, 'label_smoothing') });
      const used = flagOf(golden, 'reference_free') ? referenceFree(loss) : loss;
      const { chosenRewards, rejectedRewards } = pairByPair(loss, pairs);
      return {
        losses: oneByOne(used, pairs),
        mean_loss: used(pairs).loss,
        chosen_rewards: chosenRewards,
        rejected_rewards: rejectedRewards,
      };
    }),
};
