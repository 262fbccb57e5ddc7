import type { KernelSet } from '../backend.js';
import type { ModelName } from './sizes.js';

/** What a process is started with, as JSON. */
export interface Start {
  readonly model: ModelName;
  readonly kernels: KernelSet;
  readonly threads: number;
  /** How many texts an epoch has. */
  readonly texts: number;
}

/** What it is asked for. */
export type Request = 'step' | 'epoch';

/** What it tells; before the first request, `'ready'`. */
export interface Answer {
  readonly ms: number;
  /** Of the step, before its update. */
  readonly loss: number;
  /** The largest resident size of the process so far. */
  readonly megabytes: number;
}
