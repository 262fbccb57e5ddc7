import { DataError, ShapeError } from '@tsrl/core';

/** One reward per response, [B]; `null` where the reward does not apply to the response. */
export type Rewards = ArrayLike<number | null>;

/** Throws a ShapeError when there is no response, a DataError that names the first reward neither finite nor `null`. */
export function expectRewards(who: string, name: string, rewards: Rewards): void {
  if (rewards.length === 0) throw new ShapeError(who, name, 'of at least one response', 'length 0');
  for (let row = 0; row < rewards.length; row++) {
    const reward = rewards[row];
    if (reward !== null && !Number.isFinite(reward)) {
      throw new DataError(who, `${name}[${row}] must be finite, or null where it does not apply; got ${reward}`);
    }
  }
}
