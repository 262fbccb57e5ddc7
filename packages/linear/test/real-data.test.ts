import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createRng, permutation } from '@tsrl/core';
import { describe, expect, test } from 'vitest';
import {
  fitTextClassifier,
  fitTfIdf,
  outOfFoldProbabilities,
  type SparseFeatures,
  textClassifier,
  tfIdf,
} from '../src/index.ts';

const folder = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
const read = (name: string, split: 'train' | 'test') => {
  const lines = readFileSync(`${folder}${name}/${split}.jsonl`, 'utf8').trim().split('\n');
  const examples = lines.map((line) => JSON.parse(line) as { text: string; label: number });
  return { texts: examples.map(({ text }) => text), labels: examples.map(({ label }) => label) };
};

/** Accuracy, balanced accuracy, F1 at 0.5, and AUROC by counting pairs. */
function metrics(probabilities: ArrayLike<number>, labels: readonly number[]): number[] {
  const ofClass = [0, 1].map((c) => Array.from(probabilities).filter((_, i) => labels[i] === c));
  const [zeros, ones] = ofClass as [number[], number[]];
  const [trueNegatives, truePositives] = [zeros.filter((p) => p <= 0.5).length, ones.filter((p) => p > 0.5).length];
  const falsePositives = zeros.length - trueNegatives;
  let pairs = 0;
  for (const p of ones) for (const q of zeros) pairs += p > q ? 1 : p === q ? 0.5 : 0;
  return [
    (trueNegatives + truePositives) / labels.length,
    (trueNegatives / zeros.length + truePositives / ones.length) / 2,
    (2 * truePositives) / (truePositives + falsePositives + ones.length),
    pairs / (zeros.length * ones.length),
  ];
}

/** Compensated, because a plain sum of 10⁵ numbers loses the digits that are compared. */
function sumOf(values: Iterable<number>): number {
  let [sum, lost] = [0, 0];
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}

/** Number and sums of the entries: as they are, by row, and by column. */
function sums({ starts, indices, values, rows }: SparseFeatures): number[] {
  const row = Array.from({ length: rows }, (_, i) =>
    Array<number>((starts[i + 1] as number) - (starts[i] as number)).fill(i),
  );
  const places = row.flat();
  return [
    values.length,
    sumOf(values),
    sumOf(values.map((value, k) => value * ((places[k] as number) + 1))),
    sumOf(values.map((value, k) => value * ((indices[k] as number) + 1))),
  ];
}

// By scikit-learn 1.9.1: TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=1, tol=1e-10).
const expected = {
  sms_spam: {
    terms: 38379,
    hash: '8a683c4db7df26d59a2df41ec2c5ac894943c6f24195945a321923c18d318aba',
    idf: 318579.86874544056,
    rows: [13198, 2817.623020008584, 1047775.9820734484, 56698441.96783112],
    table: [0.957, 0.846, 0.818, 0.992],
    probabilities: [106.21948420336219, 43.59026968812624],
  },
  moderation: {
    terms: 76806,
    hash: 'f690dd642b91c15db4c1f05f9c8ce13016018b8ceb33c56532a604311bef18e8',
    idf: 547843.9902492937,
    rows: [19118, 1714.5308132506414, 184652.9699844608, 68930668.97164539],
    table: [0.76, 0.5, 0, 0.874],
    probabilities: [57.28818666003882, 16.12038738661481],
  },
  jailbreak_prompts: {
    terms: 114879,
    hash: '5546a3f570b5ec37ed8d335926b049ab9f296f29dd4124e1682bfeadbf419a5a',
    idf: 809933.3213833964,
    rows: [50316, 2792.2203579982684, 305727.1441246033, 163415211.74462998],
    table: [0.948, 0.941, 0.936, 0.997],
    probabilities: [91.57909907681359, 61.725027945319006],
  },
} as const;

/** Relative to the numbers themselves. */
function expectClose(actual: readonly number[], wanted: readonly number[], bound: number): void {
  expect(actual).toHaveLength(wanted.length);
  wanted.forEach((x, i) => {
    expect(Math.abs((actual[i] as number) - x)).toBeLessThanOrEqual(bound * Math.abs(x));
  });
}

describe.skipIf(!existsSync(folder))('data of ../shared/data (skipped without it)', () => {
  test.each(Object.entries(expected))(
    '%s: the terms, rows, probabilities and metrics of scikit-learn',
    (name, wanted) => {
      const [train, held] = [read(name, 'train'), read(name, 'test')];
      const model = fitTextClassifier(train);
      expect(model.tfIdf.terms).toHaveLength(wanted.terms);
      expect(createHash('sha256').update(model.tfIdf.terms.join('\n')).digest('hex')).toBe(wanted.hash);
      expectClose([sumOf(model.tfIdf.idf)], [wanted.idf], 1e-12);
      const rowsOf = tfIdf(model.tfIdf);
      expectClose(sums(rowsOf(held.texts)), wanted.rows, 1e-12);
      const probabilities = textClassifier(model)(held.texts);
      expect(metrics(probabilities, held.labels).map((x) => Math.round(1000 * x) / 1000)).toEqual(wanted.table);
      const moments = [probabilities.reduce((a, p) => a + p, 0), probabilities.reduce((a, p) => a + p * p, 0)];
      expectClose(moments, wanted.probabilities, 1e-6); // lbfgs stops early
    },
  );

  test('sms_spam with 20 % of the labels flipped: what the out-of-fold probabilities deny most is flipped', () => {
    const { texts, labels } = read('sms_spam', 'train');
    const rng = createRng(1);
    const flipped = labels.map(() => rng.uniform() < 0.2);
    const noisy = labels.map((label, i) => (flipped[i] ? 1 - label : label));
    const order = permutation(labels.length, rng);
    const pick = <T>(values: readonly T[], positions: Int32Array): T[] => Array.from(positions, (i) => values[i] as T);
    const probabilities = outOfFoldProbabilities({
      folds: order.map((at) => at % 5),
      fit: (train) => {
        const data = { texts: pick(texts, train), labels: pick(noisy, train) };
        const classify = textClassifier(fitTextClassifier(data, { classWeights: 'balanced' }));
        return (heldOut) => classify(pick(texts, heldOut));
      },
    });
    const own = Array.from(probabilities, (p, i) => (noisy[i] === 1 ? p : 1 - p));
    const head = [...own.keys()].sort((a, b) => (own[a] as number) - (own[b] as number)).slice(0, 100);
    expect(head.filter((i) => flipped[i]).length).toBeGreaterThanOrEqual(90);
  });
});

test('the words of a text are found in linear time', () => {
  const model = fitTfIdf([`${'a'.repeat(200_000)} ${'b '.repeat(100_000)} ${"'".repeat(200_000)}`]);
  expect(model.terms).toEqual(['a'.repeat(200_000)]);
});
