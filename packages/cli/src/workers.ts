import { enableProdMode } from '@tensorflow/tfjs-core';
import { loadPolicy, modelFiles, policyFiles, type TextPolicy } from '@tsrl/policies';
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
      /** Of the policy; where it has adapters, these alone, and `base` holds what they belong to. */
      readonly files: Files;
      readonly base?: Files;
      readonly settings: TrainSettings;
      readonly facts: MethodFacts;
      readonly backend: BackendName;
    }
  | { readonly directory: string; readonly base?: string | undefined; readonly backend: BackendName };

type Files = ReadonlyMap<string, string | Uint8Array>;

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
  const used = { maxLength: settings.maxLength, threshold: 0.5 };
  const parts = policy.lora
    ? {
        files: await policyFiles(policy, used, { save: 'adapters', base: 'the main thread' }),
        base: await modelFiles(policy.language),
      }
    : { files: await policyFiles(policy, used) };
  const data: ShareData = { ...parts, settings, facts, backend };
  return startWorkers(policy, { threads, script, data });
}

export interface ScoreSavedOptions {
  /** Where the policy was read from. */
  readonly directory: string;
  /** And its adapters' base, where that has moved. */
  readonly base?: string | undefined;
  readonly backend: BackendName;
  /** At most; fewer for a few tokens. */
  readonly threads: number;
}

/** `scoreExamples` with a saved model, by as many threads as the texts are worth. The numbers do not depend on them. */
export async function scoreSaved(
  policy: BinaryPolicy,
  sequences: readonly Int32Array[],
  { directory, base, backend, threads: most }: ScoreSavedOptions,
): Promise<Scored> {
  const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
  const threads = Math.min(most, Math.ceil(tokens / TOKENS_PER_THREAD));
  if (threads <= 1) return scoreExamples(policy, sequences);
  const data: ShareData = { directory, base, backend };
  const pool = startScorers({ threads, script, data });
  return pool.scoreExamples(policy, sequences).finally(pool.close);
}

/** The other side: policy and method from what the main thread sent. */
export async function buildShare(data: unknown): Promise<{ policy: BinaryPolicy; method?: Method }> {
  const share = data as ShareData;
  enableProdMode();
  await useBackend(share.backend);
  if ('directory' in share) {
    return readPolicyDirectory(share.directory, share.base === undefined ? {} : { base: share.base });
  }
  const { files, base = files, settings, facts } = share;
  const text = (from: Files, file: string) => ({ file, text: from.get(file) as string });
  const bytes = (from: Files, file: string) => ({ file, bytes: from.get(file) as Uint8Array });
  const { policy } = loadPolicy({
    config: text(base, 'config.json'),
    tokenizer: text(base, 'tokenizer.json'),
    weights: [bytes(base, 'model.safetensors')],
    policy: text(files, 'tsrl.json'),
    head: bytes(files, 'head.safetensors'),
    ...(share.base && {
      adapters: {
        config: text(files, 'adapter_config.json'),
        weights: bytes(files, 'adapter_model.safetensors'),
      },
    }),
  });
  return { policy, method: makeMethod(settings, facts) };
}
