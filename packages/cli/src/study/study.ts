import { fields } from '../settings/index.js';
import type { Dataset, DatasetSource } from './datasets.js';
import type { FeatureModel } from './features.js';
import type { Group } from './plan.js';
import type { StudyConfig } from './study-config.js';
import type { StudyFiles } from './study-files.js';

export interface StudyOptions {
  readonly config: StudyConfig;
  /** What the paths of the data sets begin with. */
  readonly data: string;
  /** Directory of each model. */
  readonly models: Readonly<Record<string, string>>;
  readonly out: string;
  readonly threads: number;
  /** The module that a thread runs. */
  readonly script: URL;
  /** Stop when the vectors of frozen models are there. */
  readonly featuresOnly?: boolean;
  /** Run anew what failed, and what was made by other settings. */
  readonly redo?: boolean;
  readonly signal?: { readonly aborted: boolean } | undefined;
}

/** A study whose data and models have been read. */
export interface Study extends Omit<StudyOptions, 'models'> {
  readonly files: StudyFiles;
  readonly sources: ReadonlyMap<string, DatasetSource>;
  readonly datasets: ReadonlyMap<string, Dataset>;
  readonly groups: readonly Group[];
  /** By name; without the length that is read of a text. */
  readonly models: ReadonlyMap<string, Omit<FeatureModel, 'maxLength'>>;
}

/** The model of a group, and how much of a text it reads. */
export function modelOf({ models }: Study, { model, settings }: Group): FeatureModel {
  const length = settings.method === 'tfidf' ? undefined : settings.maxLength;
  const found = models.get(model) ?? { name: model, directory: '', fingerprint: '' };
  return { ...found, maxLength: length ?? fields.maxLength.default };
}
