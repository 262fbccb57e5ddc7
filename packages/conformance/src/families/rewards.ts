import {
  repetitionPenalty,
  type Scores,
  type SyncReward,
  softOverlong,
  thinkFormat,
  whenTruncated,
} from '@tsrl/rewards';
import { CaseError, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { numberOf, tensorOf } from '../inputs.js';
import type { Family, Values } from '../outcome.js';
import { plain } from '../plain.js';

/** Scores of functions that always apply. */
const numbers = (scores: Scores): Values => ({
  shape: [scores.length],
  data: scores.map((score) => score ?? Number.NaN),
});

export const rewardsFormat: Family = {
  file: 'rewards.format',
  run(golden) {
    const completion = golden.inputs['completion'];
    if (typeof completion !== 'string') throw new CaseError('the case has no text completion');
    const [reward = null] = thinkFormat()([{ completion }]);
    return onHost({ reward: plain('reward', reward) });
  },
};

export const rewardsOverlong: Family = {
  file: 'rewards.overlong',
  async run(golden) {
    if (golden.function === 'apply_stop_properly_penalty') {
      const coefficient = numberOf(golden, 'coef');
      const given: SyncReward<{ readonly score: number }> = (samples) => samples.map(({ score }) => score);
      const reward = whenTruncated(given, coefficient < 0 ? { replace: coefficient } : { scale: coefficient });
      const truncated = tensorOf(golden, 'truncated').data;
      const samples = Array.from(tensorOf(golden, 'rewards').data, (score, i) => ({
        score,
        truncated: truncated[i] !== 0,
      }));
      return onHost({ rewards: numbers(await reward(samples)) });
    }
    if (golden.function !== undefined) throw new UnmappedError(`no mapping of the function ${golden.function}`);
    const samples = Array.from(tensorOf(golden, 'lengths').data, (length) => ({ length }));
    const maxLength = numberOf(golden, 'max_len');
    const cache = numberOf(golden, 'cache');
    const weight = numberOf(golden, 'penalty_factor', 1);
    return onHost({
      trl: numbers(softOverlong({ maxLength, cache })(samples)),
      verl: numbers(softOverlong({ maxLength, cache, weight, bounded: false })(samples)),
      openrlhf: numbers(softOverlong({ maxLength, cache, weight })(samples)),
    });
  },
};

export const rewardsRepetition: Family = {
  file: 'rewards.repetition',
  run(golden) {
    const ids = golden.inputs['completion_ids'];
    if (!Array.isArray(ids)) throw new CaseError('the case has no lists completion_ids');
    const reward = repetitionPenalty({
      ngram: numberOf(golden, 'ngram_size', 3),
      maxPenalty: numberOf(golden, 'max_penalty', -1),
    });
    return onHost({ rewards: numbers(reward(ids.map((tokens) => ({ tokens: tokens as number[] })))) });
  },
};
