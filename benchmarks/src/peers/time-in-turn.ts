import { interleave, type Limit } from '../interleave.js';
import type { Contestant } from '../result.js';
import { summarize } from '../statistics.js';

/** A contestant that can run. */
export interface Entrant {
  readonly contestant: Omit<Contestant, 'time' | 'ratio'>;
  /** Runs once and tells how many milliseconds that took, by the clock of the process where it ran. */
  run(): Promise<number>;
}

/** Times all in turn; the first is ours, and the ratios are to it. */
export async function timeInTurn(entrants: readonly Entrant[], limit: Limit): Promise<Contestant[]> {
  const samples = entrants.map((): number[] => []);
  const runners = entrants.map(({ run }, i) => ({
    async run(): Promise<void> {
      samples[i]?.push(await run());
    },
  }));
  const counted = await interleave(runners, limit);
  const times = samples.map((all, i) => summarize(all.slice(all.length - (counted[i]?.length ?? 0))));
  return entrants.map(({ contestant }, i) => {
    const time = times[i] as (typeof times)[number];
    return { ...contestant, time, ...(i > 0 && { ratio: time.medianMs / (times[0]?.medianMs ?? 0) }) };
  });
}
