import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRng } from '@tsrl/core';
import { supportTriage } from '@tsrl/data';
import { describe, expect, test } from 'vitest';
import { noDamage } from '../src/prepare-data.ts';
import { parseConfig } from '../src/settings/index.ts';
import type { Dataset } from '../src/study/datasets.ts';
import { bestCandidate, inputsOf, planGroups } from '../src/study/plan.ts';
import { checkedStudy, readStudyConfig, type StudyConfig } from '../src/study/study-config.ts';

const WHOLE = `name: small
models:
  frozen: { trainable: head, maxLength: 64 }
  whole:
    maxLength: 32
    only: { datasets: [a], damages: [none, flips] }
    tuning: { learningRate: [0.001] }
datasets:
  a: { train: a/train.jsonl, test: a/test.jsonl }
  b: { generated: support-triage, train: 30, test: 20, prior: 0.3 }
damages:
  none: {}
  flips: { labelNoise: 0.2 }
  missed: { falseNegativeNoise: 0.3 }
seeds: [2, 1]
limits: { train: 100 }
common: { batchSize: 16, kappa: 2 }
methods:
  sft: { method: sft }
  ppo: { method: binary-ppo, kappa: 3 }
  known: { method: binary-ppo, noiseCorrection: backward, noiseRates: known, only: { damages: [flips, missed] } }
  words: { method: tfidf, classWeights: balanced, only: { models: [frozen] } }
tuning:
  learningRate: [0.03, 0.01]
  weightDecay: [0.1, 0]
  inverseRegularization: [10, 1]
  seeds: [102, 101]
  by: validation balanced accuracy
`;

const study = (text: string): StudyConfig => checkedStudy(parseConfig('study.yaml', text));

const sets = (sizes: Readonly<Record<string, number>>): Map<string, Dataset> =>
  new Map(
    Object.entries(sizes).map(([name, size]) => {
      const texts = supportTriage(size, createRng(1));
      return [name, { name, train: texts, test: texts, fingerprint: name }];
    }),
  );

