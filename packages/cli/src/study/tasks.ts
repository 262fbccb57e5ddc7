import { enableProdMode } from '@tensorflow/tfjs-core';
import { type LanguageModel, textFeatures } from '@tsrl/policies';
import { readModelDirectory } from '@tsrl/policies/node';
import { useBackend } from '@tsrl/tensor';
import type { FeatureAnswer, FeatureTask } from './compute-features.js';
import { listSuspects, type SuspectsAnswer, type SuspectsTask } from './judge-labels.js';
import { doRun, type RunAnswer, type RunTask } from './run.js';
import type { Outcome } from './threads.js';

/** What a thread of a study is asked. */
export type StudyTask = FeatureTask | RunTask | SuspectsTask;

/** Does a task; what goes wrong is an outcome like others. */
export async function doTask(task: StudyTask): Promise<Outcome<FeatureAnswer | RunAnswer | SuspectsAnswer>> {
  try {
    await start();
    return { answer: await answer(task) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function answer(task: StudyTask): Promise<FeatureAnswer | RunAnswer | SuspectsAnswer> {
  switch (task.kind) {
    case 'features':
      return features(task);
    case 'run':
      return doRun(task);
    case 'suspects':
      return listSuspects(task);
  }
}

let started: Promise<unknown> | undefined;

function start(): Promise<unknown> {
  enableProdMode();
  started ??= useBackend('wasm');
  return started;
}

let frozen: { readonly directory: string; readonly language: LanguageModel } | undefined;

async function features({ directory, maxLength, texts }: FeatureTask): Promise<FeatureAnswer> {
  if (frozen?.directory !== directory) {
    frozen?.language.model.dispose();
    frozen = { directory, language: await readModelDirectory(directory) };
  }
  const { language } = frozen;
  return { data: await textFeatures(language, texts, { maxLength }), columns: language.model.config.hiddenSize };
}
