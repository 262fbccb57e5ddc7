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
  tempered,
} from '@tsrl/rewards';
import { classWeightsOf } from './class-weights.js';
import { costsOf } from './decision.js';
import type { MethodFacts, NoiseRates } from './make-method.js';
import { hasCosts, type TrainSettings } from './settings/index.js';

/** The reward of BinaryPPO as the settings ask for it: by name, then by costs, then corrected for wrong labels. */
export function makeReward(settings: TrainSettings, { counts, noiseRates: noise }: MethodFacts): BinaryReward {
  const named = byName(settings, classWeightsOf(settings, counts), noise);
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
  { reward, kappa, rewardCap, rewardFloor, rewardPower, rewardTemper, rewardOffset }: TrainSettings,
  classWeights: readonly [number, number],
  noise: NoiseRates | undefined,
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
    case 'tempered':
      return tempered({ ...common, q: rewardTemper ?? temperOf(noise) });
    case 'log-score':
      return logScore({ ...capped, offset: rewardOffset });
  }
}

/**
 * q = 2 (e₀ + e₁), from 0.05 to 1: clean labels keep the logarithm, and where half of what they could tell is lost the
 * reward is bounded as `prob` is. A rule of our own, from no paper.
 */
function temperOf(noise: NoiseRates | undefined): number {
  if (!noise) throw new OptionError('tsrl', '--noise-rates', 'given for --reward-temper noise', noise);
  return Math.min(1, Math.max(0.05, 2 * (noise.falsePositive + noise.falseNegative)));
}

function priorOf(noisePrior: TrainSettings['noisePrior'], { prior }: NoiseRates): number | 'policy' {
  if (noisePrior === 'policy') return 'policy';
  if (noisePrior === 'half') return 0.5;
  if (prior !== undefined) return prior;
  throw new OptionError('tsrl', '--noise-prior', 'half or policy where the rates are given as numbers', noisePrior);
}
