import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Cells of the memory that a thread shares with its helper: the round that is asked for, and the last one done. */
export const ROUND = 0;
export const DONE = 1;
/** In place of a round: the case is over. */
export const OVER = -1;

/** Threads that do the same work as this one at the same time, each on inputs of its own. */
export interface Crew {
  /** This one included. */
  readonly threads: number;
  /** Each helper makes the inputs of this case. */
  prepare(position: number): Promise<void>;
  /** `own` here and the same in every helper; returns when the last one is done. */
  together(own: () => void): void;
  /** The inputs of the case are given back. */
  release(): Promise<void>;
}

/** It lives as long as the process, but does not keep it alive between two cases. */
export function startCrew(threads: number): Crew {
  const helpers = Array.from({ length: threads - 1 }, () => {
    const cells = new Int32Array(new SharedArrayBuffer(8));
    return { cells, worker: new Worker(new URL('kernel-crew-member.js', import.meta.url), { workerData: cells }) };
  });
  let round = 0;
  const tell = (value: number): void => {
    for (const { cells } of helpers) {
      Atomics.store(cells, ROUND, value);
      Atomics.notify(cells, ROUND);
    }
  };
  const answered = async (): Promise<void> => {
    for (const { worker } of helpers) worker.ref();
    await Promise.all(helpers.map(({ worker }) => once(worker, 'message')));
    for (const { worker } of helpers) worker.unref();
  };
  return {
    threads,
    async prepare(position) {
      round = 0;
      for (const { cells, worker } of helpers) {
        cells.fill(0);
        worker.postMessage(position);
      }
      await answered();
    },
    together(own) {
      tell(++round);
      own();
      for (const { cells } of helpers) while (Atomics.load(cells, DONE) !== round); // shorter than to be woken
    },
    async release() {
      tell(OVER);
      await answered();
    },
  };
}
