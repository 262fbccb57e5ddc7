import { gae, lambdaReturns, nStep, type VTraceOptions, type VTraceResult, vTrace } from '@tsrl/advantages';
import type { Grid } from '@tsrl/core';
import { CaseError, type GoldenCase } from '../golden.js';
import { onHost } from '../host.js';
import { has, numberOf, tensorOf } from '../inputs.js';
import { byFunction, type Family, type Values } from '../outcome.js';

const vector = (golden: GoldenCase, name: string): Float64Array => tensorOf(golden, name).data;

const row = (data: ArrayLike<number>): Grid => ({ rows: 1, columns: data.length, data: Float64Array.from(data) });

const flat = ({ data }: Grid): Values => ({ shape: [data.length], data });

/** A parameter that is one number or, among the inputs, one for each step. */
function perStep(golden: GoldenCase, name: string, otherwise?: number): number | Grid {
  return has(golden, name) ? row(vector(golden, name)) : numberOf(golden, name, otherwise);
}

/** One trajectory with the values of states 0..T. */
function trajectory(golden: GoldenCase, values: Float64Array) {
  const rewards = row(vector(golden, 'r_t'));
  return {
    rewards,
    values: row(values.subarray(0, -1)),
    mask: { ...rewards, data: rewards.data.map(() => 1) },
    bootstrap: values.subarray(-1),
  };
}

/** From the values of states 1..T; that of state 0 makes no difference to returns. */
const laterStates = (golden: GoldenCase): ReturnType<typeof trajectory> =>
  trajectory(golden, Float64Array.of(0, ...vector(golden, 'v_t')));

/** From values of states 0..T−1 and of 1..T, which must be the same states. */
function bothStates(golden: GoldenCase): ReturnType<typeof trajectory> {
  const [before, after] = [vector(golden, 'v_tm1'), vector(golden, 'v_t')];
  if (before.some((value, i) => i > 0 && value !== after[i - 1])) {
    throw new CaseError('v_t and v_tm1 are of different states');
  }
  return trajectory(golden, Float64Array.of(before[0] as number, ...after));
}

const gammaOf = (golden: GoldenCase): Grid => row(vector(golden, 'discount_t'));

const trace = (golden: GoldenCase, options: VTraceOptions = {}): VTraceResult =>
  vTrace(
    { ...bothStates(golden), ratios: row(vector(golden, 'rho_tm1')) },
    {
      gamma: gammaOf(golden),
      lambda: perStep(golden, 'lambda_', 1),
      clipRho: numberOf(golden, 'clip_rho_threshold', 1),
      ...options,
    },
  );

export const multistepRlax: Family = byFunction('advantages.multistep.rlax', {
  truncated_generalized_advantage_estimation(golden) {
    const states = trajectory(golden, vector(golden, 'values'));
    const [gamma, lambda] = [gammaOf(golden), perStep(golden, 'lambda_')];
    // `gae` has one discount for all steps; V-trace on policy is the same with one for each.
    if (typeof lambda === 'number' && gamma.data.every((discount) => discount === gamma.data[0])) {
      return onHost({ result: flat(gae(states, { gamma: gamma.data[0] as number, lambda }).advantages) });
    }
    const ratios = { ...states.mask, data: states.mask.data.map(() => 1) };
    return onHost({ result: flat(vTrace({ ...states, ratios }, { gamma, lambda }).errors) });
  },
  lambda_returns: (golden) =>
    onHost({
      result: flat(
        lambdaReturns(laterStates(golden), { gamma: gammaOf(golden), lambda: perStep(golden, 'lambda_', 1) }),
      ),
    }),
  discounted_returns: (golden) =>
    onHost({ result: flat(lambdaReturns(discounted(golden), { gamma: gammaOf(golden), lambda: 1 })) }),
  n_step_bootstrapped_returns: (golden) =>
    onHost({
      result: flat(
        nStep(laterStates(golden), {
          steps: numberOf(golden, 'n'),
          gamma: gammaOf(golden),
          lambda: perStep(golden, 'lambda_t', 1),
        }).returns,
      ),
    }),
  importance_corrected_td_errors(golden) {
    const { errors } = vTrace(
      { ...trajectory(golden, vector(golden, 'values')), ratios: row(vector(golden, 'rho_tm1')) },
      { gamma: gammaOf(golden), lambda: perStep(golden, 'lambda_', 1), clipRho: Infinity, clipTrace: Infinity },
    );
    return onHost({ result: flat(errors) });
  },
  vtrace: (golden) => onHost({ errors: flat(trace(golden).errors) }),
  leaky_vtrace: (golden) => onHost({ errors: flat(trace(golden, { alpha: numberOf(golden, 'alpha_', 1) }).errors) }),
  vtrace_td_error_and_advantage(golden) {
    const clipAdvantage = numberOf(golden, 'clip_pg_rho_threshold', 1);
    const { errors, advantages, actionValues } = trace(golden, { clipAdvantage });
    return onHost({ errors: flat(errors), pg_advantage: flat(advantages), q_estimate: flat(actionValues) });
  },
});

/** Its `v_t` may also be one number for all states. */
function discounted(golden: GoldenCase): ReturnType<typeof trajectory> {
  const values = vector(golden, 'v_t');
  if (values.length > 1 || vector(golden, 'r_t').length === 1) return laterStates(golden);
  return trajectory(golden, new Float64Array(vector(golden, 'r_t').length + 1).fill(values[0] as number));
}
