import { type Json, OptionError } from '@tsrl/core';
import { jsonEqual } from './json-equal.js';
import { perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';
import { multisetJaccard } from './set-scores.js';

/** A call of a tool. */
export interface ToolCall {
  readonly name: string;
  readonly parameters: Readonly<Record<string, Json>>;
}

/** What {@link toolCalls} reads. */
export interface ToolCallsSample {
  /** The calls of the completion; `null` where they could not be parsed. */
  readonly calls: readonly ToolCall[] | null;
  /** The calls that were right; `null` where that is not known: the score is `null`. */
  readonly goldCalls: readonly ToolCall[] | null;
}

/** Options of {@link toolCalls}. */
export interface ToolCallsOptions {
  /** The lowest and the highest score. Default [-3, 3]. */
  readonly range?: readonly [number, number];
}

/**
 * Graded correctness of a list of tool calls, J the Jaccard index of multisets:
 *
 *   score = J(names) + Σ over gold calls (J(names of the parameters) + parameters of equal value)
 *   most  = 1 + Σ over gold calls (1 + its number of parameters)
 *   r     = low + (high − low) · score / most
 *
 * A gold call is compared with that unused call of the same name that scores highest. Equal lists earn `high`; what
 * cannot be parsed earns `low`; where no call is right, and so nothing can be graded, the score is 0.
 *
 * It pays for calling: gate it on the final answer ({@link gated}), or calls multiply.
 *
 * @throws OptionError unless the range is finite and ascending
 * @see Qian et al. 2025, arXiv:2504.13958 (ToolRL), section 3.3
 */
export function toolCalls({ range = [-3, 3] }: ToolCallsOptions = {}): SyncReward<ToolCallsSample> {
  const [low, high] = range;
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
    throw new OptionError('toolCalls', 'range', 'two finite numbers in ascending order', range);
  }
  return perSample(({ calls, goldCalls }) => {
    if (goldCalls === null) return null;
    if (calls === null) return low;
    if (goldCalls.length === 0) return 0;
    const namesOf = (list: readonly ToolCall[]): readonly string[] => list.map(({ name }) => name);
    let score = multisetJaccard(namesOf(calls), namesOf(goldCalls));
    let most = 1;
    const unused = new Set(calls);
    for (const gold of goldCalls) {
      most += 1 + Object.keys(gold.parameters).length;
      let best: { readonly call: ToolCall; readonly score: number } | undefined;
      for (const call of unused) {
        if (call.name !== gold.name) continue;
        const candidate = callScore(call, gold);
        if (best === undefined || candidate > best.score) best = { call, score: candidate };
      }
      if (best === undefined) continue;
      unused.delete(best.call);
      score += best.score;
    }
    return low + ((high - low) * score) / most;
  });
}

function callScore({ parameters }: ToolCall, gold: ToolCall): number {
  const equal = Object.entries(gold.parameters).filter(
    ([name, value]) => Object.hasOwn(parameters, name) && jsonEqual(parameters[name] as Json, value),
  );
  return multisetJaccard(Object.keys(parameters), Object.keys(gold.parameters)) + equal.length;
}

export const toolCallsEntry: RewardEntry<ToolCallsSample> = {
  name: 'toolCalls',
  formula: 'low + (high − low) · score / most, score from names, parameters and values',
  citation: 'arXiv:2504.13958',
  laws: ['independent'],
  range: [-3, 3],
  example: (rng) => {
    const call = (): ToolCall => ({
      name: rng.uniform() < 0.5 ? 'f' : 'g',
      parameters: { a: Math.floor(rng.uniform() * 2), [rng.uniform() < 0.5 ? 'b' : 'c']: 2 },
    });
    const calls = (): ToolCall[] => Array.from({ length: Math.floor(rng.uniform() * 3) }, call);
    return { calls: calls(), goldCalls: calls() };
  },
  inapplicable: { calls: [], goldCalls: null },
  score: toolCalls(),
};
