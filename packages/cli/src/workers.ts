import { enableProdMode } from '@tensorflow/tfjs-core';
import { loadPolicy, policyFiles, type TextPolicy } from '@tsrl/policies';
import { readPolicyDirectory } from '@tsrl/policies/node';
import type { BinaryPolicy } from '@tsrl/tensor';
import { type BackendName, useBackend } from '@tsrl/tensor';
import { type Method, type Scored, scoreExamples } from '@tsrl/training';
import { startScorers, startWorkers, type WorkerPool } from '@tsrl/training/node';
import { type MethodFacts, makeMethod } from './make-method.js';
import type { TrainSettings } from './settings/index.js';

/** What another thread needs to be like the main one: that of a run, or one with a saved model. */
type ShareData =
  | {
      readonly files: ReadonlyMap<string, string | Uint8Array>;
      readonly settings: TrainSettings;
      readonly facts: MethodFacts;
      readonly backend: BackendName;
    }
  | { readonly directory: string; readonly backend: BackendName };

/** One thread for so many tokens to be scored, which is about what it could score while it starts. */
export const TOKENS_PER_THREAD = 20_000;

// The built worker, whether this module was built or is run from its source: a thread cannot be started from TypeScript.
const script = new URL('../dist/worker.js', import.meta.url);

/** The threads of a run beside the main one; none when it asks for one thread. */
export async function threadsOf(
  policy: TextPolicy,
  settings: TrainSettings,
  facts: MethodFacts,
  backend: BackendName,
): Promise<WorkerPool | undefined> {
  const threads = Math.min(settings.threads, settings.batchSize);
  if (threads === 1) return undefined;
  const files = await policyFiles(policy, { maxLength: settings.maxLength, threshold: 0.5 });
  const data: ShareData = { files, settings, facts, backend };
  return startWorkers(policy, { threads, script, data });
}

export interface ScoreSavedOptions {
  /** Where the policy was read from. */
  readonly directory: string;
  readonly backend: BackendName;
  /** At most; fewer for a few tokens. */
  readonly threads: number;
}

/** `scoreExamples` with a saved model, by as many threads as the texts are worth. The numbers do not depend on them. */
export async function scoreSaved(
  policy: BinaryPolicy,
  sequences: readonly Int32Array[],
  { directory, backend, threads: most }: ScoreSavedOptions,
): Promise<Scored> {
  const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
  const threads = Math.min(most, Math.ceil(tokens / TOKENS_PER_THREAD));
  if (threads <= 1) return scoreExamples(policy, sequences);
  const data: ShareData = { directory, backend };
  const pool = startScorers({ threads, script, data });
  return pool.scoreExamples(policy, sequences).finally(pool.close);
}

/** The other side: policy and method from what the main thread sent. */
export async function buildShare(data: unknown): Promise<{ policy: BinaryPolicy; method?: Method<never> }> {
  const share = data as ShareData;
  enableProdMode();
  await useBackend(share.backend);
  if ('directory' in share) return readPolicyDirectory(share.directory);
  const { files, settings, facts } = share;
  const text = (file: string): { file: string; text: string } => ({ file, text: files.get(file) as string });
  const bytes = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: files.get(file) as Uint8Array });
  const { policy } = loadPolicy({
    config: text('config.json'),
    tokenizer: text('tokenizer.json'),
    weights: [bytes('model.safetensors')],
    policy: text('tsrl.json'),
    head: bytes('head.safetensors'),
  });
  return { policy, method: makeMethod(settings, facts) as unknown as Method<never> };
}
