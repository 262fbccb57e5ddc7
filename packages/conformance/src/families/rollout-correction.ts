import {
  offPolicyMetrics,
  type RejectionRule,
  type RolloutInputs,
  type RolloutStatistics,
  type RolloutWeightsOptions,
  rolloutRejection,
  rolloutWeights,
} from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost, values } from '../host.js';
import { flagOf, gridOf, numberOf, optionalNumber, textOf } from '../inputs.js';
import { byFunction, type Family, type Values } from '../outcome.js';

/** The log-ratio as the log-probabilities of one policy beside zeros of the other. */
function ratioInputs(golden: GoldenCase): RolloutInputs {
  const logProbs = gridOf(golden, 'log_ratio');
  const rolloutLogProbs = { ...logProbs, data: logProbs.data.map(() => 0) };
  return { logProbs, rolloutLogProbs, mask: gridOf(golden, 'response_mask') };
}

const scalars = (prefix: string, numbers: Readonly<Record<string, number>>): Record<string, Values> =>
  Object.fromEntries(
    Object.entries(numbers).map(([name, number]) => [`metrics.${prefix}${name}`, { shape: [], data: [number] }]),
  );

const sequenceStatistics = (of: RolloutStatistics): Record<string, number> => ({
  seq_mean: of.sequenceMean,
  seq_std: of.sequenceStd,
  seq_max: of.sequenceMax,
  seq_min: of.sequenceMin,
  seq_max_deviation: of.sequenceMaxDeviation,
  seq_fraction_high: of.sequenceAbove,
  seq_fraction_low: of.sequenceBelow,
});

export const rolloutCorrectionVerl: Family = byFunction('rollout-correction.verl', {
  compute_rollout_correction_weights(golden) {
    const inputs = ratioInputs(golden);
    const options: RolloutWeightsOptions = {
      level: textOf(golden, 'rollout_is') as Required<RolloutWeightsOptions>['level'],
      upper: numberOf(golden, 'rollout_is_threshold', 2),
      normalize: flagOf(golden, 'rollout_is_batch_normalize', false),
    };
    const { weights, metrics } = rolloutWeights(inputs, options);
    // The diagnostics bound the weights from below too, by the inverse.
    const both = rolloutWeights(inputs, { ...options, lower: 1 / (options.upper as number) }).metrics;
    return onHost({
      weights: values(weights),
      ...scalars('rollout_is_', {
        mean: both.mean,
        max: both.max,
        min: both.min,
        ratio_fraction_high: both.above,
        ratio_fraction_low: both.below,
        std: both.std,
        eff_sample_size: both.effectiveSampleSize,
        ...sequenceStatistics(both),
        ...(options.normalize && { batch_norm_factor: metrics.normalizer }),
      }),
    });
  },
  compute_rollout_rejection_mask(golden) {
    const rules = rejectionRules(golden);
    const { mask, rules: reports, metrics } = rolloutRejection(ratioInputs(golden), { rules });
    const perRule = namesOf(golden).map((name, i) => {
      const report = reports[i] as (typeof reports)[number];
      return scalars(`rollout_rs_${name}_`, {
        mean: report.mean,
        max: report.max,
        min: report.min,
        fraction_high: report.above,
        fraction_low: report.below,
        std: report.std,
        ...sequenceStatistics(report),
        masked_fraction: report.rejectedTokens / Math.max(1, metrics.tokens),
        seq_masked_fraction: report.rejectedSequences / Math.max(1, metrics.sequences),
      });
    });
    return onHost({
      mask: values(mask),
      ...Object.assign({}, ...perRule),
      ...scalars('rollout_rs_', {
        masked_fraction: metrics.rejectedTokens / Math.max(1, metrics.tokens),
        seq_masked_fraction: metrics.rejectedSequences / mask.rows,
      }),
    });
  },
  compute_offpolicy_metrics(golden) {
    const metrics = offPolicyMetrics({
      logProbs: gridOf(golden, 'old_log_prob'),
      rolloutLogProbs: gridOf(golden, 'rollout_log_prob'),
      mask: gridOf(golden, 'response_mask'),
    });
    return onHost(
      scalars('', {
        training_ppl: metrics.perplexity,
        training_log_ppl: metrics.logPerplexity,
        rollout_ppl: metrics.rolloutPerplexity,
        rollout_log_ppl: metrics.rolloutLogPerplexity,
        log_ppl_diff: metrics.logPerplexityGap,
        log_ppl_abs_diff: metrics.logPerplexityGapSize,
        log_ppl_diff_max: metrics.logPerplexityGapMax,
        log_ppl_diff_min: metrics.logPerplexityGapMin,
        ppl_ratio: metrics.perplexityRatio,
        kl: metrics.kl,
        k3_kl: metrics.k3,
        chi2_token: metrics.chiSquare,
        chi2_seq: metrics.chiSquareSequence,
      }),
    );
  },
});

