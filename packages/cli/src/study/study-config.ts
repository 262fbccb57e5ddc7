import { type Json, OptionError, show } from '@tsrl/core';
import type { Damage } from '../prepare-data.js';
import {
  type ConfigFile,
  checkedFields,
  checkedSettings,
  expectConsistent,
  type FieldTable,
  fields,
  type GivenSettings,
  methodsOf,
  misplaced,
  type Place,
  readConfig,
  type TrainSettings,
  unknownKey,
  wordsOf,
} from '../settings/index.js';
import type { DatasetConfig, Limits } from './datasets.js';

/** Settings of a training run as far as a part of the study gives them. */
export type SomeSettings = Partial<TrainSettings>;

/** Of which models, data sets and damages a method is run; all, where nothing is said. */
export interface Only {
  readonly models?: readonly string[];
  readonly datasets?: readonly string[];
  readonly damages?: readonly string[];
}

/** A way to learn. */
export type MethodConfig = { readonly only: Only } & (
  | { readonly kind: 'gradient'; readonly settings: GivenSettings; readonly knownRates: boolean }
  /** Logistic regression on TF-IDF, which takes no steps and no model. */
  | { readonly kind: 'tfidf'; readonly classWeights: 'none' | 'balanced' }
);

export interface ModelConfig {
  readonly settings: SomeSettings;
  readonly only: Only;
  readonly learningRate?: readonly number[];
}

/** What is tried for every method, on which seeds. An empty list leaves the setting as it is. */
export interface Tuning {
  readonly seeds: readonly number[];
  readonly learningRate: readonly number[];
  readonly weightDecay: readonly number[];
  /** C of `method: tfidf`. */
  readonly inverseRegularization: readonly number[];
}

/** A study, checked. */
export interface StudyConfig {
  readonly name: string;
  readonly models: Readonly<Record<string, ModelConfig>>;
  readonly datasets: Readonly<Record<string, DatasetConfig>>;
  readonly limits: Limits;
  readonly damages: Readonly<Record<string, Partial<Damage>>>;
  readonly seeds: readonly number[];
  readonly common: SomeSettings;
  readonly methods: Readonly<Record<string, MethodConfig>>;
  readonly tuning: Tuning;
  /** The file as it was written. */
  readonly json: Json;
}

/** @throws DataError that names file, line and path of the first thing that is wrong */
export async function readStudyConfig(file: string): Promise<StudyConfig> {
  return checkedStudy(await readConfig(file));
}

const SECTIONS = ['name', 'models', 'datasets', 'limits', 'damages', 'seeds', 'common', 'methods', 'tuning'];

/** What the study sets by itself, and where. */
const TAKEN: Readonly<Record<string, string>> = {
  seed: 'seeds of the study are a list: seeds',
  threads: 'a study gives each run one thread, and runs as many at once as --threads says',
  backend: 'a study computes on wasm',
};

/** The same of a configuration that has been read. */
export function checkedStudy(config: ConfigFile): StudyConfig {
  const { json } = config;
  const top = section(json, config, []);
  for (const key of Object.keys(top)) {
    if (!SECTIONS.includes(key)) throw misplaced(config, [key], unknownKey(key, SECTIONS));
  }
  for (const key of ['name', 'models', 'datasets', 'damages', 'seeds', 'methods']) {
    if (top[key] === undefined) throw misplaced(config, [], `must have ${key}`);
  }
  const { name } = top;
  if (typeof name !== 'string' || !NAME.test(name))
    throw misplaced(config, ['name'], `must be ${A_NAME}; got ${show(name)}`);

  const at = (...path: string[]): Place => ({ file: config.file, path, lineOf: config.lineOf });
  const tuning = tuningOf(top['tuning'] ?? {}, at('tuning'));
  const settings = (value: Json, place: Place): SomeSettings => settingsOf(value, place, tuning);
  const datasets = mapped(top['datasets'], at('datasets'), datasetOf);
  const damages = mapped(top['damages'], at('damages'), damageOf);
  const models = mapped(top['models'], at('models'), (value, place) => modelOf(value, place, settings));
  const names = { models: Object.keys(models), datasets: Object.keys(datasets), damages: Object.keys(damages) };
  const common = settings(top['common'] ?? {}, at('common'));
  const methods = mapped(top['methods'], at('methods'), (value, place) => methodOf(value, place, settings));
  for (const [section, parts] of Object.entries({ models, methods })) {
    for (const [key, { only }] of Object.entries(parts)) expectNames(only, names, at(section, key));
  }
  const limits = checkedFields(top['limits'] ?? {}, LIMITS, at('limits')) as Limits;
  const seeds = numbersOf(top['seeds'] as Json, SEEDS, at('seeds'));
  if (seeds.length === 0) throw misplaced(config, ['seeds'], `must be ${SEEDS.what}; got []`);
  const study: StudyConfig = {
    name,
    models,
    datasets,
    limits,
    damages,
    seeds,
    common,
    methods,
    tuning,
    json,
  };
  expectMethodsConsistent(study, config);
  return study;
}

