import {
  offlineCounts,
  policyDrift,
  type SuccessCounts,
  samplingWeights,
  singleStreamSpo,
  spread,
  trackedValues,
  valueTracker,
} from '@tsrl/advantages';
import { CaseError, type GoldenCase, UnmappedError } from '../golden.js';
import { onHost, values } from '../host.js';
import { gridOf, numberOf, tensorOf, textOf } from '../inputs.js';
import { byFunction, type Computed, type Family, type Values } from '../outcome.js';
import { rowSums } from './row-sums.js';

const vector = (data: ArrayLike<number>): Values => ({ shape: [data.length], data });

/** The prompts of a case are its rows. */
const rowNames = (count: number): readonly string[] => Array.from({ length: count }, (_, row) => String(row));

const named = (counts: readonly (readonly [number, number])[]): SuccessCounts =>
  Object.fromEntries(counts.map((one, row) => [String(row), one]));

const columns = (counts: SuccessCounts): readonly [alpha: Values, beta: Values] => {
  const rows = rowNames(Object.keys(counts).length).map((name) => counts[name] as readonly [number, number]);
  return [vector(rows.map(([alpha]) => alpha)), vector(rows.map(([, beta]) => beta))];
};

/** Rewards of N offline responses: a positive score is a success, and a score that is missing a failure. */
function offlineRewards(scores: unknown, n: number): readonly number[] {
  const { data } = scores as { readonly data: readonly number[] };
  const successes = data.filter((score) => score > 0).length;
  if (n > 0 && successes > n) throw new UnmappedError('no mapping of more successes than responses');
  return Array.from({ length: n }, (_, i) => (i < successes ? 1 : 0));
}

function initialized(golden: GoldenCase): Computed {
  const scores = golden.inputs['offline_scores'];
  if (!Array.isArray(scores)) throw new CaseError('the case has no list offline_scores');
  const n = numberOf(golden, 'offline_N');
  const counts = named(
    scores.map((one) => offlineCounts(offlineRewards(one, n), { leastRetention: numberOf(golden, 'rho_clip_lower') })),
  );
  const prompts = rowNames(scores.length);
  const [alpha, beta] = columns(counts);
  const exploration = numberOf(golden, 'exploration_epsilon');
  return onHost({
    alpha,
    beta,
    p_hat: vector(trackedValues(counts, prompts)),
    sampling_weight: vector(samplingWeights(counts, prompts, { exploration })),
  });
}

/** The source is given ρ; ours computes it from the drift, whose half-life is 1 here: D = −log₂ ρ. */
function stepped(golden: GoldenCase): Computed {
  const [alphas, betas] = [tensorOf(golden, 'alpha').data, tensorOf(golden, 'beta').data];
  const counts = named(Array.from(alphas, (alpha, row) => [alpha, betas[row] as number] as const));
  const rewards = rowSums(gridOf(golden, 'token_level_rewards'));
  const prompts = rowNames(rewards.length);
  const baselines = trackedValues(counts, prompts);
  const { advantages, metrics } = singleStreamSpo({ rewards, baselines });
  const after = valueTracker({ halfLife: 1, retention: [0, 1] }).update(
    counts,
    prompts.map((prompt, row) => ({
      prompt,
      reward: rewards[row] as number,
      drift: -Math.log2(tensorOf(golden, 'rho').data[row] as number),
    })),
  );
  const [alpha, beta] = columns(after);
  return onHost({
    advantages: values(spread(advantages, gridOf(golden, 'response_mask'))),
    p_hat: vector(baselines),
    alpha_after: alpha,
    beta_after: beta,
    quantiles_10_30_50_70_90: vector([10, 30, 50, 70, 90].map((level) => metrics[`quantile${level}`] as number)),
  });
}

/** ρ is what the tracker keeps of α = 1 when it sees a failure. */
function retained(golden: GoldenCase): Computed {
  const type = textOf(golden, 'type');
  if (type !== 'constant' && type !== 'kl') throw new UnmappedError(`no mapping of the type ${type}`);
  const constant = type === 'constant';
  const drifts = constant ? new Float64Array(numberOf(golden, 'batch')) : driftsOf(golden);
  const value = constant ? numberOf(golden, 'value') : undefined;
  const { update } = valueTracker({
    ...(constant ? {} : { halfLife: numberOf(golden, 'half_life') }),
    retention: [value ?? numberOf(golden, 'clip_lower'), value ?? numberOf(golden, 'clip_upper')],
  });
  const before = named(Array.from(drifts, () => [1, 1] as const));
  const seen = Array.from(drifts, (drift, row) => ({ prompt: String(row), reward: 0, drift }));
  const [rho] = columns(update(before, seen));
  return onHost(constant ? { rho } : { rho, D: vector(drifts) });
}

/** 0 for rows whose prompt is seen for the first time. */
function driftsOf(golden: GoldenCase): Float64Array {
  const drifts = policyDrift({
    oldLogProbs: gridOf(golden, 'old_log_probs'),
    logProbs: gridOf(golden, 'current_log_probs'),
    mask: gridOf(golden, 'response_mask'),
  });
  const first = golden.params['first_seen_rows'];
  return drifts.map((drift, row) => (Array.isArray(first) && first.includes(row) ? 0 : drift));
}

export const singleStreamSpoFamily: Family = byFunction('advantages.single-stream-spo', {
  'fit: initialisation and weights': initialized,
  'fit: advantages and tracker update': stepped,
  _get_spo_rho: retained,
});
