import * as fc from 'fast-check';

/** Seed and number of runs come from FC_SEED and FC_RUNS, so that a failure or a long search needs no edit. */
const environment = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};

function parameters<Values>(examples?: readonly Values[], runs?: number): fc.Parameters<Values> {
  const seed = environment['FC_SEED'];
  const everyRun = environment['FC_RUNS'];
  return {
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    numRuns: everyRun === undefined ? (runs ?? 100) : Number(everyRun),
    ...(examples === undefined ? {} : { examples: [...examples] }),
  };
}

/** What a property may be told beside its arbitraries. */
export interface ForAllOptions<Values> {
  /** Inputs that are always run first: counterexamples found before. */
  readonly examples?: readonly Values[];
  /** How many random inputs when FC_RUNS is not set; 100 unless the property is expensive. */
  readonly runs?: number;
}

/** Runs a synchronous property over random inputs; throws fast-check's report of the smallest counterexample. */
export function forAll<Values extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof Values]: fc.Arbitrary<Values[K]> },
  property: (...values: Values) => void,
  { examples, runs }: ForAllOptions<Values> = {},
): void {
  const run = (...values: Values): void => {
    property(...values); // what it returns is no verdict: an assertion fails by throwing
  };
  void fc.assert(fc.property<Values>(...arbitraries, run), parameters(examples, runs));
}

/** The same for a property that returns a promise. */
export async function forAllAsync<Values extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof Values]: fc.Arbitrary<Values[K]> },
  property: (...values: Values) => Promise<void>,
  { examples, runs }: ForAllOptions<Values> = {},
): Promise<void> {
  await fc.assert(fc.asyncProperty<Values>(...arbitraries, property), parameters(examples, runs));
}
