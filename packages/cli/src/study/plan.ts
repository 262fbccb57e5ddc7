import type { Json } from '@tsrl/core';
import { type Damage, noDamage } from '../prepare-data.js';
import type { GivenSettings } from '../settings/index.js';
import type { Dataset } from './datasets.js';
import { applicable, type MethodConfig, type Only, type StudyConfig } from './study-config.js';

/** What a run is asked to do, complete but for what data and model decide (`completeSettings`). */
export type RunSettings =
  | { readonly method: 'tfidf'; readonly classWeights: 'none' | 'balanced'; readonly inverseRegularization?: number }
  | GivenSettings;

/** A value for each setting that is tuned. */
export type Candidate = Readonly<Record<string, number>>;

/** All seeds of one method on one data set with one damage: they share what is tuned. */
export interface Group {
  /** With several models `DATASET@MODEL`: results of different models are as those of different data sets. */
  readonly dataset: string;
  readonly damage: string;
  readonly method: string;
  /** Names in the configuration. */
  readonly source: string;
  readonly model: string;
  /** Without seed and candidate. */
  readonly settings: RunSettings;
  readonly damaged: Damage;
  /** In the order in which a tie prefers them; one where there is nothing to choose. */
  readonly candidates: readonly Candidate[];
}

/** The grid, data set by data set, the longest first: threads that share a core end together, and keep what they read. */
export function planGroups(config: StudyConfig, datasets: ReadonlyMap<string, Dataset>): Group[] {
  const groups: Group[] = [];
  const several = Object.keys(config.models).length > 1;
  const size = (name: string): number => datasets.get(name)?.train.length ?? 0;
  const bySize = Object.keys(config.datasets).sort((a, b) => size(b) - size(a));
  for (const [model, { settings: ofModel, only, learningRate }] of Object.entries(config.models)) {
    const rates = learningRate ?? config.tuning.learningRate;
    for (const source of bySize) {
      for (const [damage, damaged] of Object.entries(config.damages)) {
        for (const [name, method] of Object.entries(config.methods)) {
          if (!includes(only, model, source, damage) || !includes(method.only, model, source, damage)) continue;
          const settings = settingsOf(config, ofModel, method, { ...noDamage, ...damaged });
          groups.push({
            dataset: several ? `${source}@${model}` : source,
            damage,
            method: name,
            source,
            model,
            settings,
            damaged: { ...noDamage, ...damaged },
            candidates: candidatesOf(config, settings, rates),
          });
        }
      }
    }
  }
  return groups;
}

const includes = ({ models, datasets, damages }: Only, model: string, dataset: string, damage: string): boolean =>
  (models?.includes(model) ?? true) && (datasets?.includes(dataset) ?? true) && (damages?.includes(damage) ?? true);

function settingsOf(
  { common }: StudyConfig,
  ofModel: StudyConfig['common'],
  method: MethodConfig,
  damaged: Damage,
): RunSettings {
  if (method.kind === 'tfidf') return { method: 'tfidf', classWeights: method.classWeights };
  const settings = {
    ...applicable(common, method.settings),
    ...applicable(ofModel, method.settings),
    ...method.settings,
  };
  return method.knownRates ? { ...settings, noiseRates: ratesOf(damaged) } : settings;
}

/** e₀ and e₁ as the damage makes them. */
function ratesOf({ labelNoise, falsePositiveNoise, falseNegativeNoise }: Damage): [number, number] {
  return [labelNoise || falsePositiveNoise, labelNoise || falseNegativeNoise];
}

/** The smaller learning rate stands first, then the smaller decay. */
function candidatesOf({ tuning }: StudyConfig, { method }: RunSettings, rates: readonly number[]): Candidate[] {
  const grid: Readonly<Record<string, readonly number[]>> =
    method === 'tfidf'
      ? { inverseRegularization: tuning.inverseRegularization }
      : { learningRate: rates, weightDecay: tuning.weightDecay };
  let candidates: Candidate[] = [{}];
  for (const [name, values] of Object.entries(grid)) {
    if (values.length === 0) continue;
    candidates = candidates.flatMap((candidate) => values.map((value) => ({ ...candidate, [name]: value })));
  }
  return candidates;
}

/**
 * The candidate of the best mean score; of equals the first, and none that failed on a seed.
 *
 * @param scores of each candidate on each seed, `null` where it failed
 */
export function bestCandidate(scores: readonly (readonly (number | null)[])[]): number | undefined {
  let best: { readonly index: number; readonly mean: number } | undefined;
  for (const [index, ofSeeds] of scores.entries()) {
    if (ofSeeds.some((score) => score === null)) continue;
    const mean = (ofSeeds as readonly number[]).reduce((sum, score) => sum + score, 0) / ofSeeds.length;
    if (best === undefined || mean > best.mean) best = { index, mean };
  }
  return best?.index;
}

/** What a run is made of: two runs that agree in it give the same numbers. */
export function inputsOf(
  group: Group,
  seed: number,
  { dataset, model }: { readonly dataset: string; readonly model: string | null },
): { readonly [key: string]: Json } {
  return {
    dataset,
    model: group.settings.method === 'tfidf' ? null : model,
    damage: { ...group.damaged } as Json,
    settings: sorted(group.settings as unknown as Json),
    seed,
  };
}

/** Keys in the order of the alphabet: how a file was written changes nothing. */
function sorted(json: Json): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  return Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)));
}
