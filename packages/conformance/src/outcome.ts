import type { GoldenCase } from './golden.js';

/** Numbers that one of our functions gave. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  /**
   * 1 for the entries that count. At the others the source leaves whatever its formula gives and our functions promise
   * 0: there, ours must be 0 and the golden is not looked at.
   */
  readonly counts?: ArrayLike<number>;
}

/** What our public functions give for a case. */
export interface Computed {
  readonly kind: 'computed';
  /** `float32` as soon as anything ran on the device. */
  readonly precision: 'float32' | 'float64';
  readonly outputs: Readonly<Record<string, Values>>;
  readonly gradients: Readonly<Record<string, Values>>;
}

/** There is nothing of ours to call. */
export interface NotMapped {
  readonly kind: 'not mapped';
  readonly reason: string;
}

/** Our function refused the inputs with an error of its own. */
export interface Threw {
  readonly kind: 'threw';
  readonly message: string;
}

/** What a mapping returns; that a function of ours throws is seen by the caller. */
export type Mapped = Computed | NotMapped;

export type Outcome = Mapped | Threw;

/** How the cases of one golden file are run through our functions. It never looks at what the source gave. */
export interface Family {
  /** The name of the file without `.json`; files named like it with a further `.part` or `-part` belong to it too. */
  readonly file: string;
  run(golden: GoldenCase): Mapped | Promise<Mapped>;
}

export const notMapped = (reason: string): NotMapped => ({ kind: 'not mapped', reason });

/** For a file whose cases name several functions. */
export function byFunction(file: string, functions: Readonly<Record<string, Family['run']>>): Family {
  return {
    file,
    run: (golden) =>
      functions[golden.function ?? '']?.(golden) ?? notMapped(`no mapping of the function ${golden.function}`),
  };
}
