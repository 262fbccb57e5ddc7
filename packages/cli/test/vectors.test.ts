import { createRng } from '@tsrl/core';
import { sequenceFeatures, tiny } from '@tsrl/policies';
import { expect, test } from 'vitest';
import { sequenceVectors } from '../src/vectors.ts';

// Threads run what was built, and so start in no test but those of real processes: resume.test.ts compares them.

const rng = createRng(4);
const texts = ['the boat leaves at nine', 'see you at the harbour', 'thank you for the tea'];
const integer = (below: number): number => Math.floor(below * rng.uniform());
const sequences = Array.from({ length: 1001 }, () => Int32Array.from({ length: 1 + integer(100) }, () => integer(250)));
const one = { threads: 1, backend: 'wasm' } as const;

test('vectors are those of sequenceFeatures, to the bit', async () => {
  const language = tiny({ texts }, createRng(1));
  const seen: number[] = [];
  const vectors = await sequenceVectors(language, sequences, { ...one, onProgress: (done) => void seen.push(done) });
  expect(vectors).toEqual(await sequenceFeatures(language, sequences));
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen.at(-1)).toBe(sequences.length);
  language.model.dispose();
});

test('a signal is heard between two batches', async () => {
  const language = tiny({ texts }, createRng(1));
  const signal = { aborted: false };
  let last = 0;
  const onProgress = (done: number): void => {
    last = done;
    signal.aborted = done > 60;
  };
  expect(await sequenceVectors(language, sequences, { ...one, onProgress, signal })).toBeUndefined();
  expect(last).toBeGreaterThan(60);
  expect(last).toBeLessThanOrEqual(60 + 32);
  language.model.dispose();
});

test('threads that die are an error', async () => {
  const language = tiny({ texts }, createRng(1));
  await expect(sequenceVectors(language, sequences, { threads: 2, backend: 'wasm' })).rejects.toThrow(
    /^training: a worker thread failed: its thread died twice: /,
  );
  language.model.dispose();
});
