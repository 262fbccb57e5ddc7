import { OptionError } from '@tsrl/core';

/** Above 0, and a number: the one word that NaN, Infinity and 0 are refused with. Not for export, as the rest of this file. */
export function expectPositive(who: string, name: string, value: number): void {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new OptionError(who, name, 'positive and finite', value);
}

export function expectNonNegative(who: string, name: string, value: number): void {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, name, 'a finite number of at least 0', value);
  }
}

export function expectFinite(who: string, name: string, value: number): void {
  if (!Number.isFinite(value)) throw new OptionError(who, name, 'finite', value);
}

/** ε of a loss that believes a share of the pairs to be labelled the wrong way round. */
export function expectSmoothing(who: string, name: string, value: number): void {
  if (!(value >= 0 && value < 0.5)) throw new OptionError(who, name, 'in [0, 0.5)', value);
}

/** What the losses that clip ratios have in common; what is left out is the default of the loss. */
export interface Clips {
  readonly clipLow?: number;
  readonly clipHigh?: number;
  readonly dualClip?: number | undefined;
  readonly logRatioRange?: readonly [number, number];
}

export function expectClips(
  who: string,
  { clipLow = 0, clipHigh = clipLow, dualClip, logRatioRange: [lowest, highest] = [0, 0] }: Clips,
): void {
  if (!(clipLow >= 0 && clipLow < 1)) throw new OptionError(who, 'clipLow', 'in [0, 1)', clipLow);
  if (!(clipHigh >= 0)) throw new OptionError(who, 'clipHigh', 'at least 0', clipHigh);
  if (dualClip !== undefined && !(dualClip > 1)) throw new OptionError(who, 'dualClip', 'above 1', dualClip);
  if (!(lowest <= 0 && highest >= 0)) {
    throw new OptionError(who, 'logRatioRange', 'a range [low, high] that holds 0', [lowest, highest]);
  }
}
