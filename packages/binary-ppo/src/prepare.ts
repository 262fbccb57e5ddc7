import { normalizeAdvantages } from '@tsrl/advantages';
import { expectLength, type Grid, type Rng, StateError } from '@tsrl/core';
import { logComplement } from '@tsrl/rewards';
import { enumerateActions, labelActions, logProbsOfActions, rewardsOfActions, sampleActions } from './actions.js';
import { againstBaseline, mapGrid } from './baselines.js';
import type { BinaryPpoOptions } from './options.js';

/** What BinaryPPO sees of the examples of a refresh, all [N]; what it `observes` must be there. */
export interface BinaryPpoObservation {
  /** In [0, 1]; between them a label is a belief in class 1. */
  readonly labels: Float64Array;
  readonly logits?: Float64Array;
  readonly values?: Float64Array;
  readonly logMass?: Float64Array;
  /** Of the reference policy: the one that training began with, as a rule. */
  readonly refLogits?: Float64Array;
  readonly refLogMass?: Float64Array;
  readonly rng: Rng;
}

/**
 * What stays fixed between two refreshes, for N examples; columns of [N, 2] belong to the actions 0 and 1, and there is a
 * third one, of an invalid answer, with `invalidReward`.
 */
export type BinaryPpoColumns = {
  /** [N], in [0, 1]. */
  readonly labels: Float64Array;
  /** [N, 2], log π_old(a|x). */
  readonly oldLogProbs: Grid;
  /** [N, 2], how much each action counts; each row sums to 1. */
  readonly weights: Grid;
  /** [N, 2] */
  readonly advantages: Grid;
  /** [N, 2], what the value head is fitted to. */
  readonly returns: Grid;
  /** [N], V(x) of the behaviour policy; there with `valueClip`. */
  readonly oldValues?: Float64Array;
  /** [N], z of the reference policy; there with a `klCoefficient` other than 0. */
  readonly refLogits?: Float64Array;
  /** [N], its log-probability of a valid answer; there with both. */
  readonly refLogMass?: Float64Array;
};

/**
 * Actions, rewards, baseline and advantages of a refresh, in the order of core.md 2.11.
 *
 * @throws StateError for an observation that is missing, ShapeError for one of another length, DataError for a label
 *   outside [0, 1] or a number that is none
 */
export function prepareRefresh(options: BinaryPpoOptions, observation: BinaryPpoObservation): BinaryPpoColumns {
  const { reward = logComplement(), actions = 'enumerate', samplesPerExample = 1, baseline = 'analytic' } = options;
  const { rewardClip = Infinity, normalize = 'scale', advantageClip = Infinity, advantageScale = 1 } = options;
  const { klCoefficient = 0, valueClip, invalidReward } = options;
  const { labels, values, rng } = observation;
  const observed = observedColumns(observation);
  const logits = observed('logits', 'needs the logits of the behaviour policy');
  const logMass = invalidReward === undefined ? undefined : observed('logMass', 'invalidReward needs logMass');

  const probabilities = enumerateActions(logits, logMass);
  const sampled = actions === 'sample';
  const counts = sampled
    ? sampleActions(probabilities, samplesPerExample, rng)
    : actions === 'label'
      ? labelActions(labels, logMass ? 3 : 2)
      : probabilities;
  const rewards = mapGrid(rewardsOfActions(reward, { labels, logits, invalidReward }), (r) => clamp(r, rewardClip));
  const { advantages: raw, returns } = againstBaseline(baseline, {
    probabilities,
    ...(values && { values }),
    rewards,
    weights: counts,
    sampled,
  });
  const { advantages } = normalizeAdvantages(
    { advantages: raw, weights: counts },
    { mode: normalize, variance: sampled ? 'sample' : 'population' },
  );
  return {
    labels,
    oldLogProbs: logProbsOfActions(logits, logMass),
    weights: sampled ? mapGrid(counts, (count) => count / samplesPerExample) : counts,
    advantages: mapGrid(advantages, (a) => advantageScale * clamp(a, advantageClip)),
    returns,
    ...(baseline === 'valueHead' && valueClip !== undefined && values && { oldValues: values }),
    ...(klCoefficient !== 0 && {
      refLogits: observed('refLogits', 'klCoefficient needs the logits of the reference policy'),
      ...(logMass && { refLogMass: observed('refLogMass', 'klCoefficient and invalidReward need refLogMass') }),
    }),
  };
}

type ObservedName = 'logits' | 'logMass' | 'refLogits' | 'refLogMass';

const observedColumns =
  (observation: BinaryPpoObservation) =>
  (name: ObservedName, problem: string): Float64Array => {
    const column = observation[name];
    if (!column) throw new StateError('binaryPpo', problem);
    expectLength('binaryPpo', name, column, observation.labels.length);
    return column;
  };

const clamp = (x: number, most: number): number => Math.min(Math.max(x, -most), most);
