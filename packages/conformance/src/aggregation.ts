import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  type PerToken,
  type StepContext,
  sequenceMean,
  sequenceSum,
  sequenceSumNorm,
  tokenMean,
} from '@tsrl/tensor';
import { UnmappedError } from './golden.js';

/** Counts of the whole batch, of which the case is the part of one of `dp_size` workers. */
export interface BatchInfo {
  readonly dp_size?: number | null;
  readonly batch_num_tokens?: number | null;
  readonly global_batch_size?: number | null;
  readonly loss_scale_factor?: number | null;
}

/** The names that verl gives to ways of aggregating. */
export const verlModes = [
  'token-mean',
  'seq-mean-token-sum',
  'seq-mean-token-mean',
  'seq-mean-token-sum-norm',
] as const;

/**
 * What verl's `agg_loss` does under a name, in our terms. Its workers average their losses, so each multiplies by
 * `dp_size`; at the recorded commit `seq-mean-token-sum-norm` divides by the length only, not by the number of
 * sequences, and is not multiplied.
 */
export function verlAggregate(mode: string, info: BatchInfo): Aggregate {
  const workers = info.dp_size ?? 1;
  const sequences: StepContext = info.global_batch_size == null ? {} : { sequences: info.global_batch_size };
  switch (mode) {
    case 'token-mean':
      return times(workers, tokenMean, info.batch_num_tokens == null ? {} : { tokens: info.batch_num_tokens });
    case 'seq-mean-token-sum':
      return times(workers, sequenceSum, sequences);
    case 'seq-mean-token-mean':
      return times(workers, sequenceMean, sequences);
    case 'seq-mean-token-sum-norm':
      return (perToken, mask) => {
        const length = info.loss_scale_factor ?? (mask.shape[1] as number);
        return sequenceSumNorm({ length })(perToken, mask, { sequences: 1 });
      };
    default:
      throw new UnmappedError(`no aggregation is called ${mode}`);
  }
}

/** What OpenRLHF's `aggregate_loss` does: the mean of tokens or of sequences, of this part or of the whole batch. */
export function openRlhfAggregate(tokenLevel: boolean, info: BatchInfo): Aggregate {
  return verlAggregate(tokenLevel ? 'token-mean' : 'seq-mean-token-mean', info);
}

/** The same aggregation, of losses that were weighted and looked at on their way. */
export function through(aggregate: Aggregate, look: (perToken: PerToken) => PerToken): Aggregate {
  return (perToken, mask, context) => aggregate(look(perToken), mask, context);
}

const times =
  (factor: number, aggregate: Aggregate, whole: StepContext): Aggregate =>
  (perToken, mask, context) =>
    tf.mul<tf.Scalar>(aggregate(perToken, mask, { ...context, ...whole }), factor);
