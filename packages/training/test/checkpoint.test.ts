import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { DataError, isTsrlError, StateError } from '@tsrl/core';
import { writeSafetensors } from '@tsrl/safetensors';
import type { BinaryPolicy } from '@tsrl/tensor';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  decodeSnapshot,
  differences,
  encodeSnapshot,
  memoryStore,
  type Snapshot,
  scoreExamples,
  tokenBatch,
} from '../src/index.ts';
import { fileStore, writeFileAtomically } from '../src/node.ts';
import { bagPolicy, commonOptions, drawExamples, held, session, starts, wholeSession } from './fixtures.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-training-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const snapshot: Snapshot = {
  tensors: {
    'weights/a': { shape: [2, 2], data: Float32Array.of(1, -0, Number.NaN, 1e-45) },
    'weights/none': { shape: [0], data: new Float32Array() },
    scalar: { shape: [], data: Float32Array.of(0.1) },
  },
  state: { text: 'ä "quoted" \n', list: [1, 0.1 + 0.2, null, true], nested: { empty: {} } },
};

describe('snapshots', () => {
  test('come back as they were, bit for bit', async () => {
    expect(decodeSnapshot(encodeSnapshot(snapshot), 'file')).toEqual(snapshot);
    const store = memoryStore();
    expect(await store.load()).toBeUndefined();
    await store.save(snapshot);
    expect(await store.load()).toEqual(snapshot);
  });

  test('what was saved does not change with what was passed in, nor with what was loaded', async () => {
    const store = memoryStore();
    const data = Float32Array.of(1, 2);
    await store.save({ tensors: { x: { shape: [2], data } }, state: null });
    data[0] = 9;
    const loaded = await store.load();
    if (loaded?.tensors['x']) loaded.tensors['x'].data[1] = 9;
    expect((await store.load())?.tensors['x']?.data).toEqual(Float32Array.of(1, 2));
  });

  test('files that are something else', () => {
    const plain = writeSafetensors(new Map(), { metadata: { format: 'pt' } });
    expect(() => decodeSnapshot(plain, 'model.safetensors')).toThrow(
      new StateError('model.safetensors', 'is not a checkpoint of this version of tsrl; got format "pt" undefined'),
    );
    const metadata = { format: 'tsrl-checkpoint', version: '1', state: '{"run":' };
    expect(() => decodeSnapshot(writeSafetensors(new Map(), { metadata }), 'half.safetensors')).toThrow(
      new DataError('half.safetensors', 'the state of the run is not JSON'),
    );
    const integers = new Map([['x', { shape: [1], data: Int32Array.of(1) }]]);
    const other = writeSafetensors(integers, { metadata: { ...metadata, state: '{}' } });
    expect(() => decodeSnapshot(other, 'int.safetensors')).toThrow(
      new StateError('int.safetensors', 'tensor "x" must be F32'),
    );
  });

  test('a file cut short at any byte is refused by name', () => {
    const bytes = encodeSnapshot(snapshot);
    for (let length = 0; length < bytes.length; length++) {
      try {
        decodeSnapshot(bytes.subarray(0, length), 'cut.safetensors');
        expect.fail(`${length} of ${bytes.length} bytes were accepted`);
      } catch (error) {
        expect(isTsrlError(error)).toBe(true);
        expect((error as Error).message).toContain('cut.safetensors');
      }
    }
  });
});

