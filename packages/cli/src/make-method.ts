import { type BinaryPpo, binaryPpo, type Supervised, supervised } from '@tsrl/binary-ppo';
import { balancedClassWeights, effectiveClassWeights } from '@tsrl/data';
import { makeLoss } from './make-loss.js';
import { makeReward } from './make-reward.js';
import type { TrainSettings } from './settings/index.js';

/** What a method needs to know beside its settings; plain data, for it is sent to other threads. */
export interface MethodFacts {
  /** Training labels of class 0 and of class 1. */
  readonly counts: readonly [number, number];
  /** e₀ and e₁, and the share of true 1 where it was estimated with them. */
  readonly noiseRates?: NoiseFacts | undefined;
}

/** What is known of wrong labels. */
export interface NoiseFacts {
  readonly falsePositive: number;
  readonly falseNegative: number;
  readonly prior?: number;
}

export type TrainMethod = BinaryPpo | Supervised;

/** The method that the settings ask for. */
export function makeMethod(settings: TrainSettings, facts: MethodFacts): TrainMethod {
  const classWeights = classWeightsOf(settings, facts.counts);
  const loss = makeLoss(settings, facts, classWeights);
  if (settings.method === 'sft') return { ...supervised(), loss };
  const { actions, samplesPerExample, normalize, advantageScale, clipLow, clipHigh } = settings;
  const { valueCoefficient, supervisedCoefficient, entropyCoefficient } = settings;
  const { rewardClip, advantageClip, dualClip } = settings;
  return binaryPpo({
    reward: makeReward(settings, classWeights, facts.noiseRates),
    actions,
    samplesPerExample,
    baseline: BASELINES[settings.baseline],
    normalize,
    advantageScale,
    clipLow,
    clipHigh,
    valueCoefficient,
    supervisedCoefficient,
    entropyCoefficient,
    supervisedLoss: loss,
    ...(rewardClip !== null && { rewardClip }),
    ...(advantageClip !== null && { advantageClip }),
    ...(dualClip !== null && { dualClip }),
  });
}

const BASELINES = {
  analytic: 'analytic',
  'value-head': 'valueHead',
  'batch-mean': 'batchMean',
  none: 'none',
} as const satisfies Record<TrainSettings['baseline'], string>;

/** Weights of class 0 and class 1 in reward and loss. */
export function classWeightsOf(
  { classWeights, effectiveBeta }: Pick<TrainSettings, 'classWeights' | 'effectiveBeta'>,
  counts: readonly [number, number],
): readonly [number, number] {
  switch (classWeights) {
    case 'none':
      return [1, 1];
    case 'balanced':
      return balancedClassWeights(counts);
    case 'effective':
      return effectiveClassWeights(counts, { beta: effectiveBeta });
  }
}
