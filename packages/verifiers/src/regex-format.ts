import { OptionError } from '@tsrl/core';
import { type CompletionSample, perSample, type RewardEntry, type SyncReward } from '@tsrl/rewards';
import { type LinearRegexOptions, linearRegex } from './linear-regex.js';

/** Options of {@link regexFormat}. */
export interface RegexFormatOptions extends LinearRegexOptions {
  /** In RE2's syntax: no back references, no lookaround. */
  readonly pattern: string;
  /** `whole`: the pattern must match the whole completion; `somewhere`: a part. Default `whole`. */
  readonly match?: 'whole' | 'somewhere';
  /** Longer completions score 0 unread, a positive integer. Default 100000 characters. */
  readonly maxLength?: number;
}

/**
 * Whether a completion has a format: r = 1 if the regular expression matches, else 0. In time linear in the text,
 * whatever the expression, and bounded by its size and `maxLength`.
 *
 * @throws OptionError for a pattern that RE2 does not know or that is too large, or another option out of range
 * @see Cox 2007, "Regular expression matching can be simple and fast"; DeepSeek-AI 2025, arXiv:2501.12948
 */
export function regexFormat({
  pattern,
  match = 'whole',
  maxLength = 100_000,
  ...flags
}: RegexFormatOptions): SyncReward<CompletionSample> {
  if (match !== 'whole' && match !== 'somewhere') {
    throw new OptionError('regexFormat', 'match', "'whole' or 'somewhere'", match);
  }
  if (!(Number.isInteger(maxLength) && maxLength > 0)) {
    throw new OptionError('regexFormat', 'maxLength', 'a positive integer', maxLength);
  }
  const regex = linearRegex('regexFormat', pattern, flags);
  const fits = match === 'whole' ? regex.matches : regex.test;
  return perSample(({ completion }) => (completion.length <= maxLength && fits(completion) ? 1 : 0));
}

export const regexFormatEntry: RewardEntry<CompletionSample> = {
  name: 'regexFormat',
  formula: '1 if the pattern matches the completion, else 0',
  citation: 'arXiv:2501.12948',
  laws: ['independent', 'text'],
  range: [0, 1],
  example: (rng) => ({
    completion: rng.uniform() < 0.5 ? '<think>a\nb</think><answer>c</answer>' : '<think>a',
  }),
  score: regexFormat({ pattern: '<think>.*</think>\\s*<answer>.*</answer>', dotAll: true }),
};
