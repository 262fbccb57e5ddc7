import { OptionError } from '@tsrl/core';
import type { Confusion } from './confusion.js';

/**
 * F_β = (1 + β²) TP / ((1 + β²) TP + β² FN + FP): recall weighs β times as much as precision. `null` when nothing is
 * positive, true or predicted.
 *
 * @throws OptionError unless β is positive and finite
 * @see van Rijsbergen 1979, "Information retrieval", chapter 7
 */
export function fScore([[, fp], [fn, tp]]: Confusion, beta: number): number | null {
  if (!(beta > 0 && Number.isFinite(beta))) throw new OptionError('fScore', 'beta', 'positive and finite', beta);
  const hits = (1 + beta ** 2) * tp;
  const all = hits + beta ** 2 * fn + fp;
  return all === 0 ? null : hits / all;
}
