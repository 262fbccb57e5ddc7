import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { StepContext } from '@tsrl/tensor';
import type { Minibatch } from './gradients.js';
import type { Columns } from './method.js';
import type { BatchOwners } from './parallel-scores.js';
import type { Scoring } from './score-examples.js';
import type { ParameterShare } from './shared-parameters.js';
import { WorkerError } from './worker-error.js';

/** What a worker is started with. */
export interface WorkerStart {
  /** What the application wants its worker to know. */
  readonly data: unknown;
  /** Where weights come from and gradients go to; without it, the worker keeps the weights that it was built with. */
  readonly parameters?: ParameterShare;
}

/** What a worker is asked: gradients of a share of a minibatch, which is complete in itself, or scores. */
export type Question =
  | { readonly kind: 'gradients'; readonly batch: Minibatch<Columns>; readonly context: StepContext }
  | { readonly kind: 'scores'; readonly scoring: Scoring; readonly owners: BatchOwners; readonly owner: number };

/** A share's metrics and which variables have a gradient, an end of scoring, or what went wrong. */
export type Answer =
  | { readonly metrics: Readonly<Record<string, number>>; readonly names: readonly string[] }
  | { readonly problem: string };

/** A worker seen from the main thread. It may be asked before it is ready, and answers in the order of the questions. */
export interface HelperThread {
  /** Why it answers no more. */
  death(): WorkerError | undefined;
  /** @throws WorkerError when it failed or died */
  ask(question: Question): Promise<Exclude<Answer, { problem: string }>>;
  close(): Promise<void>;
}

export function startHelper(script: URL, start: WorkerStart, options: WorkerOptions): HelperThread {
  const worker = new Worker(script, { ...options, workerData: start });
  const waiting: { resolve(answer: Answer): void; reject(error: WorkerError): void }[] = [];
  let death: WorkerError | undefined;
  const die = (problem: string): void => {
    death ??= new WorkerError(`stopped: ${problem}`);
    for (const { reject } of waiting.splice(0)) reject(death);
  };
  worker.on('message', (answer: Answer) => waiting.shift()?.resolve(answer));
  worker.on('error', (error) => die(error.message));
  worker.on('exit', (code) => die(`exit code ${code}`));
  const next = (): Promise<Answer> => {
    const answer = new Promise<Answer>((resolve, reject) => {
      if (death) reject(death);
      else waiting.push({ resolve, reject });
    });
    answer.catch(() => {}); // nobody may be waiting for it any more
    return answer;
  };
  const told = async (answer: Promise<Answer>): Promise<Exclude<Answer, { problem: string }>> => {
    const said = await answer;
    if ('problem' in said) throw new WorkerError(`failed: ${said.problem}`);
    return said;
  };
  return {
    death: () => death,
    ask(question) {
      const answer = told(next());
      answer.catch(() => {});
      worker.postMessage(question);
      return answer;
    },
    close: async () => {
      await worker.terminate();
    },
  };
}