describe('the plan of a study', () => {
  const groups = planGroups(study(WHOLE), sets({ a: 10, b: 30 }));
  const named = (dataset: string, damage: string, method: string) =>
    groups.find((group) => group.dataset === dataset && group.damage === damage && group.method === method);

  test('is the grid, without what `only` leaves out, the largest data set first', () => {
    const list = groups.map(({ dataset, damage, method }) => `${dataset}/${damage}/${method}`);
    expect(list).toEqual([
      ...['none/sft', 'none/ppo', 'none/words'].map((rest) => `b@frozen/${rest}`),
      ...['flips/sft', 'flips/ppo', 'flips/known', 'flips/words'].map((rest) => `b@frozen/${rest}`),
      ...['missed/sft', 'missed/ppo', 'missed/known', 'missed/words'].map((rest) => `b@frozen/${rest}`),
      ...['none/sft', 'none/ppo', 'none/words'].map((rest) => `a@frozen/${rest}`),
      ...['flips/sft', 'flips/ppo', 'flips/known', 'flips/words'].map((rest) => `a@frozen/${rest}`),
      ...['missed/sft', 'missed/ppo', 'missed/known', 'missed/words'].map((rest) => `a@frozen/${rest}`),
      ...['none/sft', 'none/ppo', 'flips/sft', 'flips/ppo', 'flips/known'].map((rest) => `a@whole/${rest}`),
    ]);
  });

  test('names a data set alone where there is one model', () => {
    const one = study(WHOLE.replace(/ {2}whole:[\s\S]*?(?=^datasets:)/m, ''));
    expect(new Set(planGroups(one, sets({ a: 1, b: 2 })).map(({ dataset }) => dataset))).toEqual(new Set(['b', 'a']));
  });

  test('settings come from all methods, the model, the method, in this order, as far as the method has them', () => {
    expect(named('b@frozen', 'none', 'sft')?.settings).toEqual({
      method: 'sft',
      batchSize: 16,
      trainable: 'head',
      maxLength: 64,
    });
    expect(named('b@frozen', 'none', 'ppo')?.settings).toMatchObject({ kappa: 3, batchSize: 16 });
    expect(named('b@frozen', 'none', 'words')?.settings).toEqual({ method: 'tfidf', classWeights: 'balanced' });
    expect(named('a@whole', 'none', 'sft')?.settings).toEqual({ method: 'sft', batchSize: 16, maxLength: 32 });
  });

  test('known rates are those of the damage', () => {
    expect(named('b@frozen', 'flips', 'known')?.settings).toMatchObject({ noiseRates: [0.2, 0.2] });
    expect(named('b@frozen', 'missed', 'known')?.settings).toMatchObject({ noiseRates: [0, 0.3] });
    expect(named('b@frozen', 'missed', 'known')?.damaged).toEqual({ ...noDamage, falseNegativeNoise: 0.3 });
  });

  test('beliefs in labels take known rates too, or estimated ones', () => {
    const believing = (rates: string): StudyConfig =>
      study(
        WHOLE.replace('words: {', `believing: { method: sft, labels: posterior, noiseRates: ${rates} }\n  words: {`),
      );
    const all = planGroups(believing('known'), sets({ a: 10, b: 30 }));
    const settings = all.filter(({ method, damage }) => method === 'believing' && damage === 'missed');
    expect(settings.length).toBeGreaterThan(0);
    for (const group of settings) expect(group.settings).toMatchObject({ labels: 'posterior', noiseRates: [0, 0.3] });
    for (const rates of ['anchors', 'confident', '[0, 0.3]']) believing(rates);
  });

  test('candidates stand with the smaller learning rate first, however the list was written', () => {
    expect(named('b@frozen', 'none', 'sft')?.candidates).toEqual([
      { learningRate: 0.01, weightDecay: 0 },
      { learningRate: 0.01, weightDecay: 0.1 },
      { learningRate: 0.03, weightDecay: 0 },
      { learningRate: 0.03, weightDecay: 0.1 },
    ]);
    expect(named('b@frozen', 'none', 'words')?.candidates).toEqual([
      { inverseRegularization: 1 },
      { inverseRegularization: 10 },
    ]);
    expect(named('a@whole', 'none', 'sft')?.candidates.map(({ learningRate }) => learningRate)).toEqual([0.001, 0.001]);
  });

  test('the inputs of a run do not depend on the order in which a file lists its keys', () => {
    const turned = study(WHOLE.replace('{ method: binary-ppo, kappa: 3 }', '{ kappa: 3, method: binary-ppo }'));
    const other = planGroups(turned, sets({ a: 10, b: 30 }));
    const of = (list: typeof groups) =>
      list.map((group) => JSON.stringify(inputsOf(group, 1, { dataset: 'd', model: 'm' })));
    expect(of(other)).toEqual(of(groups));
    const changed = study(WHOLE.replace('kappa: 3', 'kappa: 4'));
    expect(of(planGroups(changed, sets({ a: 10, b: 30 })))).not.toEqual(of(groups));
  });
});

describe('the studies of this repository', () => {
  const studies = fileURLToPath(new URL('../../../benchmarks/studies', import.meta.url));

  test.each(readdirSync(studies))('%s can be run', async (name) => {
    const read = await readStudyConfig(join(studies, name));
    const groups = planGroups(read, sets(Object.fromEntries(Object.keys(read.datasets).map((key) => [key, 10]))));
    for (const key of ['damages', 'methods', 'models'] as const) {
      const used = new Set(
        groups.map((group) => ({ damages: group.damage, methods: group.method, models: group.model })[key]),
      );
      expect([...used].sort()).toEqual(Object.keys(read[key]).sort());
    }
    // The texts that tuning looks at are drawn apart from those of every cell.
    expect(read.seeds.filter((seed) => read.tuning.seeds.includes(seed))).toEqual([]);
  });

  test.each(readdirSync(studies))(
    '%s gives every method of a model as many steps, on sets of 256 texts and more',
    async (name) => {
      const read = await readStudyConfig(join(studies, name));
      const steps = new Map<string, Set<number>>();
      for (const { model, settings } of planGroups(read, new Map())) {
        if (settings.method === 'tfidf') continue;
        const { refreshes = 20, epochs = 4, refreshBatches, batchSize = 64 } = settings;
        expect(batchSize * ((refreshBatches as number) - 1)).toBeLessThanOrEqual(256);
        steps.set(model, (steps.get(model) ?? new Set()).add(refreshes * epochs * (refreshBatches as number)));
      }
      expect([...steps.values()].map(({ size }) => size)).toEqual(Object.keys(read.models).map(() => 1));
    },
  );
});

