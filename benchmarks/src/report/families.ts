import type { Comparison, Contestant, Timing } from '../result.js';

/** Whom we are compared with in Python. Torch eager may write the same thing in several ways. */
export const families = ['torch eager', 'torch compile', 'TRL', 'verl'] as const;
export type Family = (typeof families)[number];

export type Timed = Contestant & { readonly time: Timing };

/** Of a contestant's name; none for tsrl and plain tfjs. */
export function familyOf(name: string): Family | undefined {
  const family = families.find((known) => name.startsWith(known));
  return family ?? (name.startsWith('torch') ? 'torch eager' : undefined);
}

/** The quickest of those on so many threads: of several formulations and allocators the one that serves best. */
export function fastest(
  { contestants }: Comparison,
  threads: number,
  belongs: (name: string) => boolean,
): Timed | undefined {
  return contestants
    .filter((contestant): contestant is Timed => contestant.time !== undefined && contestant.threads === threads)
    .filter(({ name }) => belongs(name))
    .toSorted((a, b) => a.time.medianMs - b.time.medianMs)[0];
}