const namesOf = (golden: GoldenCase): readonly string[] =>
  textOf(golden, 'rollout_rs')
    .split(',')
    .map((name) => name.trim());

/**
 * `seq_mean_k3` and its threshold; one threshold may stand for all, else there must be one for each. `0.5_2.0` are two,
 * and `u` of k1 is `1/u_u`. What does not fit is left to our function to refuse.
 */
function rejectionRules(golden: GoldenCase): readonly RejectionRule[] {
  const names = namesOf(golden);
  const given = String(golden.params['rollout_rs_threshold']).split(',');
  const fits = given.length === names.length;
  return names.map((name, i) => {
    const [over, estimate] = name.replace('seq_', '').split('_') as [RejectionRule['over'], RejectionRule['estimate']];
    const bounds = (given.length === 1 ? given[0] : fits ? given[i] : 'none')?.trim().split('_').map(Number) ?? [];
    const upper = bounds.at(-1) as number;
    if (estimate !== 'k1') return { over, estimate, upper, ...(bounds.length > 1 && { lower: bounds[0] as number }) };
    const lower = bounds.length > 1 ? (bounds[0] as number) : 1 / upper;
    return { over, estimate, lower: Math.log(lower), upper: Math.log(upper) };
  });
}

const modes: Readonly<Record<string, RolloutWeightsOptions>> = {
  token_truncate: { level: 'token', outside: 'truncate' },
  token_mask: { level: 'token', outside: 'mask' },
  sequence_truncate: { level: 'sequence', outside: 'truncate' },
  sequence_mask: { level: 'sequence', outside: 'mask' },
};

export const rolloutCorrectionTrl: Family = {
  file: 'rollout-correction.trl',
  run(golden) {
    const mode = modes[textOf(golden, 'mode')];
    if (mode === undefined) throw new UnmappedError(`no mode is called ${textOf(golden, 'mode')}`);
    const mask = gridOf(golden, 'completion_mask');
    const { weights } = rolloutWeights(
      {
        logProbs: gridOf(golden, 'old_per_token_logps'),
        rolloutLogProbs: gridOf(golden, 'sampling_per_token_logps'),
        mask,
      },
      {
        ...mode,
        lower: optionalNumber(golden, 'clip_min') ?? 0,
        upper: optionalNumber(golden, 'clip_max') ?? Number.POSITIVE_INFINITY,
      },
    );
    const ratio = mode.level === 'token' ? values(weights, mask) : perRow(weights, mask);
    return onHost({ importance_sampling_ratio: ratio });
  },
};

/** The one weight of each row, [B, 1]. */
function perRow(weights: Grid, mask: Grid): Values {
  const first = Array.from({ length: mask.rows }, (_, row) =>
    mask.data.subarray(row * mask.columns, (row + 1) * mask.columns).indexOf(1),
  );
  return {
    shape: [mask.rows, 1],
    data: first.map((column, row) => (column < 0 ? 0 : (weights.data[row * mask.columns + column] as number))),
    counts: first.map((column) => (column < 0 ? 0 : 1)),
  };
}
