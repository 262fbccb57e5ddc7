import { DataError, sigmoid } from '@tsrl/core';
import { loadTexts } from '@tsrl/data/node';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { scoreExamples } from '@tsrl/training';
import { readSavedModel } from '../saved-model.js';

export interface PredictArguments {
  readonly model: string;
  readonly text?: string | undefined;
  readonly data?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly backend?: BackendName | 'auto';
}

/** Writes a JSON line per text: the text, the probability of class 1, and the class at the model's threshold. */
export async function predictCommand({ model, text, data, textColumn, backend }: PredictArguments): Promise<void> {
  if ((text === undefined) === (data === undefined)) {
    throw new DataError(
      'tsrl predict',
      `needs one of --text and --data; got ${data === undefined ? 'neither' : 'both'}`,
    );
  }
  if (text !== undefined && text.trim() === '') throw new DataError('--text', 'must be a text that is not empty');
  const texts = text !== undefined ? [text] : await loadTexts(data as string, { ...(textColumn && { textColumn }) });
  await useBackend(backend);
  const { policy, settings } = await readSavedModel(model);
  const { logits } = await scoreExamples(
    policy,
    texts.map((each) => policy.encode(each, settings.maxLength)),
  );
  policy.dispose();
  policy.language.model.dispose();
  for (const [i, each] of texts.entries()) {
    const probability = sigmoid(logits[i] as number);
    const prediction = probability >= settings.threshold ? 1 : 0;
    process.stdout.write(`${JSON.stringify({ text: each, probability, prediction })}\n`);
  }
}
