import { DataError, sigmoid } from '@tsrl/core';
import { loadTexts } from '@tsrl/data/node';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { readSavedModel } from '../saved-model.js';
import { threadCount } from '../settings/index.js';
import { scoreSaved } from '../workers.js';

export interface PredictArguments {
  readonly model: string;
  readonly base?: string | undefined;
  readonly text?: string | undefined;
  readonly data?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly backend?: BackendName | 'auto';
  readonly threads?: number;
}

/** Writes a JSON line per text: the text, the probability of class 1, and the class at the model's threshold. */
export async function predictCommand(args: PredictArguments): Promise<void> {
  const { model, base, text, data, textColumn } = args;
  const threads = threadCount(args.threads);
  if ((text === undefined) === (data === undefined)) {
    throw new DataError(
      'tsrl predict',
      `needs one of --text and --data; got ${data === undefined ? 'neither' : 'both'}`,
    );
  }
  if (text !== undefined && text.trim() === '') throw new DataError('--text', 'must be a text that is not empty');
  const texts = text !== undefined ? [text] : await loadTexts(data as string, { ...(textColumn && { textColumn }) });
  const backend = await useBackend(args.backend);
  const { policy, settings } = await readSavedModel(model, base);
  const sequences = texts.map((each) => policy.encode(each, settings.maxLength));
  const { logits } = await scoreSaved(policy, sequences, { directory: model, base, backend, threads });
  policy.dispose();
  policy.language.model.dispose();
  for (const [i, each] of texts.entries()) {
    const probability = sigmoid((logits[i] as number) / settings.temperature);
    const prediction = probability >= settings.threshold ? 1 : 0;
    process.stdout.write(`${JSON.stringify({ text: each, probability, prediction })}\n`);
  }
}
