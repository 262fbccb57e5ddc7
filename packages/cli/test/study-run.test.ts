import { Buffer } from 'node:buffer';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { createRng, sigmoid } from '@tsrl/core';
import { supportTriage } from '@tsrl/data';
import { binaryMetrics } from '@tsrl/evaluation';
import { tiny } from '@tsrl/policies';
import { writeModelDirectory } from '@tsrl/policies/node';
import { forAll } from '@tsrl/testing';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { modelFingerprint, noDamage } from '../src/prepare-data.ts';
import { measure, packBits } from '../src/study/cell-result.ts';
import { type DatasetSource, loadDataset } from '../src/study/datasets.ts';
import { featureFile, readFeatures, writeFeatures } from '../src/study/features.ts';
import { listSuspects } from '../src/study/judge-labels.ts';
import { type CellAnswer, doRun, type RunTask, type TuningAnswer } from '../src/study/run.ts';
import { temporaryFolder } from './tsrl.ts';

// Single runs, in this thread: what they read, what they give, and that they leave nothing behind.

const at = temporaryFolder();
const source: DatasetSource = {
  name: 'triage',
  config: { generated: 'support-triage', train: 120, test: 40, prior: 0.4, seed: 3 },
  directory: '.',
  limits: {},
};
const HIDDEN = 8;
let whole: RunTask;

/** Vectors that know the label a little: rows of the data set, training part first. */
async function putFeatures(out: string, task: RunTask): Promise<void> {
  const dataset = await loadDataset(task.source);
  for (const part of ['train', 'test'] as const) {
    const rng = createRng(5).fork(part);
    const rows = dataset[part].length;
    const data = Float32Array.from({ length: rows * HIDDEN }, (_, i) => {
      const label = dataset[part][Math.floor(i / HIDDEN)]?.label as number;
      return rng.normal() + (i % HIDDEN === 0 ? 2 * (2 * label - 1) : 0);
    });
    await writeFeatures(featureFile(out, task.model, dataset, part), { data, rows, columns: HIDDEN });
  }
}

beforeAll(async () => {
  const dataset = await loadDataset(source);
  const model = { name: 'small', directory: at('model'), fingerprint: '', maxLength: 24 };
  const language = tiny({ texts: dataset.train.map(({ text }) => text), vocabularySize: 300 }, createRng(1));
  await writeModelDirectory(model.directory, language);
  language.model.dispose();
  whole = {
    kind: 'run',
    purpose: 'cell',
    source,
    fingerprint: dataset.fingerprint,
    damaged: noDamage,
    settings: {
      method: 'sft',
      trainable: 'head',
      maxLength: 24,
      refreshes: 4,
      epochs: 1,
      refreshBatches: 5,
      batchSize: 16,
      learningRate: 0.05,
    },
    seed: 1,
    out: at('out'),
    model: { ...model, fingerprint: await modelFingerprint(model.directory) },
  };
  await putFeatures(whole.out, whole);
});

const cell = async (task: Partial<RunTask> = {}): Promise<CellAnswer['measured']> =>
  ((await doRun({ ...whole, ...task })) as CellAnswer).measured;
const timeless = <T extends { readonly seconds: number }>({ seconds, ...rest }: T): Omit<T, 'seconds'> => rest;

const ppo = {
  ...({} as object),
  method: 'binary-ppo',
  trainable: 'head',
  refreshes: 4,
  epochs: 2,
  refreshBatches: 3,
  batchSize: 16,
  learningRate: 0.05,
} as const;

