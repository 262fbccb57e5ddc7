import * as tf from '@tensorflow/tfjs-core';
import { type Moments, runningMoments, varianceOf } from '@tsrl/core';
import { bco, matchingWeights, pooledShift } from '@tsrl/losses';
import { onDevice } from '../device.js';
import { CaseError, type GoldenCase } from '../golden.js';
import { onHost } from '../host.js';
import { flagOf, has, numberOf, tensorOf } from '../inputs.js';
import { oneByOne } from '../one-by-one.js';
import type { Computed, Family, Values } from '../outcome.js';

/** Steps that share one running mean of rewards; each has its own loss, and gradients of it. */
export const preferenceBco: Family = {
  file: 'preference.bco',
  async run(golden) {
    const steps = golden.params['do_train'];
    if (!Array.isArray(steps)) throw new CaseError('the parameter do_train must be a list');
    let moments = pooledShift.initial;
    const outputs: Record<string, Values> = {};
    const gradients: Record<string, Values> = {};
    for (const [i, train] of steps.entries()) {
      const observation = rewardsOf(golden, `step${i}`);
      if (train === true) moments = pooledShift.update(moments, observation);
      const step = await lossOf(golden, `step${i}`, observation.labels, pooledShift.shift(moments));
      const rewards = (label: number): Values => {
        const data = observation.rewards.filter((_, at) => observation.labels[at] === label);
        return { shape: [data.length], data };
      };
      const computed = {
        ...step.outputs,
        ...momentsOf(moments, 'running_'),
        chosen_rewards: rewards(1),
        rejected_rewards: rewards(0),
      };
      for (const [name, value] of Object.entries(computed)) outputs[`step${i}.${name}`] = value;
      Object.assign(gradients, step.gradients);
    }
    return { kind: 'computed', precision: 'float32', outputs, gradients };
  },
};

const sides = ['chosen', 'rejected'] as const;

/** Chosen, then rejected, as the source stacks them. */
function rewardsOf(golden: GoldenCase, step: string): { readonly rewards: number[]; readonly labels: number[] } {
  const beta = numberOf(golden, 'beta');
  const rewards = sides.map((side) => {
    const reference = tensorOf(golden, `${step}_reference_${side}_logps`).data;
    return Array.from(
      tensorOf(golden, `${step}_policy_${side}_logps`).data,
      (lp, i) => beta * (lp - (reference[i] as number)),
    );
  });
  return { rewards: rewards.flat(), labels: rewards.flatMap((of, i) => of.map(() => 1 - i)) };
}

async function lossOf(golden: GoldenCase, step: string, labels: readonly number[], shift: number): Promise<Computed> {
  const weights = weightsOf(golden, step, labels);
  const own = Object.entries(golden.gradients).filter(([name]) => name.startsWith(`${step}_`));
  // A gradient in nothing is no gradient to tfjs.
  const empty = own.filter(([, { data }]) => data.length === 0).map(([name, { shape }]) => [name, { shape, data: [] }]);
  const part = { ...golden, gradients: Object.fromEntries(own.filter(([, { data }]) => data.length > 0)) };
  const computed = await onDevice(part, { of: 'loss' }, (x) => {
    const stack = (of: string): tf.Tensor1D =>
      tf.concat1d(
        sides
          .map((side) => `${step}_${of}_${side}_logps`)
          .filter((name) => tensorOf(golden, name).data.length > 0)
          .map((name) => x.float<tf.Tensor1D>(name)),
      );
    const loss = bco({ beta: numberOf(golden, 'beta'), shift });
    const inputs = {
      logProbs: stack('policy'),
      refLogProbs: stack('reference'),
      labels: tf.tensor1d([...labels]),
      weights: tf.tensor1d([...weights]),
    };
    const { loss: mean, metrics } = loss(inputs);
    return { loss: mean, losses: oneByOne(loss, inputs), delta: metrics['shift'] as tf.Scalar };
  });
  return { ...computed, gradients: { ...computed.gradients, ...Object.fromEntries(empty) } };
}

function weightsOf(golden: GoldenCase, step: string, labels: readonly number[]): readonly number[] {
  const name = `${step}_rejected_prob_desirable`;
  if (!flagOf(golden, 'match_underlying_distribution', false) || !has(golden, name)) {
    return labels.map(() => 1);
  }
  const desirable = labels.filter((label) => label === 1);
  const weights = matchingWeights(
    { probabilities: [...desirable, ...tensorOf(golden, name).data], labels },
    {
      minDensityRatio: numberOf(golden, 'min_density_ratio', 0.5),
      maxDensityRatio: numberOf(golden, 'max_density_ratio', 10),
    },
  );
  return Array.from(weights);
}

/** The deviation over n − 1 is not defined for one value: the source says NaN, and so does the formula. */
const deviationOf = (moments: Moments): number => (moments.count > 1 ? Math.sqrt(varianceOf(moments)) : Number.NaN);

function momentsOf(moments: Moments, prefix = ''): Record<string, Values> {
  const numbers = {
    mean: moments.mean,
    std: deviationOf(moments),
    var: varianceOf(moments, 'population'),
    count: moments.count,
  };
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [prefix + name, { shape: [], data: [value] }]),
  );
}

/** Batches in, moments after each of them out. */
export const preferenceBcoRunningMoments: Family = {
  file: 'preference.bco-running-moments',
  run(golden) {
    const batches = golden.inputs['batches'];
    if (!Array.isArray(batches)) throw new CaseError('the input batches must be a list');
    let moments = runningMoments.initial;
    const outputs: Record<string, Values> = { 'steps.length': { shape: [], data: [batches.length] } };
    for (const [i, batch] of batches.entries()) {
      const { data } = batch as unknown as { readonly data: readonly number[] };
      moments = runningMoments.update(moments, data);
      const alone = runningMoments.update(runningMoments.initial, data);
      const step = {
        ...momentsOf(moments),
        batch_mean: { shape: [], data: [alone.mean] },
        batch_std: { shape: [], data: [deviationOf(alone)] },
      };
      for (const [name, value] of Object.entries(step)) outputs[`steps.${i}.${name}`] = value;
    }
    return onHost(outputs);
  },
};
