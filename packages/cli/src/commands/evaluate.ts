import { loadLabelledTexts } from '@tsrl/data/node';
import { binaryMetrics } from '@tsrl/evaluation';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { scoreExamples } from '@tsrl/training';
import { tokenize } from '../prepare-data.js';
import { readSavedModel } from '../saved-model.js';

export interface EvaluateArguments {
  readonly model: string;
  readonly data: string;
  readonly textColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly backend?: BackendName | 'auto';
}

/** Prints `{"metrics": {...}}` of a saved model on labelled data. */
export async function evaluateCommand(args: EvaluateArguments): Promise<void> {
  const { model, data, textColumn, labelColumn, backend } = args;
  const columns = { ...(textColumn && { textColumn }), ...(labelColumn && { labelColumn }) };
  const examples = await loadLabelledTexts(data, { ...columns, allowSingleClass: true });
  await useBackend(backend);
  const { policy, settings } = await readSavedModel(model);
  const { sequences, labels } = tokenize((text, most) => policy.encode(text, most), examples, settings.maxLength);
  const { logits } = await scoreExamples(policy, sequences);
  policy.dispose();
  policy.language.model.dispose();
  const metrics = binaryMetrics({ logits, labels }, { threshold: settings.threshold });
  process.stdout.write(`${JSON.stringify({ metrics }, null, 2)}\n`);
}
