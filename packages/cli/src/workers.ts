import { enableProdMode } from '@tensorflow/tfjs-core';
import { loadPolicy, policyFiles, type TextPolicy } from '@tsrl/policies';
import type { BinaryPolicy } from '@tsrl/tensor';
import { type BackendName, useBackend } from '@tsrl/tensor';
import type { Method } from '@tsrl/training';
import { startWorkers, type WorkerPool } from '@tsrl/training/node';
import { makeMethod } from './make-method.js';
import type { TrainSettings } from './settings.js';

/** What another thread needs to be like the main one. */
interface ShareData {
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly settings: TrainSettings;
  readonly backend: BackendName;
}

/** The threads of a run beside the main one; none when it asks for one thread. */
export async function threadsOf(
  policy: TextPolicy,
  settings: TrainSettings,
  backend: BackendName,
): Promise<WorkerPool | undefined> {
  const threads = Math.min(settings.threads, settings.batchSize);
  if (threads === 1) return undefined;
  const files = await policyFiles(policy, { maxLength: settings.maxLength, threshold: 0.5 });
  const data: ShareData = { files, settings, backend };
  // The built worker, whether this module was built or is run from its source: a thread cannot be started from TypeScript.
  return startWorkers(policy, { threads, script: new URL('../dist/worker.js', import.meta.url), data });
}

/** The other side: policy and method from what the main thread sent. */
export async function buildShare(data: unknown): Promise<{ policy: BinaryPolicy; method: Method<never> }> {
  const { files, settings, backend } = data as ShareData;
  enableProdMode();
  await useBackend(backend);
  const text = (file: string): { file: string; text: string } => ({ file, text: files.get(file) as string });
  const bytes = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: files.get(file) as Uint8Array });
  const { policy } = loadPolicy({
    config: text('config.json'),
    tokenizer: text('tokenizer.json'),
    weights: [bytes('model.safetensors')],
    policy: text('tsrl.json'),
    head: bytes('head.safetensors'),
  });
  return { policy, method: makeMethod(settings) as unknown as Method<never> };
}
