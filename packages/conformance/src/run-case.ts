import { isTsrlError } from '@tsrl/core';
import { conditionOf } from './condition.js';
import { type Decision, decisions } from './decisions.js';
import { CaseError, type GoldenCase, UnmappedError } from './golden.js';
import { compare, type Mismatch } from './judge.js';
import { type Computed, type Family, notMapped, type Outcome } from './outcome.js';

export type Status = 'passed' | 'failed' | 'differs by decision' | 'not mapped';

/** What became of one case. */
export interface CaseResult {
  readonly name: string;
  readonly status: Status;
  /** Why it failed, differs, or is not mapped. */
  readonly reason?: string;
  /** The entry that is farthest off, when it failed by a number. */
  readonly worst?: Mismatch;
  /** Name of the decision by which it differs. */
  readonly decision?: string;
  /** It passed only within the bound of its condition: the error in units of the plain tolerance. */
  readonly conditioned?: number;
}

/** Runs one case of a golden file through our functions and compares. `family` is the mapping of the file, if any. */
export async function runCase(file: string, golden: GoldenCase, family: Family | undefined): Promise<CaseResult> {
  const { name } = golden;
  if (family === undefined) return { name, status: 'not mapped', reason: 'no mapping of this file' };
  try {
    const outcome = await attempt(golden, family);
    const decided = decisions.filter((decision) => decision.files.test(file) && decision.applies(golden));
    if (golden.raises !== undefined) return { name, ...raised(golden.raises, outcome, decided) };
    if (outcome.kind === 'threw') return { name, status: 'failed', reason: `ours threw: ${outcome.message}` };
    if (outcome.kind === 'not mapped') return { name, status: 'not mapped', reason: outcome.reason };
    return { name, ...(await computed(golden, family, outcome, decided)) };
  } catch (error) {
    const { message } = error as Error;
    return { name, status: 'failed', reason: error instanceof CaseError ? message : `the run broke: ${message}` };
  }
}

type Verdict = Omit<CaseResult, 'name'>;

function raised(exception: string, outcome: Outcome, decided: readonly Decision[]): Verdict {
  if (outcome.kind === 'threw') return { status: 'passed' };
  const decision = decided.find(({ instead }) => instead?.(outcome));
  if (decision) return { status: 'differs by decision', decision: decision.name, reason: decision.reason };
  if (outcome.kind === 'not mapped') return { status: 'not mapped', reason: outcome.reason };
  return { status: 'failed', reason: `the source raises ${exception}, ours returned` };
}

async function computed(
  golden: GoldenCase,
  family: Family,
  outcome: Computed,
  decided: readonly Decision[],
): Promise<Verdict> {
  const mismatches = compare(golden, outcome);
  if (mismatches.length === 0) return { status: 'passed' };
  const decision = decided.find(({ explains }) => explains && mismatches.every((one) => explains(one, golden)));
  if (decision) return { status: 'differs by decision', decision: decision.name, reason: decision.reason };
  const worst = largest(mismatches);
  if (outcome.precision === 'float32') {
    const room = await conditionOf(golden, family);
    if (room && compare(golden, outcome, room).length === 0) return { status: 'passed', conditioned: worst.error };
  }
  return { status: 'failed', reason: `${mismatches.length} entries are off`, worst };
}

const largest = (mismatches: readonly Mismatch[]): Mismatch =>
  mismatches.reduce((worst, one) => (one.error > worst.error ? one : worst));

async function attempt(golden: GoldenCase, family: Family): Promise<Outcome> {
  try {
    return await family.run(golden);
  } catch (error) {
    if (error instanceof UnmappedError) return notMapped(error.message);
    if (isTsrlError(error)) return { kind: 'threw', message: error.message };
    throw error;
  }
}
