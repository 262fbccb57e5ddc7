import { DataError, expectLength, OptionError } from '@tsrl/core';

/** Success rates of all prompts, in the order in which they appear first. */
export interface RatesByGroup {
  readonly rates: Float64Array;
  /** Number of rewards of each prompt, `null` not counted. */
  readonly sizes: Float64Array;
  /** The position of each response's prompt among them, [B]. */
  readonly at: Int32Array;
  /** The rewards brought to [0, 1], and the rate of the prompt in place of `null`, [B]. */
  readonly scores: Float64Array;
}

/** Brings rewards from [low, high] to [0, 1] and averages them by group; `name` is what an error calls the rewards. */
export function ratesByGroup(
  who: string,
  name: string,
  rewards: ArrayLike<number | null>,
  groups: ArrayLike<number | string>,
  [low, high]: readonly [number, number],
): RatesByGroup {
  if (!(high - low > 0 && high - low < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'range', 'two finite numbers, the lower one first', [low, high]);
  }
  expectLength(who, name, rewards, groups.length);
  const order = new Map<number | string, number>();
  const at = Int32Array.from(Array.from(groups), (group) => {
    const position = order.get(group) ?? order.size;
    order.set(group, position);
    return position;
  });
  // Sums of differences to the first score of the prompt: the mean of equal scores is exactly that score.
  const scores = new Float64Array(at.length);
  const first = new Float64Array(order.size);
  const sums = new Float64Array(order.size);
  const sizes = new Float64Array(order.size);
  at.forEach((group, i) => {
    const reward = rewards[i] as number | null;
    if (reward === null) return;
    const score = (reward - low) / (high - low);
    // A sum of parts may miss the ends by rounding.
    if (!(score >= -1e-9 && score <= 1 + 1e-9)) {
      throw new DataError(who, `${name}[${i}] must be in [${low}, ${high}], the range of rewards; got ${reward}`);
    }
    scores[i] = clip(score);
    if (sizes[group] === 0) first[group] = scores[i] as number;
    sums[group] = (sums[group] as number) + (scores[i] as number) - (first[group] as number);
    sizes[group] = (sizes[group] as number) + 1;
  });
  const rates = first.map((score, group) =>
    clip(score + (sums[group] as number) / Math.max(1, sizes[group] as number)),
  );
  at.forEach((group, i) => {
    if (rewards[i] === null) scores[i] = rates[group] as number;
  });
  return { rates, sizes, at, scores };
}

/** The rates of the prompts with two rewards or more: one sample tells nothing of how rates differ. */
export const ofSeveral = ({ rates, sizes }: RatesByGroup): Float64Array =>
  rates.filter((_, group) => (sizes[group] as number) > 1);

const clip = (x: number): number => Math.min(1, Math.max(0, x));
