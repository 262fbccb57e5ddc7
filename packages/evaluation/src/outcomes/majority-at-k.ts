import { DataError } from '@tsrl/core';
import { expectWhole } from '../whole-number.js';

/**
 * maj@k of one item, without bias: the chance that the most frequent answer of k of the n samples is the correct one,
 * over all C(n, k) subsets, exactly. Of answers that tie the first one drawn wins, in random order: each with the same
 * chance. A sample without an answer (`null`) takes one of the k places and has no vote; without any vote it is wrong.
 *
 * With w_a(j) = C(n_a, j) pʲ (1 − p)^{n_a − j}, p = k/n, over the answers a: the sum over the correct answer's votes t,
 * and over the other answers' votes ≤ t that fill the k places, of the product of the w, divided by one more than the
 * answers that tie at t. Binomials given their sum are the subset's votes, and do not overflow.
 *
 * @param answers of the n samples, already made canonical: equal strings are the same answer
 * @throws OptionError for k outside 1 … n, DataError for no answer
 * @see Wang et al. 2022, arXiv:2203.11171, for the vote
 */
export function majorityAtK(answers: readonly (string | null)[], correct: string, k: number): number {
  const n = answers.length;
  if (n === 0) throw new DataError('majorityAtK', 'there is no answer to vote on');
  expectWhole('majorityAtK', 'k', k, 1, n);
  const votes = new Map<string | null, number>();
  for (const answer of answers) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  const right = binomial(votes.get(correct) ?? 0, k / n);
  const silent = binomial(votes.get(null) ?? 0, k / n);
  const others = [...votes].filter(([answer]) => answer !== correct && answer !== null);
  const wrong = others.map(([, count]) => binomial(count, k / n));
  const all = binomial(n, k / n)[k] as number;

  let chance = 0;
  for (let t = 1; t < right.length && t <= k; t++) {
    // ways[ties][used]: the others' votes, none above t
    let ways: Float64Array[] = [Float64Array.of(1, ...new Float64Array(k - t))];
    for (const law of wrong) ways = addAnswer(ways, law, t, k - t);
    for (const [ties, used] of ways.entries()) {
      for (const [votes, weight] of used.entries()) {
        chance += ((right[t] as number) * weight * (silent[k - t - votes] ?? 0)) / (ties + 1);
      }
    }
  }
  return Math.min(1, chance / all);
}

/** The law of another answer's votes joined to those before: up to t votes, the t-th a tie, at most `room` in all. */
function addAnswer(ways: readonly Float64Array[], law: Float64Array, t: number, room: number): Float64Array[] {
  const next = Array.from(
    { length: ways.length + (law.length > t && t <= room ? 1 : 0) },
    () => new Float64Array(room + 1),
  );
  for (const [ties, used] of ways.entries()) {
    for (let votes = 0; votes < law.length && votes <= Math.min(t, room); votes++) {
      const into = next[votes === t ? ties + 1 : ties] as Float64Array;
      for (let before = 0; before + votes <= room; before++) {
        into[before + votes]! += (used[before] as number) * (law[votes] as number);
      }
    }
  }
  return next;
}

/** C(n, j) pʲ (1 − p)^{n − j} for j = 0 … n, each from its neighbour nearer to the mode. */
function binomial(n: number, p: number): Float64Array {
  const law = new Float64Array(n + 1);
  const mode = Math.min(n, Math.floor((n + 1) * p));
  law[mode] = 1;
  for (let j = mode; j < n; j++) law[j + 1] = (law[j] as number) * ((n - j) / (j + 1)) * (p / (1 - p));
  for (let j = mode; j > 0; j--) law[j - 1] = (law[j] as number) * (j / (n - j + 1)) * ((1 - p) / p);
  const sum = law.reduce((a, b) => a + b);
  return law.map((weight) => weight / sum);
}
