import type * as tf from '@tensorflow/tfjs-core';
import type { Grid, Rng } from '@tsrl/core';
import type { BinaryScores, Loss, ScoreRequest } from '@tsrl/tensor';

/** Numbers per example, on the host: one each (`Float64Array`, [N]) or a row each (`Grid`, [N, columns]). */
export type Columns = Readonly<Record<string, Float64Array | Grid>>;

/** The columns of a minibatch as the loss receives them: float32 [B] or [B, columns]. */
export type TensorsOf<C extends Columns> = {
  readonly [K in keyof C]: C[K] extends Grid ? tf.Tensor2D : tf.Tensor1D;
};

/**
 * What a method may ask to see of the policy: `logits`, `values` and `logMass` as they are when a refresh begins (the
 * behaviour policy), `refLogits` as they were before the first step of the run. What it asks for of `values` and
 * `logMass` its loss receives too, of the policy that is training.
 */
export type Observable = 'logits' | 'values' | 'logMass' | 'refLogits';

/** The examples of one refresh, as the policy saw them when it began; only what the method asked for is there. */
export interface Observation {
  /** [N], 0 or 1; between them where the examples have targets. */
  readonly labels: Float64Array;
  /** [N], z of the behaviour policy. */
  readonly logits?: Float64Array;
  /** [N], V(x) of the behaviour policy. */
  readonly values?: Float64Array;
  /** [N], log-probability that the behaviour policy gives a valid answer. */
  readonly logMass?: Float64Array;
  /** [N], z of the reference policy: the one that the run began with. */
  readonly refLogits?: Float64Array;
  /** [N], log-probability that the reference policy gives a valid answer; there with `refLogits` and `logMass`. */
  readonly refLogMass?: Float64Array;
  /** For sampled actions; the same for the same seed and refresh. */
  readonly rng: Rng;
}

/**
 * A way to learn, as the loop sees it: what to work out once per refresh on the host, and what to minimise on each
 * minibatch. `@tsrl/binary-ppo` returns such objects; one of your own needs no more than these members.
 */
export interface Method<C extends Columns = Columns> {
  readonly name: string;
  /** What `prepare` needs to know of the policy; nothing (`[]`) for supervised training. */
  readonly observes: readonly Observable[];
  /** Rewards, advantages and whatever else stays fixed until the next refresh. */
  prepare(observation: Observation): C;
  /**
   * The denominator of a loss that averages over tokens (`tokenMean`, the default of most losses): Σ of its mask over
   * these rows of a whole minibatch. Without it the loss is told the number of examples alone, and must average by
   * `context.sequences` for micro-batches and threads to add up.
   */
  countTokens?(columns: C, rows: Int32Array): number;
  /** Minimised; honours `context.sequences` and `context.tokens`, so that the parts of a minibatch add up. */
  readonly loss: Loss<BinaryScores & TensorsOf<C>>;
}

/** What the policy is asked for on behalf of a method, beside its logits. */
export const requestOf = ({ observes }: Pick<Method<never>, 'observes'>): ScoreRequest => ({
  values: observes.includes('values'),
  logMass: observes.includes('logMass'),
});
