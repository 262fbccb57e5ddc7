import { OptionError } from '@tsrl/core';
import {
  type BinaryCrossEntropyInputs,
  binaryCrossEntropy,
  focalLoss,
  forwardCorrectedCrossEntropy,
  generalizedCrossEntropy,
  logitAdjustedCrossEntropy,
  meanAbsoluteError,
} from '@tsrl/losses';
import type { Loss } from '@tsrl/tensor';
import { classWeightsOf } from './class-weights.js';
import type { MethodFacts } from './make-method.js';
import type { TrainSettings } from './settings/index.js';

/** The supervised loss that the settings ask for. */
export function makeLoss(settings: TrainSettings, { counts, noiseRates }: MethodFacts): Loss<BinaryCrossEntropyInputs> {
  const { loss, labelSmoothing, q, focalGamma, tau } = settings;
  const classWeights = classWeightsOf(settings, counts);
  switch (loss) {
    case 'cross-entropy':
      return binaryCrossEntropy({ smoothing: labelSmoothing, classWeights });
    case 'mae':
      return meanAbsoluteError({ classWeights });
    case 'generalized-cross-entropy':
      return generalizedCrossEntropy({ q, classWeights });
    case 'focal':
      return focalLoss({ gamma: focalGamma, classWeights });
    case 'logit-adjusted':
      return logitAdjustedCrossEntropy({ prior: counts[1] / (counts[0] + counts[1]), tau, classWeights });
    case 'forward-corrected': {
      if (!noiseRates) throw new OptionError('tsrl', '--noise-rates', 'given for --loss forward-corrected', noiseRates);
      const { falsePositive, falseNegative } = noiseRates;
      return forwardCorrectedCrossEntropy({ falsePositive, falseNegative, classWeights });
    }
  }
}
