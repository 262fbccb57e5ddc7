import { loadLabelledTexts } from '@tsrl/data/node';
import { binaryMetrics } from '@tsrl/evaluation';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { scaled } from '../decision.js';
import { tokenize } from '../prepare-data.js';
import { readSavedModel } from '../saved-model.js';
import { threadCount } from '../settings/index.js';
import { scoreSaved } from '../workers.js';

export interface EvaluateArguments {
  readonly model: string;
  readonly base?: string | undefined;
  readonly data: string;
  readonly textColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly backend?: BackendName | 'auto';
  readonly threads?: number;
}

/** Prints `{"metrics": {...}}` of a saved model on labelled data. */
export async function evaluateCommand(args: EvaluateArguments): Promise<void> {
  const { model, base, data, textColumn, labelColumn } = args;
  const threads = threadCount(args.threads);
  const columns = { ...(textColumn && { textColumn }), ...(labelColumn && { labelColumn }) };
  const examples = await loadLabelledTexts(data, { ...columns, allowSingleClass: true });
  const backend = await useBackend(args.backend);
  const { policy, settings } = await readSavedModel(model, base);
  const { sequences, labels } = tokenize((text, most) => policy.encode(text, most), examples, settings.maxLength);
  const { logits } = await scoreSaved(policy, sequences, { directory: model, base, backend, threads });
  policy.dispose();
  policy.language.model.dispose();
  const metrics = binaryMetrics(
    { logits: scaled(logits, settings.temperature), labels },
    { threshold: settings.threshold },
  );
  process.stdout.write(`${JSON.stringify({ metrics }, null, 2)}\n`);
}