describe('fileStore', () => {
  test('a run through a file, cut off and resumed, is the run that was not', async () => {
    const options = { ...commonOptions(), checkpointSeconds: 0 };
    const whole = await wholeSession(starts.values, options);
    const store = fileStore(join(folder, 'deep', 'er', 'checkpoint.safetensors'));
    expect(await store.load()).toBeUndefined();
    for (const stopAfter of [2, 9, 14]) await session(starts.values, { ...options, store, resume: true }, stopAfter);
    const resumed = await wholeSession(starts.values, { ...options, store, resume: true });
    expect(resumed.result).toEqual(whole.result);
    expect(resumed.weights).toEqual(whole.weights);
    expect(await readdir(join(folder, 'deep', 'er'))).toEqual(['checkpoint.safetensors']);
  });

  test('what a killed writer left behind is not read, and gone after the next save', async () => {
    const file = join(folder, 'checkpoint');
    const store = fileStore(file);
    await store.save(snapshot);
    await writeFile(join(folder, '.checkpoint.4711.tmp'), encodeSnapshot(snapshot).subarray(0, 50));
    await writeFile(join(folder, '.checkpoint.best.4711.tmp'), 'of another file');
    await writeFile(join(folder, 'checkpoint.4711.tmp'), 'of another kind');
    expect(await store.load()).toEqual(snapshot);
    await store.save({ ...snapshot, state: 'next' });
    expect((await store.load())?.state).toBe('next');
    expect((await readdir(folder)).sort()).toEqual(['.checkpoint.best.4711.tmp', 'checkpoint', 'checkpoint.4711.tmp']);
  });

  test('only a temporary file: nothing was saved', async () => {
    await writeFile(join(folder, '.checkpoint.1.tmp'), 'half');
    expect(await fileStore(join(folder, 'checkpoint')).load()).toBeUndefined();
  });

  test('a reader at any moment finds the old content or the new one, whole', async () => {
    const file = join(folder, 'text');
    const [a, b] = ['a'.repeat(300_000), 'b'.repeat(200_000)] as const;
    await writeFileAtomically(file, a);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await writeFileAtomically(file, i % 2 ? a : b);
      writing = false;
    })();
    const seen = new Set<string>();
    while (writing) seen.add(await readFile(file, 'utf8'));
    await writer;
    for (const content of seen) expect(content === a || content === b).toBe(true);
  });

  test('a damaged file stops the run by its name and leaves the file', async () => {
    const file = join(folder, 'checkpoint');
    const store = fileStore(file);
    const options = { ...commonOptions(), checkpointSeconds: 0, store, resume: true };
    await session(starts.nothing, options, 5);
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, bytes.length - 3));
    const error: unknown = await session(starts.nothing, options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).file).toBe(file);
    expect((await readFile(file)).length).toBe(bytes.length - 3);
    await writeFile(file, bytes);
    const { result } = await wholeSession(starts.nothing, options);
    expect(result.steps).toBe(18);
    expect(await held(store)).toMatchObject({ state: { run: { stopped: 'completed' } } });
  });

  test('an error that is not absence is not swallowed', async () => {
    await expect(fileStore(folder).load()).rejects.toThrow(/EISDIR/);
  });
});

describe('differences', () => {
  test('lists paths and both values, in the order of the first', () => {
    expect(differences({ a: 1, b: { c: [1, 2], d: null } }, { b: { c: [2, 1] }, a: 1, e: 'x' })).toEqual([
      'b.c is [1,2] there and [2,1] here',
      'e is null there and "x" here',
    ]);
    expect(differences(1, 2)).toEqual(['it is 1 there and 2 here']);
    expect(differences({ a: { b: 1 } }, { a: 3 })).toEqual(['a is {"b":1} there and 3 here']);
    expect(differences({ y: 1, x: { b: 2, a: 1 } }, { x: { a: 1, b: 2 }, y: 1 })).toEqual([]);
    expect(differences(null, {})).toEqual(['it is null there and {} here']);
  });
});

describe('scoreExamples', () => {
  const { sequences } = drawExamples(23, 4);

  test('keeps the order, whatever the batch size', async () => {
    const policy = bagPolicy();
    const [w, v] = await Promise.all(policy.variables.map((variable) => variable.data()));
    const sum = (weights: ArrayLike<number> | undefined, ids: Int32Array): number =>
      ids.reduce((total, id) => total + (weights?.[id] as number), 0);
    for (const batchSize of [1, 2, 7, 23, 64]) {
      const { logits, values } = await scoreExamples(policy, sequences, { batchSize, values: true });
      sequences.forEach((ids, i) => {
        expect(logits[i]).toBeCloseTo(sum(w, ids), 5);
        expect(values?.[i]).toBeCloseTo(sum(v, ids), 5);
      });
    }
    expect(await scoreExamples(policy, sequences)).not.toHaveProperty('values');
    expect(await scoreExamples(policy, [])).toEqual({ logits: new Float64Array() });
  });

  test('a policy that throws leaves nothing behind', async () => {
    let calls = 0;
    const policy = bagPolicy();
    const failing: BinaryPolicy = {
      ...policy,
      score: (tokens, want) => {
        if (++calls === 3) throw new Error('no memory');
        return policy.score(tokens, want);
      },
    };
    await expect(scoreExamples(failing, sequences, { batchSize: 4 })).rejects.toThrow('no memory');
  });

  test('errors', async () => {
    const policy = bagPolicy({ values: false });
    await expect(scoreExamples(policy, sequences, { values: true })).rejects.toThrow(
      new StateError('scoreExamples', 'the policy gives no values V(x)'),
    );
    await expect(scoreExamples(policy, sequences, { logMass: true })).rejects.toThrow(
      new StateError('scoreExamples', 'the policy gives no logMass'),
    );
    await expect(scoreExamples(policy, sequences, { batchSize: 0 })).rejects.toThrow(
      'scoreExamples: batchSize must be an integer of at least 1; got 0',
    );
  });
});

test('tokenBatch pads the chosen sequences on the right', async () => {
  const { ids, lengths } = tokenBatch(
    [Int32Array.of(5), Int32Array.of(1, 2, 3), Int32Array.of(4, 4)],
    Int32Array.of(2, 0),
  );
  expect(ids.shape).toEqual([2, 2]);
  expect(Array.from(await ids.data())).toEqual([4, 4, 5, 0]);
  expect(Array.from(await lengths.data())).toEqual([2, 1]);
  tf.dispose([ids, lengths]);
});
