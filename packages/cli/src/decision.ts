import { sigmoid } from '@tsrl/core';
import { chooseThreshold, temperature as fitTemperature } from '@tsrl/evaluation';
import { bayesThreshold } from '@tsrl/rewards';
import type { TrainSettings } from './settings/index.js';

/** From log-odds to a class: sigmoid(z / temperature) is the probability, and class 1 begins at the threshold. */
export interface Decision {
  readonly temperature: number;
  readonly threshold: number;
}

/** Temperature and threshold by the settings, chosen on validation examples alone. */
export function decide(
  settings: TrainSettings,
  validation: { readonly logits: Float64Array; readonly labels: ArrayLike<number> },
): Decision {
  const temperature = settings.temperature ? fitTemperature(validation) : 1;
  const probabilities = scaled(validation.logits, temperature).map(sigmoid);
  switch (settings.threshold) {
    case 'half':
      return { temperature, threshold: 0.5 };
    case 'validation':
      return { temperature, threshold: chooseThreshold(probabilities, validation.labels) };
    case 'costs':
      return { temperature, threshold: bayesThreshold(costsOf(settings)) };
  }
}

/** z / T */
export const scaled = (logits: Float64Array, temperature: number): Float64Array =>
  temperature === 1 ? logits : logits.map((z) => z / temperature);

/** What the four outcomes are worth, as @tsrl/rewards names them. */
export const costsOf = ({
  gainTruePositive,
  costFalseNegative,
  gainTrueNegative,
  costFalsePositive,
}: TrainSettings): Required<Parameters<typeof bayesThreshold>[0]> => ({
  truePositive: gainTruePositive,
  falseNegative: costFalseNegative,
  trueNegative: gainTrueNegative,
  falsePositive: costFalsePositive,
});
