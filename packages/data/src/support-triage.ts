import { OptionError, type Rng } from '@tsrl/core';
import { type BayesOptimal, optimumOf } from './bayes-optimal.js';
import { type ByClass, derive, evidenceOf, likelihoodOf } from './grammar.js';
import type { LabelledText } from './labelled-text.js';
import { expectCount } from './pad-tokens.js';
import { triageGrammar } from './triage-grammar.js';

/** A message to a support desk; label 1: a person is needed at once, 0: routine. */
export interface TriageExample extends LabelledText {
  /** P(label = 1 | text), exact, under the prior that the example was drawn with. */
  readonly posterior: number;
}

/** How common urgent messages are. */
export interface TriageOptions {
  /** π = P(label = 1), in (0, 1); 0.5 by default. */
  readonly prior?: number;
}

/**
 * Draws messages to a support desk, to be sorted into urgent (1) and routine (0), from a grammar whose posterior is
 * known: label ~ Bernoulli(π), then the text from the grammar of that class. Both classes use the same phrases, in
 * different proportions, so that every text can come from either; and the two strongest kinds of evidence ("fine before
 * the update", "not a minor detail") cannot be had from single words. By Bayes' rule
 *
 *   P(1 | text) = π P(text | 1) / (π P(text | 1) + (1 − π) P(text | 0))
 *
 * What happens to the data afterwards moves the posterior in a known way. Another prior π' (as after
 * `subsampleToImbalance` with class 1 the minority, π' = 1 / (1 + ratio)) adds logit π' − logit π to its log-odds;
 * `triagePosterior(text, { prior })` gives it. Of a label seen through `flipLabels`, it is (1 − e1) p + e0 (1 − p):
 * for e0 = e1 the best decision is the same, its accuracy on noisy labels is not.
 *
 * @throws OptionError when `count` is not a positive integer, or the prior is not in (0, 1)
 */
export function supportTriage(count: number, rng: Rng, { prior = 0.5 }: TriageOptions = {}): TriageExample[] {
  expectCount('supportTriage', 'count', count);
  expectPrior('supportTriage', prior);
  return Array.from({ length: count }, () => {
    const label = rng.uniform() < prior ? 1 : 0;
    const { text, likelihood } = derive(triageGrammar, label, rng);
    return { text, label, posterior: posteriorOf(likelihood, prior) };
  });
}

/**
 * P(label = 1 | text) of a message of `supportTriage`, recomputed from the text alone by parsing it.
 *
 * @throws OptionError when the text is not a message of the grammar, or the prior is not in (0, 1)
 */
export function triagePosterior(text: string, { prior = 0.5 }: TriageOptions = {}): number {
  expectPrior('triagePosterior', prior);
  const likelihood = likelihoodOf(triageGrammar, text);
  if (likelihood[0] === 0) throw new OptionError('triagePosterior', 'text', 'a message of supportTriage', text);
  return posteriorOf(likelihood, prior);
}

/**
 * The best that any classifier can reach on messages of `supportTriage` on average, by summing over the whole grammar:
 * exact, no sample. `bayesOptimal` says the same of given messages.
 *
 * @throws OptionError when the prior is not in (0, 1)
 */
export function triageOptimum({ prior = 0.5 }: TriageOptions = {}): BayesOptimal {
  expectPrior('triageOptimum', prior);
  return optimumOf(
    evidenceOf(triageGrammar).map((likelihood) => ({
      posterior: posteriorOf(likelihood, prior),
      mass: [(1 - prior) * likelihood[0], prior * likelihood[1]],
    })),
  );
}

const posteriorOf = ([zero, one]: ByClass, prior: number): number => (prior * one) / (prior * one + (1 - prior) * zero);

function expectPrior(who: string, prior: number): void {
  if (!(prior > 0 && prior < 1)) throw new OptionError(who, 'prior', 'in (0, 1)', prior);
}