/** Names are folders: `@` stands between a data set and its model where there are several. */
const NAME = /^[\w.+-]+$/;
const A_NAME = 'a name of letters, digits, _, ., + and -';

const number = { kind: 'number', group: 'run', help: '' } as const;
const text = { kind: 'text', group: 'run', help: '' } as const;
const count = { ...number, integer: true, min: 1 } as const;
const LIMITS: FieldTable = { train: count, test: count };
const FILES: FieldTable = { train: text, test: text, textColumn: text, labelColumn: text };
const GENERATED: FieldTable = {
  generated: { kind: 'choice', of: ['support-triage'], group: 'run', help: '' },
  train: count,
  test: count,
  prior: { ...number, above: 0, below: 1 },
  seed: { ...number, integer: true },
};
const DAMAGES = ['labelNoise', 'falsePositiveNoise', 'falseNegativeNoise', 'imbalance'] as const;

/** Each entry of a section, checked, under its name. */
function mapped<T>(value: Json | undefined, place: Place, check: (value: Json, place: Place) => T): Record<string, T> {
  const entries = Object.entries(section(value ?? null, place, [])).map(([key, one]): [string, T] => {
    if (!NAME.test(key)) throw misplaced(place, [key], `must be ${A_NAME}`);
    return [key, check(one, under(place, key))];
  });
  if (entries.length === 0) throw misplaced(place, [], 'must have one entry or more');
  return Object.fromEntries(entries);
}

function section(value: Json, place: Place, keys: readonly string[]): { readonly [key: string]: Json } {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as { [key: string]: Json };
  throw misplaced(place, keys, `must be an object; got ${show(value)}`);
}

function datasetOf(value: Json, place: Place): DatasetConfig {
  const generated = 'generated' in section(value, place, []);
  const dataset = checkedFields(value, generated ? GENERATED : FILES, place);
  for (const key of ['train', 'test']) {
    if (dataset[key] === undefined) throw misplaced(place, [], `must have ${key}`);
  }
  return dataset as unknown as DatasetConfig;
}

function damageOf(value: Json, place: Place): Partial<Damage> {
  const table = Object.fromEntries(DAMAGES.map((key) => [key, fields[key]])) as FieldTable;
  const damage = checkedFields(value, table, place) as Partial<Damage>;
  consistent({ method: 'sft', ...damage }, place);
  return damage;
}

type Settings = (value: Json, place: Place) => SomeSettings;

function modelOf(value: Json, place: Place, settings: Settings): ModelConfig {
  const { only = {}, tuning = {}, ...rest } = section(value, place, []);
  const own = under(place, 'tuning');
  const tuned = section(tuning, own, []);
  for (const key of Object.keys(tuned)) {
    if (key !== 'learningRate') throw misplaced(own, [key], unknownKey(key, ['learningRate']));
  }
  const rates = tuned['learningRate'];
  return {
    settings: settings(rest, place),
    only: onlyOf(only, under(place, 'only'), ['datasets', 'damages']),
    ...(rates !== undefined && { learningRate: numbersOf(rates, RATES, under(own, 'learningRate')) }),
  };
}

function methodOf(value: Json, place: Place, settings: Settings): MethodConfig {
  const { only: restricted = {}, ...rest } = section(value, place, []);
  const only = onlyOf(restricted, under(place, 'only'), ['models', 'datasets', 'damages']);
  if (rest['method'] === 'tfidf') {
    const table: FieldTable = {
      method: { kind: 'choice', of: ['tfidf'], group: 'run', help: '' },
      classWeights: { kind: 'choice', of: ['none', 'balanced'], group: 'run', help: '' },
    };
    const { classWeights = 'none' } = checkedFields(rest, table, place) as { classWeights?: 'none' | 'balanced' };
    return { kind: 'tfidf', only, classWeights };
  }
  if (rest['method'] === undefined) {
    throw misplaced(place, [], `must have a method: ${[...wordsOf(fields.method), 'tfidf'].join(', ')}`);
  }
  const knownRates = rest['noiseRates'] === 'known';
  const given = knownRates ? { ...rest, noiseRates: [0, 0] } : rest; // in place of those that a damage makes
  return { kind: 'gradient', only, settings: settings(given, place) as GivenSettings, knownRates };
}

