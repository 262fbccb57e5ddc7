import type { TrainSettings } from './fields.js';

/** Whether the four outcomes count differently. */
export function hasCosts(
  settings: Pick<TrainSettings, 'gainTruePositive' | 'costFalseNegative' | 'gainTrueNegative' | 'costFalsePositive'>,
): boolean {
  const { gainTruePositive, costFalseNegative, gainTrueNegative, costFalsePositive } = settings;
  return [gainTruePositive, costFalseNegative, gainTrueNegative, costFalsePositive].some((worth) => worth !== 1);
}
