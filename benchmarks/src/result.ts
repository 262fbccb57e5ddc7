/** A file of `results/`: what one suite measured, where, and by which command. Read by `bench:report`. */
export interface ResultFile {
  readonly suite: string;
  /** What the suite answers, in a sentence. */
  readonly question: string;
  /** What repeats it. */
  readonly command: string;
  readonly environment: Environment;
  /** How long the suite took. */
  readonly seconds: number;
  readonly results: readonly Measured[];
}

/** Where numbers were measured: without it they say nothing. */
export interface Environment {
  /** ISO 8601, at the start. */
  readonly date: string;
  /** The commit of tsrl; ends in `+` where the working tree had other changes. */
  readonly commit: string;
  /** Of tfjs. */
  readonly backend: string;
  readonly machine: Machine;
  /** Node, tfjs, and whatever else took part. */
  readonly versions: Readonly<Record<string, string>>;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  /** Processes that wanted a core in the minute before the start: near 0 on an idle machine. */
  readonly load: number;
  /** What one thread of WebAssembly can do here, measured at the start. */
  readonly limits: Limits;
}

/** The most that one thread of SIMD128 WebAssembly reaches; 1 GB is 10⁹ bytes. */
export interface Limits {
  /** Summing an array larger than the caches. */
  readonly readGbs: number;
  /** b[i] = s a[i] over arrays larger than the caches; the bytes read and the bytes written both count. */
  readonly scaleGbs: number;
  /** Independent multiplications and additions in registers. */
  readonly gflops: number;
}

export type Measured = Comparison | Growth;

/** The same work done by several. */
export interface Comparison {
  readonly kind: 'comparison';
  /** Of the function or the model: what the report groups by. */
  readonly subject: string;
  /** What distinguishes it within the subject, `[256, 32000], forward + backward`. */
  readonly variant: string;
  /** What is computed, in words that a stranger understands. */
  readonly detail: string;
  readonly work: Work;
  /** Ours first; the others are compared with it. */
  readonly contestants: readonly Contestant[];
}

/** What one run does at least; the counts that make sense. */
export interface Work {
  /** Floating-point operations; a multiplication and an addition are two. */
  readonly flop?: number;
  /** Inputs read once and outputs written once. */
  readonly bytes?: number;
  readonly tokens?: number;
}

export interface Contestant {
  /** `tsrl`, `plain tfjs`, `torch eager`, ... */
  readonly name: string;
  readonly threads: number;
  /** What else one must know: BLAS, allocator, formulation. */
  readonly settings?: string;
  /** Absent where it cannot do the work; then `problem` says why. */
  readonly time?: Timing;
  readonly problem?: string;
  readonly memory?: Memory;
  /** Its median divided by that of the first contestant: above 1, ours is faster. Absent on the first. */
  readonly ratio?: number;
  /** max |theirs − ours| / max |ours| over the results compared before timing. Absent on the first. */
  readonly difference?: number;
}

export interface Timing {
  readonly medianMs: number;
  /** Median absolute deviation from the median. */
  readonly madMs: number;
  readonly samplesMs: readonly number[];
}

export interface Memory {
  readonly megabytes: number;
  /**
   * `heap`: most bytes of the heap of the wasm backend in use at once, above the inputs; `process`: largest resident
   * size of a process of its own, all of Node included; 1 MB is 10⁶ bytes.
   */
  readonly of: 'heap' | 'process';
}

/** How time grows with a size, the other sizes fixed. */
export interface Growth {
  readonly kind: 'growth';
  readonly subject: string;
  /** `T, forward`: the size that grows, and of what. */
  readonly variant: string;
  readonly detail: string;
  /** Name of the size that grows. */
  readonly size: string;
  readonly points: readonly { readonly size: number; readonly elements: number; readonly time: Timing }[];
  /** Slope of log time over log size by least squares over the shortest runs of the four largest sizes: 1 is linear. */
  readonly exponent: number;
}
