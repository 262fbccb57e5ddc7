import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { TextPolicy, VerbalizerForm } from './binary-policy.js';
import { tokenBatch } from './token-batch.js';
import { longestPrompt } from './verbalizer-policy.js';

/** Texts that say nothing of any class: those of Zhao et al. 2021. The last one is empty. */
export const contentFreeTexts: readonly string[] = ['N/A', '[MASK]', ''];

/**
 * What a prompt answers to a text without content, for the `logitBias` of a policy like this one: the mean of the
 * log-odds over the texts, without the bias that the policy has already,
 *
 *   bias = mean over texts of (l₁ − l₀) / temperature
 *
 * With it the log-odds of these texts are 0 in the mean. No label is looked at: it removes what words and template
 * prefer by themselves. (How far probabilities are from frequencies, `calibrationBias` of @tsrl/evaluation measures.)
 *
 * Differences: for one text and aggregate `logsumexp` this is the paper's W = diag(p̄)⁻¹, b = 0, with bias log p̄₁ / p̄₀.
 * For several, the authors' code takes p̄ from the mean of the probabilities of the words as they are, so that a text
 * counts with its mass; here every text counts the same, by its log-odds.
 *
 * @param texts     default {@link contentFreeTexts}
 * @param maxLength tokens of a prompt; by default as many as the model can read
 * @throws OptionError when there is no text
 * @see Zhao et al. 2021, "Calibrate before use", arXiv:2102.09690
 */
export async function contextualBias(
  policy: TextPolicy<VerbalizerForm>,
  texts: readonly string[] = contentFreeTexts,
  maxLength: number = longestPrompt(policy.language, policy.form),
): Promise<number> {
  if (texts.length === 0) throw new OptionError('contextualBias', 'texts', 'at least one text', texts);
  const sequences = texts.map((text) => policy.encode(text, maxLength));
  const logits = tf.tidy(() => policy.score(tokenBatch(sequences)).logits);
  const data = Array.from(await logits.data());
  logits.dispose();
  return data.reduce((sum, z) => sum + z / data.length, 0) + policy.form.logitBias;
}
