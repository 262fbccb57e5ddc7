import { setImmediate } from 'node:timers/promises';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { HelperThread } from './helper-thread.js';
import { planScoring, type Scored, type ScoreExamples, scoreBatches } from './score-examples.js';

/** Who scores each batch: 0 for nobody yet. In shared memory. */
export type BatchOwners = Int32Array;

/** The main thread; its helpers count from 2. */
const MAIN = 1;

/** Takes a batch that nobody has, the longest texts first: what is left for the end is short. */
export function claim(owners: BatchOwners, owner: number): number | undefined {
  for (let batch = owners.length - 1; batch >= 0; batch--) {
    if (Atomics.compareExchange(owners, batch, 0, owner) === 0) return batch;
  }
  return undefined;
}

/**
 * `scoreExamples` by this thread and others: the batches are the same, and each is scored by whoever is free, so the
 * numbers are those of one thread. Who has taken none is not waited for.
 *
 * @param prepare called before the helpers are asked
 * @throws WorkerError when a helper failed or died; what `scoreExamples` throws
 */
export function scoreTogether(helpers: readonly HelperThread[], prepare: () => Promise<void>): ScoreExamples {
  return async (policy, sequences, options): Promise<Scored> => {
    const shared = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length));
    const scoring = planScoring(sequences, options, shared);
    const owners = new Int32Array(new SharedArrayBuffer(4 * scoring.batches.length));
    if (scoring.batches.length < 2) {
      await scoreBatches(policy, scoring, async () => claim(owners, MAIN));
      return scoring.scores;
    }
    await prepare();
    const answers = helpers.map((helper, i) => helper.ask({ kind: 'scores', scoring, owners, owner: MAIN + 1 + i }));
    const take = async (): Promise<number | undefined> => {
      await setImmediate(); // lets this thread hear of a death
      for (const helper of helpers) expectAlive(helper);
      return claim(owners, MAIN);
    };
    const problem = await failure(scoreBatches(policy, scoring, take));
    if (problem !== undefined) while (claim(owners, MAIN) !== undefined); // the helpers end soon
    const ends = await Promise.allSettled(answers.filter((_, i) => owners.includes(MAIN + 1 + i)));
    const ended = ends.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
    if (problem !== undefined || ended) throw problem ?? ended?.reason;
    return scoring.scores;
  };
}

function expectAlive(helper: HelperThread): void {
  const death = helper.death();
  if (death) throw death;
}

const failure = (work: Promise<void>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** The helper's part. `prepare` is called when it has a batch. */
export async function helpToScore(
  policy: BinaryPolicy,
  { scoring, owners, owner }: { scoring: Parameters<typeof scoreBatches>[1]; owners: BatchOwners; owner: number },
  prepare: () => void,
): Promise<void> {
  const first = claim(owners, owner);
  if (first === undefined) return;
  prepare();
  let waiting: number | undefined = first;
  await scoreBatches(policy, scoring, async () => {
    const taken = waiting ?? claim(owners, owner);
    waiting = undefined;
    return taken;
  });
}
