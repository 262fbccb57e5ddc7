import * as tf from '@tensorflow/tfjs-core';
import { createRng } from '@tsrl/core';
import { supportTriage } from '@tsrl/data';
import { useBackend } from '@tsrl/tensor';
import { describe, expect, test } from 'vitest';
import { learn } from '../src/learn.ts';
import { makeLanguageModel, makePolicy } from '../src/make-policy.ts';
import { tokenize } from '../src/prepare-data.ts';
import { completeSettings, type GivenSettings } from '../src/settings/index.ts';

// A run of an hour is many refreshes: what one of them needs is given back before the next.

const texts = supportTriage(90, createRng(1), { prior: 0.3 });
const REFRESHES = 60;

/** The memory of the backend, in bytes, which never shrinks. */
const heap = (): number => {
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  return wasm.HEAPU8.buffer.byteLength;
};

describe('memory', () => {
  test.each<Omit<GivenSettings, 'seed'>>([
    { method: 'binary-ppo', actions: 'sample', baseline: 'value-head', klCoefficient: 0.1, supervisedAnneal: true },
    { method: 'bco' },
    { method: 'sft', loss: 'generalized-cross-entropy' },
    { method: 'binary-ppo', trainable: 'lora' },
  ])(
    'stays flat over many refreshes: %j',
    async (given) => {
      await useBackend('wasm');
      const rng = createRng(2);
      const language = await makeLanguageModel(
        undefined,
        texts.map(({ text }) => text),
        rng,
      );
      const settings = completeSettings(
        { ...given, refreshes: REFRESHES, epochs: 2, refreshBatches: 2, batchSize: 8, maxLength: 24, threads: 1 },
        { parameters: 1e5, minorityShare: 0.3 },
      );
      const policy = makePolicy(language, settings, { prior: 0.3, rng });
      const part = (from: number, to: number) => tokenize(policy.encode, texts.slice(from, to), settings.maxLength);
      const examples = { train: part(0, 60), validation: part(60, 75), test: part(75, 90) };
      const seen: { tensors: number; bytes: number; heap: number }[] = [];
      const { steps } = await learn({
        settings,
        examples,
        policy,
        onEvent({ type }) {
          if (type !== 'evaluation') return;
          const { numTensors, numBytes } = tf.memory();
          seen.push({ tensors: numTensors, bytes: numBytes, heap: heap() });
        },
      });
      policy.dispose();
      language.model.dispose();
      expect(steps).toBe(REFRESHES * 2 * 2);
      expect(seen.length).toBeGreaterThanOrEqual(REFRESHES);
      const [first, ...later] = seen;
      for (const { tensors, bytes } of later)
        expect({ tensors, bytes }).toEqual({ tensors: first!.tensors, bytes: first!.bytes });
      // Batches differ in length, so that the heap may still grow a little in the beginning: from a quarter on, not at all.
      const settled = seen[REFRESHES / 4]!.heap;
      expect(seen.at(-1)!.heap).toBe(settled);
    },
    60_000,
  );
});
