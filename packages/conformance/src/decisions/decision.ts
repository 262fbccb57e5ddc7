import type { GoldenCase } from '../golden.js';
import type { Mismatch } from '../judge.js';
import type { Outcome } from '../outcome.js';

/** A place where we return something else than a source, on purpose. */
export interface Decision {
  readonly name: string;
  readonly files: RegExp;
  /** Which cases of these files, in words. */
  readonly cases: string;
  readonly source: string;
  readonly ours: string;
  readonly reason: string;
  /** The same in code, from the inputs and parameters of the case. */
  applies(golden: GoldenCase): boolean;
  /** Whether this, and nothing else, is why an entry differs. */
  explains?(mismatch: Mismatch, golden: GoldenCase): boolean;
  /** For a case where the source raises: whether ours is what `ours` says. */
  instead?(outcome: Outcome): boolean;
}
