/** Something to time. */
export interface Runner {
  /** Before its turn; not timed. */
  before?(): void;
  /** One run to its end, leaving nothing behind. */
  run(): void | Promise<void>;
}

export interface Limit {
  readonly rounds: number;
  /** Rounds stop when so much time has gone by, but not before the third; before the second if one alone takes longer. */
  readonly seconds: number;
  /** A turn lasts at least this long, so that what `before` does to caches and inlining is not what is measured; 20. */
  readonly turnMs?: number;
}

const leastRounds = 3;
/** V8 compiles WebAssembly a second time, better, while the first calls go on. At most half of the time is for that. */
const mostWarmMs = 200;
const mostRuns = 50;

/**
 * Milliseconds of each run, of each runner. They take turns, round after round: what else the machine does falls on
 * all of them. Each runs beforehand, which is not counted: for up to a fifth of a second, twice at least, but once if
 * that takes a second.
 */
export async function interleave(
  runners: readonly Runner[],
  { rounds, seconds, turnMs = 20 }: Limit,
): Promise<number[][]> {
  const samples: number[][] = runners.map(() => []);
  const start = performance.now();
  const warmMs = Math.min(mostWarmMs, (500 * seconds) / runners.length);
  const counts: number[] = [];
  for (const runner of runners) {
    runner.before?.();
    const warm = performance.now() + warmMs;
    let ms = await time(runner);
    for (let runs = 1; runs < 2 || (performance.now() < warm && runs < mostRuns); runs++) {
      if (ms >= 1000) break;
      ms = await time(runner);
    }
    counts.push(Math.min(mostRuns, Math.max(1, Math.ceil(turnMs / ms))));
  }
  let least = leastRounds;
  for (let round = 0; round < rounds; round++) {
    if (round >= least && performance.now() - start > 1000 * seconds) break;
    const before = performance.now();
    for (const [i, runner] of runners.entries()) {
      runner.before?.();
      for (let k = 0; k < (counts[i] as number); k++) samples[i]?.push(await time(runner));
    }
    if (performance.now() - before > 1000 * seconds) least = leastRounds - 1;
  }
  return samples;
}

async function time({ run }: Runner): Promise<number> {
  const start = performance.now();
  const done = run();
  if (done instanceof Promise) await done;
  return performance.now() - start;
}
