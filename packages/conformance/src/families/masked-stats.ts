import * as tf from '@tensorflow/tfjs-core';
import { normalizeAdvantages } from '@tsrl/advantages';
import {
  type MaskedVarianceOptions,
  maskedMax,
  maskedMean,
  maskedMin,
  maskedSum,
  maskedVariance,
  type WhitenOptions,
  whiten,
} from '@tsrl/tensor';
import { type DeviceInputs, onDevice } from '../device.js';
import type { GoldenCase } from '../golden.js';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, has, numberOf, optionalNumber } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

type Statistic = (values: tf.Tensor2D, mask: tf.Tensor2D) => tf.Tensor;

const over = (golden: GoldenCase, statistic: Statistic): ReturnType<typeof onDevice> =>
  onDevice(golden, { of: 'result' }, (x) => ({ result: statistic(x.float('values'), x.float('mask')) }));

/** verl and TRL call it `axis`, OpenRLHF `dim`. */
function axisOf(golden: GoldenCase): { axis?: number } {
  const axis = optionalNumber(golden, 'axis') ?? optionalNumber(golden, 'dim');
  return axis === undefined ? {} : { axis };
}

const kindOf = (golden: GoldenCase, flag: string): Required<Pick<MaskedVarianceOptions, 'kind'>> => ({
  kind: flagOf(golden, flag, true) ? 'sample' : 'population',
});

const sum: Family['run'] = (golden) => over(golden, (x, mask) => maskedSum(x, mask, axisOf(golden)));
const mean: Family['run'] = (golden) => over(golden, (x, mask) => maskedMean(x, mask, axisOf(golden)));
const variance: Family['run'] = (golden) =>
  over(golden, (x, mask) => maskedVariance(x, mask, { ...axisOf(golden), ...kindOf(golden, 'unbiased') }));

/**
 * `whiten` where the statistics come from. The sources shift and scale the other entries too, where ours are 0: those
 * are built from `maskedMean` and `maskedVariance`, so that every entry and the whole gradient can be compared.
 */
function whitenEverywhere(x: tf.Tensor2D, mask: tf.Tensor2D, options: WhitenOptions): tf.Tensor {
  const { kind = 'sample', shiftMean = true } = options;
  const mean = maskedMean(x, mask);
  const centered = tf.sub(x, mean);
  // The second pass removes what float32 left of the mean in the first, as `whiten` does.
  const scaled = tf.div(
    tf.sub(centered, maskedMean(centered, mask)),
    tf.sqrt(tf.add(maskedVariance(x, mask, { kind }), 1e-8)),
  );
  return tf.where(tf.greater(mask, 0), whiten(x, mask, options), shiftMean ? scaled : tf.add(scaled, mean));
}

const whitened =
  (flag: string): Family['run'] =>
  (golden) =>
    onDevice(golden, { of: 'result' }, (x) => ({
      result: whitenEverywhere(x.float('values'), statisticsMask(golden, x), {
        ...kindOf(golden, flag),
        shiftMean: flagOf(golden, 'shift_mean', true),
      }),
    }));

/** Segment-SPO leaves tokens of probability 0.9 and more out of the statistics, if any others are left. */
function statisticsMask(golden: GoldenCase, x: DeviceInputs): tf.Tensor2D {
  const mask = x.float('mask');
  if (!has(golden, 'logprobs')) return mask;
  const unsure = tf.mul<tf.Tensor2D>(mask, tf.cast(tf.less(tf.exp(x.float('logprobs')), 0.9), 'float32'));
  return tf.where(tf.greater(tf.sum(unsure), 0), unsure, mask) as tf.Tensor2D;
}

export const maskedStatsVerl: Family = byFunction('masked-stats.verl', {
  masked_sum: sum,
  masked_mean: mean,
  masked_var: variance,
  masked_whiten: whitened('unbiased'),
});

export const maskedStatsTrlPpo: Family = byFunction('masked-stats.trl-ppo', {
  masked_mean: mean,
  masked_var: variance,
  masked_whiten: whitened('unbiased'),
});

export const maskedStatsSpo: Family = byFunction('masked-stats.spo', {
  masked_mean: mean,
  masked_var: (golden) => over(golden, (x, mask) => maskedVariance(x, mask, kindOf(golden, 'unbiased_variance'))),
  masked_whiten: whitened('unbiased_variance'),
  masked_rescale_by_std(golden) {
    const mask = gridOf(golden, 'mask');
    const { advantages } = normalizeAdvantages(
      { advantages: gridOf(golden, 'values'), weights: mask },
      { mode: 'scale', variance: kindOf(golden, 'unbiased_variance').kind },
    );
    return onHost({ result: values(advantages, mask) });
  },
});

export const maskedStatsOpenRlhf: Family = byFunction('masked-stats.openrlhf', {
  masked_mean: mean,
  // max(variance, eps) under the root: with a variance above eps that is no epsilon at all.
  masked_normalize: (golden) =>
    over(golden, (x, mask) => {
      numberOf(golden, 'eps', 1e-8);
      return whiten(x, mask, { axis: numberOf(golden, 'dim', 1), kind: 'population', epsilon: 0 });
    }),
});

/** What is not NaN counts. */
const overPresent = (
  golden: GoldenCase,
  statistic: (values: tf.Tensor, present: tf.Tensor) => tf.Tensor,
): ReturnType<typeof onDevice> =>
  onDevice(golden, { of: 'result' }, (x) => {
    const all = x.float<tf.Tensor>('values');
    return { result: statistic(all, tf.cast(tf.logicalNot(tf.isNaN(all)), 'float32')) };
  });

export const maskedStatsNanAware: Family = byFunction('masked-stats.nan-aware', {
  nanstd: (golden) => overPresent(golden, (x, present) => tf.sqrt(maskedVariance(x, present, axisOf(golden)))),
  nanmin: (golden) => overPresent(golden, (x, present) => maskedMin(x, present)),
  nanmax: (golden) => overPresent(golden, (x, present) => maskedMax(x, present)),
});
