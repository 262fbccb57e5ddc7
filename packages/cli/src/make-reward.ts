import { OptionError } from '@tsrl/core';
import {
  type BinaryReward,
  backwardCorrected,
  constantReward,
  costWeighted,
  forwardCorrected,
  logComplement,
  logScore,
  margin,
  marginFloor,
  power,
  printed,
  probReward,
  surprise,
} from '@tsrl/rewards';
import { classWeightsOf } from './class-weights.js';
import { costsOf } from './decision.js';
import type { MethodFacts, NoiseFacts } from './make-method.js';
import { hasCosts, type TrainSettings } from './settings/index.js';

/** The reward of BinaryPPO as the settings ask for it: by name, then by costs, then corrected for wrong labels. */
export function makeReward(settings: TrainSettings, { counts, noiseRates: noise }: MethodFacts): BinaryReward {
  const named = byName(settings, classWeightsOf(settings, counts));
  const reward = hasCosts(settings) ? costWeighted(named, costsOf(settings)) : named;
  if (settings.noiseCorrection === 'none') return reward;
  if (!noise)
    throw new OptionError('tsrl', '--noise-rates', `given for --noise-correction ${settings.noiseCorrection}`, noise);
  const { falsePositive, falseNegative } = noise;
  const rates = { falsePositive, falseNegative };
  if (settings.noiseCorrection === 'backward') return backwardCorrected(reward, rates);
  return forwardCorrected(reward, { ...rates, prior: priorOf(settings.noisePrior, noise) });
}

function byName(
  { reward, kappa, rewardCap, rewardFloor, rewardPower, rewardOffset }: TrainSettings,
  classWeights: readonly [number, number],
): BinaryReward {
  const common = { kappa, classWeights };
  const capped = { ...common, cap: rewardCap ?? Number.POSITIVE_INFINITY };
  switch (reward) {
    case 'constant':
      return constantReward(common);
    case 'prob':
      return probReward(common);
    case 'log-complement':
      return logComplement(capped);
    case 'surprise':
      return surprise(capped);
    case 'printed':
      return printed(capped);
    case 'margin':
      return margin(common);
    case 'margin-floor':
      return marginFloor({ ...common, floor: rewardFloor });
    case 'power':
      return power({ ...common, exponent: rewardPower });
    case 'log-score':
      return logScore({ ...capped, offset: rewardOffset });
  }
}

function priorOf(noisePrior: TrainSettings['noisePrior'], { prior }: NoiseFacts): number | 'policy' {
  if (noisePrior === 'policy') return 'policy';
  if (noisePrior === 'half') return 0.5;
  if (prior !== undefined) return prior;
  throw new OptionError('tsrl', '--noise-prior', 'half or policy where the rates are given as numbers', noisePrior);
}
