import { OptionError } from '@tsrl/core';
import { type CompletionSample, perSample, type SyncReward } from './reward.js';
import type { RewardEntry } from './reward-entry.js';

/** Options of {@link thinkFormat}. */
export interface ThinkFormatOptions {
  /** Default `think`. */
  readonly tag?: string;
}

/**
 * Whether a completion is reasoning and then anything: it starts with `<think>`, never opens another, and a `</think>`
 * follows. r = 1 or 0.
 *
 * @throws OptionError for an empty tag
 * @see DeepSeek-AI 2025, arXiv:2501.12948, section 2.2.2; the definition is TRL's `think_format_reward`
 */
export function thinkFormat({ tag = 'think' }: ThinkFormatOptions = {}): SyncReward<CompletionSample> {
  if (tag === '') throw new OptionError('thinkFormat', 'tag', 'not empty', tag);
  const open = `<${tag}>`;
  const close = `</${tag}>`;
  return perSample(({ completion }) => {
    const fits = completion.startsWith(open) && completion.lastIndexOf(open) === 0;
    return fits && completion.includes(close, open.length) ? 1 : 0;
  });
}

export const thinkFormatEntry: RewardEntry<CompletionSample> = {
  name: 'thinkFormat',
  formula: '1 if the text is <think>…</think>…, else 0',
  citation: 'arXiv:2501.12948',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({ completion: rng.uniform() < 0.5 ? '<think>a</think>b' : '<think>a<think>b</think>' }),
  score: thinkFormat(),
};