describe('a run', () => {
  test('of a frozen head learns from its vectors, and says what it saw', async () => {
    const result = await cell();
    expect(result.half.balancedAccuracy).toBeGreaterThan(0.9);
    expect(result.steps).toBe(20);
    expect(result.curve.map(({ step }) => step)).toEqual([5, 10, 15, 20]);
    const { train: texts, test: held } = await loadDataset(source);
    const ones = texts.reduce((sum, { label }) => sum + label, 0);
    const { train, validation, positives, flipped, test } = result.data;
    expect({ all: train + validation, flipped, test }).toEqual({ all: 120, flipped: 0, test: held.length });
    expect(Math.abs(positives / train - ones / 120)).toBeLessThan(0.02);
    expect(result.settings).toMatchObject({ method: 'sft', seed: 1, threads: 1, backend: 'wasm', learningRate: 0.05 });
  });

  test('says which examples are right, as many as its accuracy has', async () => {
    const { right, rightChosen, half, chosen, data } = await cell();
    const bits = (packed: string): number =>
      [...Buffer.from(packed, 'base64')].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    expect(bits(right)).toBe(Math.round(half.accuracy * data.test));
    expect(bits(rightChosen)).toBe(Math.round(chosen.accuracy * data.test));
  });

  test('damage falls on all methods alike, and never on the test texts', async () => {
    const damaged = { ...noDamage, falseNegativeNoise: 0.3, imbalance: 3 };
    const sft = await cell({ damaged });
    const other = await cell({ damaged, settings: ppo });
    const words = await cell({ damaged, settings: { method: 'tfidf', classWeights: 'none' } });
    expect(other.data).toEqual(sft.data);
    expect(words.data).toEqual(sft.data);
    const { train: texts } = await loadDataset(source);
    const zeros = texts.filter(({ label }) => label === 0).length;
    const kept = Math.round(zeros / 3);
    expect(sft.data.train + sft.data.validation).toBe(zeros + kept);
    // Flips are counted where they were trained on; the validation part has the others.
    expect(sft.data.flipped).toBeGreaterThan(0);
    expect(sft.data.flipped).toBeLessThanOrEqual(Math.round(0.3 * kept));
    expect(sft.data.test).toBe(40);
  });

  test('is a function of its task: not of what this thread did before, and not of the order', async () => {
    const tasks: Partial<RunTask>[] = [
      {},
      { settings: ppo, damaged: { ...noDamage, labelNoise: 0.2 } },
      { settings: { ...ppo, actions: 'sample', baseline: 'value-head' }, seed: 2 },
      { settings: { method: 'tfidf', classWeights: 'balanced', inverseRegularization: 10 } },
      {
        settings: { ...ppo, noiseCorrection: 'forward', noiseRates: 'confident' },
        damaged: { ...noDamage, labelNoise: 0.1 },
      },
      { settings: { ...ppo, trainable: 'full', maxLength: 24, learningRate: 1e-3 } },
      ...([ppo, whole.settings] as const).map((settings) => ({
        settings: { ...settings, labels: 'posterior', noiseRates: 'confident' } as RunTask['settings'],
        damaged: { ...noDamage, labelNoise: 0.1 },
      })),
    ];
    const first = [];
    for (const task of tasks) first.push(timeless(await cell(task)));
    const second = [];
    for (const task of [...tasks].reverse()) second.unshift(timeless(await cell(task)));
    expect(second).toEqual(first);
    expect(timeless(await cell({ seed: 9 }))).not.toEqual(first[0]);
  });

  test('is evaluated once a refresh by every method, or once a pass where there is one refresh', async () => {
    for (const settings of [whole.settings as typeof ppo, ppo]) {
      const evaluations = async (refreshes: number, epochs: number): Promise<number> =>
        (await cell({ settings: { ...settings, refreshes, epochs, refreshBatches: 2 } })).curve.length;
      expect(await evaluations(3, 4)).toBe(3);
      expect(await evaluations(1, 4)).toBe(4);
    }
  });

  test('learns beliefs in place of labels where it is asked to, with rates given or estimated; without noise, the same', async () => {
    const damaged = { ...noDamage, falseNegativeNoise: 0.45 };
    for (const settings of [whole.settings, ppo] as const) {
      const believing = (noiseRates: [number, number] | 'confident') =>
        ({ ...settings, labels: 'posterior', noiseRates }) as RunTask['settings'];
      const observed = await cell({ damaged, settings });
      const known = await cell({ damaged, settings: believing([0, 0.45]) });
      expect(known.data).toEqual(observed.data);
      const guessed = await cell({ damaged, settings: believing('confident') });
      expect(new Set([observed, known, guessed].map(({ half }) => half.nll)).size).toBe(3);
      const { settings: made, ...none } = timeless(await cell({ damaged, settings: believing([0, 0]) }));
      const { settings: plain, ...same } = timeless(observed);
      expect(none).toEqual(same);
      expect(made).toMatchObject({ ...(plain as object), labels: 'posterior', noiseRates: [0, 0] });
    }
    const trusting = { ...whole.settings, labels: 'posterior', noiseRates: 'trusted' } as RunTask['settings'];
    await expect(cell({ settings: trusting })).rejects.toThrow('tsrl study: has no trusted labels for "trusted"');
  });

  test('leaves no tensor behind, whether it ends or fails', async () => {
    const before = tf.memory().numTensors;
    for (let seed = 0; seed < 6; seed++) await cell({ seed, settings: seed % 2 ? ppo : whole.settings });
    expect(tf.memory().numTensors).toBe(before);
    await expect(cell({ settings: { ...ppo, learningRate: 1e38 } })).rejects.toThrow(
      /must be (a number|numbers|finite)/,
    );
    await expect(cell({ settings: { ...ppo, trainable: 'full', maxLength: 100_000 } })).rejects.toThrow('maxLength');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('of tuning sees no test text: others would give the same score', async () => {
    const tuning = (task: RunTask): Promise<TuningAnswer> =>
      doRun({ ...task, purpose: 'tuning' }) as Promise<TuningAnswer>;
    const scored = await tuning(whole);
    expect(scored.score).toBeGreaterThan(0.8);
    const lines = (texts: readonly { text: string; label: number }[]): string =>
      texts.map(({ text, label }) => `${JSON.stringify({ text, label })}\n`).join('');
    const { train: texts } = await loadDataset(source);
    mkdirSync(at('data'));
    writeFileSync(at('data', 'train.jsonl'), lines(texts));
    const scores: number[] = [];
    for (const turned of [0, 1]) {
      const others = supportTriage(40, createRng(8)).map(({ text, label }) => ({
        text,
        label: turned ? 1 - label : label,
      }));
      writeFileSync(at('data', 'test.jsonl'), lines(others));
      const files = { ...source, config: { train: 'train.jsonl', test: 'test.jsonl' }, directory: at('data') };
      const { fingerprint } = await loadDataset(files);
      const task = { ...whole, source: files, fingerprint, out: at(`out-${turned}`) };
      await putFeatures(task.out, task);
      scores.push((await tuning(task)).score);
    }
    expect(scores).toEqual([scored.score, scored.score]);
  });

  test('refuses texts that have changed since the study began, and vectors of others', async () => {
    await expect(cell({ fingerprint: 'another' })).rejects.toThrow(
      'the texts of triage have changed since the study began',
    );
    const model = { ...whole.model, maxLength: 23 };
    await expect(cell({ model })).rejects.toThrow('is not there, or of other texts');
  });
});

describe('a list of suspects', () => {
  const listing = (more: Partial<Parameters<typeof listSuspects>[0]> = {}) => {
    const { source: from, fingerprint, seed, out, model } = whole;
    const damaged = { ...noDamage, labelNoise: 0.2 };
    return listSuspects({
      kind: 'suspects',
      source: from,
      fingerprint,
      damaged,
      seed,
      out,
      model,
      frozen: true,
      ...more,
    });
  };

  test('is of the training labels of the cells, and mostly of those that were flipped', async () => {
    const { data } = await cell({ damaged: { ...noDamage, labelNoise: 0.2 } });
    const { listed, flipped } = await listing();
    expect(data.flipped).toBeGreaterThan(10);
    expect(flipped).toBeLessThanOrEqual(Math.min(listed, data.flipped));
    expect(flipped / listed).toBeGreaterThan(0.8);
    expect(flipped / data.flipped).toBeGreaterThan(0.7);
    expect(await listing({ damaged: noDamage })).toMatchObject({ flipped: 0 });
  });

  test('goes by words where there are no vectors', async () => {
    const words = await listing({ frozen: false, out: at('nothing here') });
    expect(words).not.toEqual(await listing());
    await expect(listing({ out: at('nothing here') })).rejects.toThrow('is not there, or of other texts');
  });
});

describe('vectors on disk', () => {
  test('are read as they were written, and only for the texts, model and length that they were made of', async () => {
    const dataset = await loadDataset(source);
    const features = { data: Float32Array.of(1, -0, 3.5, 1e-40, 5, 6), rows: 3, columns: 2 };
    const place = featureFile(at('vectors'), whole.model, dataset, 'test');
    await writeFeatures(place, features);
    expect(await readFeatures(place)).toEqual(features);
    const others = [
      featureFile(at('vectors'), { ...whole.model, fingerprint: 'x' }, dataset, 'test'),
      featureFile(at('vectors'), { ...whole.model, maxLength: 5 }, dataset, 'test'),
      featureFile(at('vectors'), whole.model, { ...dataset, test: dataset.test.slice(1) }, 'test'),
    ];
    for (const other of others)
      expect(await readFeatures({ ...place, fingerprint: other.fingerprint })).toBeUndefined();
    // A label is not read for its vector.
    const turned = dataset.test.map(({ text, label }) => ({ text, label: label === 1 ? (0 as const) : (1 as const) }));
    expect(featureFile(at('vectors'), whole.model, { ...dataset, test: turned }, 'test')).toEqual(place);
    writeFileSync(place.file, 'half a file');
    expect(await readFeatures(place)).toBeUndefined();
  });
});

describe('what is measured', () => {
  test('threshold and temperature come from the validation split, everything else from the test set', () => {
    const [validation, held] = [1, 2].map((seed) => {
      const rng = createRng(seed);
      const labels = Float64Array.from({ length: 200 }, () => Number(rng.uniform() < 0.3));
      return { labels, logits: labels.map((y) => 3 * (2 * y - 1) + 4 * rng.normal() - 2) };
    }) as [{ logits: Float64Array; labels: Float64Array }, { logits: Float64Array; labels: Float64Array }];
    const { half, chosen, scaled } = measure(validation, held);
    const balanced = (z: Float64Array, y: Float64Array, threshold: number): number => {
      const rates = [0, 1].map((label) => {
        const of = [...z.keys()].filter((i) => y[i] === label);
        return of.filter((i) => Number(sigmoid(z[i] as number) >= threshold) === label).length / of.length;
      });
      return ((rates[0] as number) + (rates[1] as number)) / 2;
    };
    expect(half.balancedAccuracy).toBeCloseTo(balanced(held.logits, held.labels, 0.5), 12);
    expect(chosen.balancedAccuracy).toBeCloseTo(balanced(held.logits, held.labels, chosen.threshold), 12);
    const best = balanced(validation.logits, validation.labels, chosen.threshold);
    for (let t = 0.01; t < 1; t += 0.01) {
      expect(best).toBeGreaterThanOrEqual(balanced(validation.logits, validation.labels, t) - 1e-12);
    }
    const nll = (temperature: number, { logits, labels }: typeof held): number =>
      logits.reduce((sum, z, i) => sum + Math.log1p(Math.exp(((labels[i] ? -1 : 1) * z) / temperature)), 0) /
      labels.length;
    expect(scaled.nll).toBeCloseTo(nll(scaled.temperature, held), 10);
    for (const factor of [0.99, 1.01]) {
      expect(nll(scaled.temperature, validation)).toBeLessThan(nll(factor * scaled.temperature, validation));
    }
    expect(half.nll).toBeCloseTo(binaryMetrics(held).nll as number, 12);
  });

  test('bits are packed the first one lowest', () => {
    expect(packBits([true, false, false, false, false, false, false, false, true])).toBe(
      Buffer.from([1, 1]).toString('base64'),
    );
    forAll([fc.array(fc.boolean(), { maxLength: 100 })], (bits) => {
      const bytes = Buffer.from(packBits(bits), 'base64');
      expect(bytes.length).toBe(Math.ceil(bits.length / 8));
      expect(bits.map((_, i) => (((bytes[i >> 3] as number) >> (i & 7)) & 1) === 1)).toEqual(bits);
    });
  });
});