function settingsOf(value: Json, place: Place, tuning: Tuning): SomeSettings {
  const given = checkedSettings(value, place);
  for (const key of Object.keys(given)) {
    if (TAKEN[key] !== undefined) throw misplaced(place, [key], `must be left away: ${TAKEN[key]}`);
    if ((DAMAGES as readonly string[]).includes(key)) throw misplaced(place, [key], 'must stand under damages');
    const tuned = key === 'learningRate' || key === 'weightDecay';
    if (tuned && tuning[key].length > 0) throw misplaced(place, [key], `must be left away: tuning.${key} chooses it`);
  }
  return given;
}

function onlyOf(value: Json, place: Place, known: readonly string[]): Only {
  const only = section(value, place, []);
  for (const [key, names] of Object.entries(only)) {
    if (!known.includes(key)) throw misplaced(place, [key], unknownKey(key, known));
    if (!Array.isArray(names) || names.length === 0 || !names.every((name) => typeof name === 'string')) {
      throw misplaced(place, [key], `must be a list of ${key}; got ${show(names)}`);
    }
  }
  return only as Only;
}

function expectNames(only: Only, names: Readonly<Record<keyof Only, readonly string[]>>, place: Place): void {
  for (const [key, wanted] of Object.entries(only) as [keyof Only, readonly string[]][]) {
    const unknown = wanted.findIndex((name) => !names[key].includes(name));
    if (unknown < 0) continue;
    const path = ['only', key, unknown] as const;
    throw misplaced(place, path as unknown as string[], unknownKey(wanted[unknown] as string, names[key]));
  }
}

interface Numbers {
  readonly what: string;
  readonly ok: (x: number) => boolean;
}

const SEEDS: Numbers = { what: 'a list of different integers', ok: (x) => Number.isSafeInteger(x) && x >= 0 };
const RATES: Numbers = { what: 'a list of different positive numbers', ok: (x) => x > 0 && Number.isFinite(x) };
const DECAYS: Numbers = { what: 'a list of different numbers of at least 0', ok: (x) => x >= 0 && Number.isFinite(x) };

/** @returns ascending, so that what a tie prefers does not depend on how the list was written */
function numbersOf(value: Json, { what, ok }: Numbers, place: Place): number[] {
  const numbers = value as number[];
  const right = Array.isArray(value) && numbers.every((x) => typeof x === 'number' && ok(x));
  if (!right || new Set(numbers).size < numbers.length)
    throw misplaced(place, [], `must be ${what}; got ${show(value)}`);
  return [...numbers].sort((a, b) => a - b);
}

function tuningOf(value: Json, place: Place): Tuning {
  const known = ['learningRate', 'weightDecay', 'inverseRegularization', 'seeds', 'by'];
  const given = section(value, place, []);
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw misplaced(place, [key], unknownKey(key, known));
  }
  const { by = BY } = given;
  if (by !== BY) throw misplaced(place, ['by'], `must be ${BY}; got ${show(by)}`);
  const list = (key: string, numbers: Numbers): number[] => numbersOf(given[key] ?? [], numbers, under(place, key));
  const tuning = {
    seeds: list('seeds', SEEDS),
    learningRate: list('learningRate', RATES),
    weightDecay: list('weightDecay', DECAYS),
    inverseRegularization: list('inverseRegularization', RATES),
  };
  const chooses = [tuning.learningRate, tuning.weightDecay, tuning.inverseRegularization].some(
    ({ length }) => length > 1,
  );
  if (chooses && tuning.seeds.length === 0) throw misplaced(place, [], 'must have seeds to choose by');
  return tuning;
}

/** The one rule: mean over the tuning seeds, on the validation split, which is damaged like the training data. */
const BY = 'validation balanced accuracy';

const under = (place: Place, key: string): Place => ({ ...place, path: [...(place.path ?? []), key] });

/** Settings that come from different sections may contradict each other. */
function expectMethodsConsistent({ models, methods, common }: StudyConfig, config: ConfigFile): void {
  for (const [name, method] of Object.entries(methods)) {
    if (method.kind === 'tfidf') continue;
    const place: Place = { file: config.file, path: ['methods', name], lineOf: config.lineOf };
    for (const [model, { settings }] of Object.entries(models)) {
      if (method.only.models && !method.only.models.includes(model)) continue;
      consistent({ ...applicable(common, method.settings), ...settings, ...method.settings }, place);
    }
  }
}

/** Settings for all methods that mean nothing to this one are left aside. */
export function applicable(common: SomeSettings, { method }: Pick<GivenSettings, 'method'>): SomeSettings {
  return Object.fromEntries(Object.entries(common).filter(([key]) => methodsOf(key)?.includes(method) ?? true));
}

function consistent(given: GivenSettings, place: Place): void {
  try {
    expectConsistent(given, (key) => key);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw misplaced(place, [], `contradicts itself: ${error.message.replace(/^tsrl: /, '')}`);
  }
}
