import { finite } from './cases.js';
import type { Decision } from './decision.js';

/** Losses of pairs. */
export const preferenceDecisions: readonly Decision[] = [
  {
    name: 'works-on-any-batch',
    files: /^preference\.halos/,
    cases: "HALOs' SLiC on a batch of B responses of T tokens, B neither T nor 1",
    source: 'an error: it adds a vector of B losses and a matrix of B × T log-probs',
    ours: 'the loss of the paper: the log-prob of the whole target beside the margin of the pair',
    reason: "the source's sum has no meaning even where the sizes fit (preference-rewards-and-more.md, 2.1)",
    applies: (golden) => golden.function === 'SLiCTrainer.loss',
    instead: finite,
  },
];
