import { OptionError } from '@tsrl/core';
import { type CompletionSample, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';
import { count } from './tagged-answer.js';

/** Options of {@link tagFormat}. */
export interface TagFormatOptions {
  /** What must stand exactly once, each worth the same. Default the tags of reasoning and answer. */
  readonly tags?: readonly string[];
}

/**
 * The share of the required tags that stand in the completion exactly once: a slope towards a format that is all or
 * nothing otherwise. It does not look at their order.
 *
 * @throws OptionError without tags, or for an empty one
 */
export function tagFormat({
  tags = ['<think>', '</think>', '<answer>', '</answer>'],
}: TagFormatOptions = {}): SyncReward<CompletionSample> {
  if (tags.length === 0 || tags.includes('')) {
    throw new OptionError('tagFormat', 'tags', 'one or more, none of them empty', tags);
  }
  return perSample(({ completion }) => tags.filter((tag) => count(completion, tag) === 1).length / tags.length);
}

export const tagFormatEntry: RewardEntry<CompletionSample> = {
  name: 'tagFormat',
  formula: 'share of the tags that stand exactly once',
  citation: 'soft form of arXiv:2501.12948',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({ completion: rng.uniform() < 0.5 ? '<think>a</think><answer>b' : '<think><think>' }),
  score: tagFormat(),
};
