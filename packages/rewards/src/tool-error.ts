import { type Json, OptionError } from '@tsrl/core';
import { jsonEqual } from './json-equal.js';
import { perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';
import type { ToolCall } from './tool-calls.js';

/** What {@link toolError} reads. */
export interface ToolErrorSample {
  /** The call of the completion; `null` where it could not be parsed. */
  readonly call: ToolCall | null;
  /** The call that was right; `null` where that is not known: the score is `null`. */
  readonly goldCall: ToolCall | null;
  /** The names of the parameters that each tool declares. */
  readonly tools: Readonly<Record<string, readonly string[]>>;
}

const defaults = {
  /** It could not be parsed, or no such tool is declared. */
  unknown: -2,
  /** Another tool than the right one. */
  wrongTool: -1.5,
  /** Hallucinated, redundant and missing parameters. */
  all: -1.8,
  /** Hallucinated parameters, and redundant or missing ones. */
  hallucinatedAndOther: -1.3,
  redundantAndMissing: -1,
  hallucinated: -0.8,
  redundantOrMissing: -0.5,
  /** The right parameters, one of them of another value. */
  value: -0.25,
  identical: 1,
};

/** What each kind of call earns. */
export type ToolErrorScores = Readonly<typeof defaults>;

/**
 * What a tool call earns by its kind of error: hallucinated are parameters that the tool does not declare, redundant
 * those that it declares and the right call lacks, missing those of the right call alone. Numbers, booleans and texts are
 * compared as text.
 *
 * Not parsed or undeclared −2, wrong tool −1.5, hallucinated + redundant + missing −1.8, hallucinated + one of the two
 * −1.3, redundant + missing −1, hallucinated −0.8, redundant or missing −0.5, another value −0.25, identical 1. As the
 * paper has it, three kinds of wrong parameters are worse than the wrong tool; any score is an option.
 *
 * @throws OptionError for a score that is not finite
 * @see Ye et al. 2024, arXiv:2412.15495 (TL-Training)
 */
export function toolError(options: Partial<ToolErrorScores> = {}): SyncReward<ToolErrorSample> {
  const scores = { ...defaults, ...options };
  for (const [name, score] of Object.entries(scores)) {
    if (!Number.isFinite(score)) throw new OptionError('toolError', name, 'finite', score);
  }
  return perSample(({ call, goldCall, tools }) => {
    if (goldCall === null) return null;
    if (call === null || !Object.hasOwn(tools, call.name)) return scores.unknown;
    if (call.name !== goldCall.name) return scores.wrongTool;
    const declared = new Set(tools[call.name]);
    const given = Object.keys(call.parameters);
    const right = new Set(Object.keys(goldCall.parameters));
    const hallucinated = given.some((name) => !declared.has(name) && !right.has(name));
    const redundant = given.some((name) => declared.has(name) && !right.has(name));
    const missing = [...right].some((name) => !Object.hasOwn(call.parameters, name));
    if (hallucinated) {
      if (redundant && missing) return scores.all;
      return redundant || missing ? scores.hallucinatedAndOther : scores.hallucinated;
    }
    if (redundant && missing) return scores.redundantAndMissing;
    if (redundant || missing) return scores.redundantOrMissing;
    const same = given.every((name) => sameValue(call.parameters[name] as Json, goldCall.parameters[name] as Json));
    return same ? scores.identical : scores.value;
  });
}

/** 3 and '3' are the same, and so are lists and objects that are equal, in whatever order their keys stand. */
function sameValue(value: Json, gold: Json): boolean {
  const nested = (one: Json): boolean => typeof one === 'object' && one !== null;
  return nested(value) || nested(gold) ? jsonEqual(value, gold) : String(value) === String(gold);
}

export const toolErrorEntry: RewardEntry<ToolErrorSample> = {
  name: 'toolError',
  formula: 'a score per kind of error, −2 … −0.25; 1 if identical',
  citation: 'arXiv:2412.15495',
  laws: ['independent'],
  range: [-2, 1],
  example: (rng) => ({
    call: { name: rng.uniform() < 0.7 ? 'f' : 'h', parameters: { a: 1, [rng.uniform() < 0.5 ? 'b' : 'z']: '2' } },
    goldCall: { name: 'f', parameters: rng.uniform() < 0.5 ? { a: 1, b: 2 } : { a: 1 } },
    tools: { f: ['a', 'b'], g: [] },
  }),
  inapplicable: { call: null, goldCall: null, tools: {} },
  score: toolError(),
};
