import { OptionError } from '@tsrl/core';

/** A confidence interval, both ends included, as plain JSON. */
export type Interval = { readonly lower: number; readonly upper: number };

/** An option of everything that returns an interval. */
export interface LevelOptions {
  /** How often such intervals are to hold, in (0, 1). Default 0.95. */
  readonly level?: number;
}

/** Throws unless the level is in (0, 1). */
export function expectLevel(who: string, level: number): void {
  if (!(level > 0 && level < 1)) throw new OptionError(who, 'level', 'in (0, 1)', level);
}