describe('the rule of tuning', () => {
  test('the best mean wins, the first of equals, and none that failed on a seed', () => {
    expect(
      bestCandidate([
        [0.5, 0.7],
        [0.8, 0.6],
        [0.6, 0.6],
      ]),
    ).toBe(1);
    expect(
      bestCandidate([
        [0.5, 0.7],
        [0.7, 0.5],
      ]),
    ).toBe(0);
    expect(
      bestCandidate([
        [1, null],
        [0.4, 0.4],
      ]),
    ).toBe(1);
    expect(bestCandidate([[null], [null]])).toBeUndefined();
  });
});

describe('a configuration that is wrong says where', () => {
  test.each([
    ['name: small', 'name: a/b', 'study.yaml:1: name must be a name of letters, digits, _, ., + and -; got "a/b"'],
    ['limits:', 'limit:', 'study.yaml:16: limit is not known; did you mean limits?'],
    ['seeds: [2, 1]\n', '', 'study.yaml:1: the file must have seeds'],
    ['seeds: [2, 1]', 'seeds: [1, 1]', 'study.yaml:15: seeds must be a list of different integers; got [1,1]'],
    ['seeds: [2, 1]', 'seeds: []', 'study.yaml:15: seeds must be a list of different integers; got []'],
    ['labelNoise: 0.2', 'labelNoise: 0.7', 'study.yaml:13: damages.flips.labelNoise must be in [0, 0.5); got 0.7'],
    [
      'labelNoise: 0.2',
      'labelnoise: 0.2',
      'study.yaml:13: damages.flips.labelnoise is not known; did you mean labelNoise?',
    ],
    [
      'labelNoise: 0.2',
      'labelNoise: 0.2, falsePositiveNoise: 0.1',
      'study.yaml:13: damages.flips contradicts itself: labelNoise must be left away with falsePositiveNoise',
    ],
    ['kappa: 3', 'kappa: 0', 'study.yaml:20: methods.ppo.kappa must be positive; got 0'],
    ['{ method: sft }', '{ method: sgd }', 'study.yaml:19: methods.sft.method must be'],
    ['{ method: sft }', '{ batchSize: 2 }', 'study.yaml:19: methods.sft must have a method: '],
    [
      '{ method: sft }',
      '{ method: sft, kappa: 1 }',
      'study.yaml:19: methods.sft contradicts itself: kappa must be left away with method sft',
    ],
    ['{ method: sft }', '{ method: sft, seed: 3 }', 'study.yaml:19: methods.sft.seed must be left away: '],
    [
      '{ method: sft }',
      '{ method: sft, labelNoise: 0.1 }',
      'study.yaml:19: methods.sft.labelNoise must stand under damages',
    ],
    [
      '{ method: sft }',
      '{ method: sft, learningRate: 0.1 }',
      'study.yaml:19: methods.sft.learningRate must be left away: tuning.learningRate chooses it',
    ],
    [
      'classWeights: balanced',
      'classWeights: effective',
      'study.yaml:22: methods.words.classWeights must be none or balanced',
    ],
    [
      'damages: [flips, missed]',
      'damages: [flip]',
      'study.yaml:21: methods.known.only.damages.0 is not known; did you mean flips?',
    ],
    [
      'damages: [flips, missed]',
      'damages: flips',
      'study.yaml:21: methods.known.only.damages must be a list of damages',
    ],
    ['datasets: [a],', 'datasets: [c],', 'study.yaml:6: models.whole.only.datasets.0 is not known'],
    ['test: a/test.jsonl', 'tests: a/test.jsonl', 'study.yaml:9: datasets.a.tests is not known; did you mean test?'],
    [', test: a/test.jsonl', '', 'study.yaml:9: datasets.a must have test'],
    ['prior: 0.3', 'prior: 1', 'study.yaml:10: datasets.b.prior must be in (0, 1); got 1'],
    ['[0.03, 0.01]', '[0.03, 0]', 'study.yaml:24: tuning.learningRate must be a list of different positive numbers'],
    ['  seeds: [102, 101]\n', '', 'study.yaml:24: tuning must have seeds to choose by'],
    ['by: validation', 'by: test', 'study.yaml:28: tuning.by must be validation balanced accuracy'],
  ])('%s → %s', (from, to, message) => {
    expect(WHOLE).toContain(from);

    expect(() => study(WHOLE.replace(from, to))).toThrow(message);
  });

  test('no method, data set, damage or model is an error too', () => {
    for (const section of ['methods', 'datasets', 'damages', 'models']) {
      const without = { ...(parseConfig('x', WHOLE).json as object), [section]: {} };
      expect(() => study(JSON.stringify(without))).toThrow(`${section} must have one entry or more`);
    }
  });
});
