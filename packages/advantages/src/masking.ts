import { OptionError } from '@tsrl/core';

/**
 * What a masked token between two valid ones means to a recursion over time. `skip`: nothing, the recursion goes
 * straight from one valid token to the next, as if the masked ones were deleted. `zero`: a step of reward and value
 * 0, which discounts like any other. They agree when the masked tokens are padding on the right.
 */
export type Masking = 'skip' | 'zero';

/** Throws an OptionError unless `masked` is one of the two conventions and the discounts are in [0, 1]. */
export function expectRecursion(who: string, masked: Masking, discounts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(discounts)) {
    if (!(value >= 0 && value <= 1)) throw new OptionError(who, name, 'in [0, 1]', value);
  }
  if (masked !== 'skip' && masked !== 'zero') throw new OptionError(who, 'masked', "'skip' or 'zero'", masked);
}
