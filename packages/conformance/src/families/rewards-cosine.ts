import { cosineLength } from '@tsrl/rewards';
import { CaseError, type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { numberOf, optionalNumber, tensorOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { plain } from '../plain.js';

/** Bounds that are absent are the defaults of both. */
function bounds(golden: GoldenCase, right: string): readonly [number, number] | undefined {
  const names =
    right === 'correct' ? ['max_value_correct', 'min_value_correct'] : ['min_value_wrong', 'max_value_wrong'];
  const [zero, most] = names.map((name) => optionalNumber(golden, name));
  if (zero === undefined && most === undefined) return undefined;
  if (zero === undefined || most === undefined) throw new UnmappedError('no mapping of one bound alone');
  return [zero, most];
}

export const rewardsCosine: Family = {
  file: 'rewards.cosine',
  run(golden) {
    const right = golden.inputs['correct'];
    if (!Array.isArray(right)) throw new CaseError('the case has no list correct');
    const correct = bounds(golden, 'correct');
    const wrong = bounds(golden, 'wrong');
    const reward = cosineLength({
      maxLength: numberOf(golden, 'max_len'),
      ...(correct ? { correct } : {}),
      ...(wrong ? { wrong } : {}),
    });
    const samples = Array.from(tensorOf(golden, 'lengths').data, (length, i) => ({
      length,
      correct: right[i] as boolean | null,
    }));
    return onHost({ rewards: plain('rewards', reward(samples)) });
  },
};
