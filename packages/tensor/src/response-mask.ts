import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectShape } from './check.js';
import type { PerToken } from './types.js';

/** Options of `responseMask`. */
export interface ResponseMaskOptions {
  /** The ids that end a response, at least one. */
  readonly eosIds: readonly number[];
}

/**
 * The tokens of each response up to and including the first that ends it; all where none does:
 *
 *   m_t = 1 if no s < t has id_s ∈ eosIds, else 0
 *
 * The end counts because the policy chose it. Padding needs no id of its own: it stands behind the end. The same as
 * verl's `get_response_mask`, which takes a single id too.
 *
 * @param ids int32 [B, T], responses without their prompts
 * @returns float32 [B, T]
 * @throws ShapeError, OptionError unless `eosIds` holds whole numbers, at least one
 */
export function responseMask(ids: tf.Tensor2D, { eosIds }: ResponseMaskOptions): PerToken {
  if (eosIds.length === 0 || !eosIds.every(Number.isInteger)) {
    throw new OptionError('responseMask', 'eosIds', 'whole numbers, at least one', eosIds);
  }
  expectShape('responseMask', 'ids', ids, ['B', 'T'], 'int32');
  return tf.tidy(() => {
    const ends = eosIds.map((id) => tf.equal(ids, tf.scalar(id, 'int32')));
    const ended = tf.cumsum(tf.cast(ends.reduce(tf.logicalOr), 'int32'), 1, true);
    return tf.cast<tf.Tensor2D>(tf.equal(ended, 0), 'float32');
  });
}
