import { type BinaryPpoOptions, binaryFeedback, binaryPpo, supervised } from '@tsrl/binary-ppo';
import { linear } from '@tsrl/core';
import type { NoiseRates as GivenRates } from '@tsrl/rewards';
import type { Columns, Method } from '@tsrl/training';
import { makeLoss } from './make-loss.js';
import { makeReward } from './make-reward.js';
import type { TrainSettings } from './settings/index.js';

/** What a method needs to know beside its settings; plain data, for it is sent to other threads. */
export interface MethodFacts {
  /** Training texts of class 0 and of class 1, as labelled or as believed. */
  readonly counts: readonly [number, number];
  /** Of the whole run, without a stop of any kind. */
  readonly steps: number;
  readonly noiseRates?: NoiseRates | undefined;
}

/** How often labels are wrong, and the share of true 1 where it was estimated with the rates. */
export interface NoiseRates extends GivenRates {
  readonly prior?: number;
}

/** The method that the settings ask for. */
export function makeMethod(settings: TrainSettings, facts: MethodFacts): Method {
  switch (settings.method) {
    case 'sft':
      return asMethod(supervised({ loss: makeLoss(settings, facts) }));
    case 'bco':
      return asMethod(binaryFeedback({ beta: settings.beta }));
    case 'binary-ppo':
      return asMethod(binaryPpo(ppoOptions(settings, facts)));
  }
}

/** The loop gives a loss the columns that the same method prepared: which these are is nobody else's business. */
const asMethod = <C extends Columns>(method: Method<C>): Method => method as unknown as Method;

function ppoOptions(settings: TrainSettings, facts: MethodFacts): BinaryPpoOptions {
  const { rewardClip, advantageClip, dualClip, supervisedCoefficient, kappa } = settings;
  return {
    reward: makeReward(settings, facts),
    ...(rewardClip !== null && { rewardClip }),
    ...(!settings.renormalize && { invalidReward: -kappa }),
    actions: settings.actions,
    samplesPerExample: settings.samplesPerExample,
    baseline: BASELINES[settings.baseline],
    normalize: settings.normalize,
    ...(advantageClip !== null && { advantageClip }),
    advantageScale: settings.advantageScale,
    clipLow: settings.clipLow,
    clipHigh: settings.clipHigh,
    ...(dualClip !== null && { dualClip }),
    valueCoefficient: settings.valueCoefficient,
    supervisedCoefficient: settings.supervisedAnneal
      ? linear(supervisedCoefficient, 0, facts.steps)
      : supervisedCoefficient,
    supervisedLoss: makeLoss(settings, facts),
    warmupSteps: settings.warmupSteps,
    entropyCoefficient: settings.entropyCoefficient,
    klCoefficient: settings.klCoefficient,
    klDirection: settings.klDirection,
  };
}

const BASELINES = {
  analytic: 'analytic',
  'value-head': 'valueHead',
  'batch-mean': 'batchMean',
  none: 'none',
} as const satisfies Record<TrainSettings['baseline'], string>;
