import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { Loss } from '@tsrl/tensor';
import { tokenTermsOf, withTokenTerms } from './token-terms.js';

/** Losses by name. */
export type Terms = Readonly<Record<string, Loss<never>>>;

/** What all terms need together. */
export type InputsOf<T extends Terms> = {
  [Name in keyof T]: T[Name] extends Loss<infer Inputs> ? (inputs: Inputs) => void : never;
}[keyof T] extends (inputs: infer All) => void
  ? All
  : never;

/**
 * The sum of losses. Its inputs are those of all terms together, so that a forgotten one is a compile error.
 *
 * Metrics: `name/loss` is the term as it enters the sum, `name/metric` what the term reports. An objective is a loss
 * itself and may be a term: names nest. The metrics `name/loss` of the top level (one slash) always add up to the loss.
 *
 * A term of one's own is a function; annotate its parameter:
 *
 *   objective({
 *     policy: ppoClip(),
 *     brevity: ({ logProbs, mask }: TokenInputs) => ({ loss: tokenMean(tf.square(logProbs), mask), metrics: {} }),
 *   })
 *
 * @throws OptionError when built without terms, or with a slash in a name
 */
export function objective<const T extends Terms>(terms: T): Loss<InputsOf<T>> {
  const named = Object.entries<Loss<never>>(terms) as [string, Loss<InputsOf<T>>][];
  if (named.length === 0) throw new OptionError('objective', 'terms', 'at least one loss', terms);
  for (const [name] of named) {
    if (name === '' || name.includes('/')) {
      throw new OptionError('objective', 'the name of a term', 'not empty and without "/"', name);
    }
  }
  const sum: Loss<InputsOf<T>> = (inputs, context = {}) =>
    tf.tidy(() => {
      const metrics: Record<string, tf.Scalar> = {};
      const losses = named.map(([name, term]) => {
        const result = term(inputs, context);
        for (const [key, value] of Object.entries(result.metrics)) metrics[`${name}/${key}`] = value;
        metrics[`${name}/loss`] = result.loss;
        return result.loss;
      });
      return { loss: tf.addN(losses), metrics };
    });
  const parts = named.map(([, term]) => tokenTermsOf(term));
  const known = parts.filter((part) => part !== undefined);
  if (known.length < parts.length) return sum;
  return withTokenTerms(sum, (context) => known.flatMap((part) => part(context)));
}
