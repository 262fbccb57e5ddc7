import * as fc from 'fast-check';

const environment = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};

/**
 * The same inputs in every run, so that a red test means a change and not a draw; FC_SEED picks others. FC_RUNS is the
 * number of inputs of an ordinary property, in place of 100: a search, with a new seed each time unless FC_SEED is set.
 * Expensive properties (`runs` below 100) grow in proportion.
 */
function parameters<Values>(examples?: readonly Values[], runs: number = 100): fc.Parameters<Values> {
  const { FC_SEED: seed, FC_RUNS: ordinary } = environment;
  return {
    ...(seed !== undefined ? { seed: Number(seed) } : ordinary === undefined ? { seed: 1 } : {}),
    numRuns: ordinary === undefined ? runs : Math.ceil((runs / 100) * Number(ordinary)),
    ...(examples === undefined ? {} : { examples: [...examples] }),
  };
}

/** What a property may be told beside its arbitraries. */
export interface ForAllOptions<Values> {
  /** Inputs that are always run first: counterexamples found before. */
  readonly examples?: readonly Values[];
  /** How many random inputs; 100 unless the property is expensive. */
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
