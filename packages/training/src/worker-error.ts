import { BackendError } from '@tsrl/core';

/**
 * A worker thread failed or died. The policy is then what the last complete step made it: gradients are all there before
 * anything changes.
 */
export class WorkerError extends BackendError {
  /** What happened to the thread, without saying who. */
  readonly problem: string;

  constructor(problem: string, options?: ErrorOptions) {
    super('training', `a worker thread ${problem}`, options);
    this.problem = problem;
  }
}
