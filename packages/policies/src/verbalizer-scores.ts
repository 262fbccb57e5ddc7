import * as tf from '@tensorflow/tfjs-core';
import { linearLogProbs, logNormalizer, type TokenBatch } from '@tsrl/tensor';
import type { Llama } from './llama.js';
import type { Lora } from './lora.js';
import type { AnswerPlan } from './verbalizer-words.js';

/** What a model says of the words of a plan, behind a prompt. */
export interface WordScores {
  /** [B, H]: the state of the last token of the prompt. */
  readonly state: tf.Tensor2D;
  /**
   * [B, K]: the log-probability of each word, but for a constant of each row: the logit of its first token, and the
   * log-probabilities of the others.
   */
  readonly scores: tf.Tensor2D;
  /** [B]: that constant, by which `scores − logNormalizer` are log-probabilities. Looks at the whole vocabulary. */
  logNormalizer(): tf.Tensor1D;
}

/** The caller tidies. */
export function wordScores(model: Llama, tokens: TokenBatch, plan: AnswerPlan, lora?: Lora): WordScores {
  const output = model.output as tf.Tensor as tf.Tensor2D;
  const { state, behind } =
    plan.later.length > 0 ? statesOf(model, tokens, plan, lora) : { state: model.lastHidden(tokens, lora) };
  const rows = tf.gather(output, tf.tensor1d(plan.firsts, 'int32'));
  let scores: tf.Tensor2D = tf.matMul(state, rows, false, true);
  if (behind) {
    const [batch, count] = behind.shape;
    const ids = tf.tile(tf.tensor2d([plan.later.map(({ token }) => token)], [1, count], 'int32'), [batch, 1]);
    const parts = tf.tensor2d(plan.parts, [count, plan.firsts.length]);
    scores = tf.add(scores, tf.matMul(linearLogProbs(behind, output, ids), parts));
  }
  return { state, scores, logNormalizer: () => logNormalizer(model.logits(state)) };
}

/**
 * Each prompt once with every context behind it, [C · B, S + m]: the state of the last token of the prompt, [B, H], and
 * those that the later tokens follow, [B, P, H].
 */
function statesOf(
  model: Llama,
  { ids, lengths }: TokenBatch,
  { contexts, later }: AnswerPlan,
  lora: Lora | undefined,
): { state: tf.Tensor2D; behind: tf.Tensor3D } {
  const [batch, prompt] = ids.shape;
  const most = contexts.reduce((longest, { length }) => Math.max(longest, length), 0);
  const width = prompt + most;
  const extended = tf.tidy(() => {
    const tails = tf.tensor2d(
      contexts.flatMap((context) => [...context, ...Array<number>(most - context.length).fill(0)]),
      [contexts.length, most],
      'int32',
    );
    const place = tf.sub(tf.range(0, width, 1, 'int32'), tf.reshape(lengths, [batch, 1])); // behind the prompt from 0 on
    const within = tf.minimum(tf.maximum(place, tf.scalar(0, 'int32')), tf.scalar(most - 1, 'int32'));
    const tail = tf.reshape(tf.gather(tails, tf.reshape(within, [-1]), 1), [contexts.length, batch, width]);
    const padded = tf.concat([ids, tf.zeros([batch, most], 'int32')], 1);
    const whole = tf.where(tf.greaterEqual(place, tf.scalar(0, 'int32')), tail, padded);
    return tf.reshape<tf.Rank.R2>(whole, [contexts.length * batch, width]);
  });

  // Places of the states of each prompt, but for its length: its last token, then those that the later tokens follow.
  const wanted = [{ context: 0, after: 0 }, ...later];
  const places = Int32Array.from({ length: batch * wanted.length }, (_, i) => {
    const { context, after } = wanted[i % wanted.length] as (typeof wanted)[number];
    const row = context * batch + Math.floor(i / wanted.length);
    return row * width + after - 1;
  });
  const at = tf.add(tf.tensor2d(places, [batch, wanted.length], 'int32'), tf.reshape(lengths, [batch, 1]));
  const { hiddenSize } = model.config;
  const hidden = tf.reshape(model.hidden(extended, lora), [-1, hiddenSize]);
  const states = tf.reshape(tf.gather(hidden, tf.reshape(at, [-1])), [batch, wanted.length, hiddenSize]);
  const [state, behind] = tf.split(states, [1, later.length], 1) as [tf.Tensor3D, tf.Tensor3D];
  return { state: tf.reshape(state, [batch, hiddenSize]), behind };
}
