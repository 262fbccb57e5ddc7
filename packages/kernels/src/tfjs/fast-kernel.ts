import type * as tf from '@tensorflow/tfjs-core';

/** A kernel of tsrl for one backend: a new one, or one that stands in the place of tfjs's own. */
export interface FastKernel {
  readonly kernelName: string;
  /**
   * The kernel, given that of tfjs, which is undefined where tfjs has none and tsrl the only one; undefined where it
   * cannot run.
   */
  make(original: tf.KernelFunc | undefined): tf.KernelFunc | undefined;
  /** What it must give for tiny inputs, by plain arithmetic: it is installed only then. */
  readonly probes: readonly Probe[];
}

/** Tiny inputs, and what comes out. */
export interface Probe {
  readonly inputs: Readonly<Record<string, ProbeTensor>>;
  readonly attrs?: Readonly<Record<string, unknown>>;
  /** The numbers of each output; compared within 1e-5 of the larger of 1 and the number, NaN with NaN. */
  readonly outputs: readonly (readonly number[])[];
}

/** float32 unless it says otherwise. */
export interface ProbeTensor {
  readonly values: readonly number[];
  readonly shape: readonly number[];
  readonly dtype?: 'float32' | 'int32' | 'bool';
}
