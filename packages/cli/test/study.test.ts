import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRng } from '@tsrl/core';
import { supportTriage } from '@tsrl/data';
import { tiny } from '@tsrl/policies';
import { writeModelDirectory } from '@tsrl/policies/node';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Ended, hashes, readJson, spawnTsrl, temporaryFolder, writeTexts } from './tsrl.ts';

// Real processes, really killed: whole studies of small data and a small model.

const at = temporaryFolder();

/** Two data sets that share texts, two damages, a model that is frozen, tuning, and a method without a gradient. */
const config = {
  name: 'small',
  models: { tiny: { trainable: 'head', maxLength: 32 } },
  datasets: {
    a: { train: 'a.jsonl', test: 'test.jsonl' },
    b: { train: 'b.jsonl', test: 'test.jsonl' },
  },
  damages: { none: {}, flips: { labelNoise: 0.2 } },
  seeds: [1, 2],
  common: { refreshes: 3, epochs: 1, refreshBatches: 2, batchSize: 16 },
  methods: {
    sft: { method: 'sft' },
    ppo: { method: 'binary-ppo', actions: 'sample' },
    words: { method: 'tfidf' },
  },
  tuning: { learningRate: [0.01, 0.1], inverseRegularization: [1, 10], seeds: [7] },
};
type Config = typeof config;

const LISTS = 2 * 2;
const RUNS = 2 * 2 * 3 * (2 + 2) + LISTS;
const CELLS = 2 * 2 * 3 * 2;

function command(out: string, from: object = config, ...more: (string | number)[]): (string | number)[] {
  const file = at(`${out}.json`);
  writeFileSync(file, JSON.stringify(from));
  const where = ['--data', at(), '--model', `tiny=${at('model')}`, '--out', at(out)];
  return ['study', '--config', file, ...where, '--threads', 2, ...more];
}

const run = (...args: Parameters<typeof command>): Promise<Ended> => spawnTsrl(command(...args));

const files = (out: string, folder: string): string[] =>
  existsSync(at(out, folder))
    ? readdirSync(at(out, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.json'))
        .sort()
    : [];

/** Every result without what no two runs share: the times; and the lists of suspects. */
function results(out: string): Record<string, unknown> {
  const all = ['cells', 'tuning'].flatMap((folder) =>
    files(out, folder).map((name): [string, unknown] => {
      const { seconds, ...rest } = readJson(at(out, folder, name));
      return [`${folder}/${name}`, rest];
    }),
  );
  return {
    ...Object.fromEntries(all),
    suspects: existsSync(at(out, 'suspects.json')) && readJson(at(out, 'suspects.json')),
  };
}

let undisturbed: Record<string, unknown>;
let first: Ended;

beforeAll(async () => {
  writeTexts(at('a.jsonl'), 60, 1);
  writeTexts(at('test.jsonl'), 40, 2);
  const shared = readFileSync(at('a.jsonl'), 'utf8').split('\n').slice(0, 30).join('\n');
  writeTexts(at('b.jsonl'), 40, 3);
  writeFileSync(at('b.jsonl'), `${shared}\n${readFileSync(at('b.jsonl'), 'utf8')}`);
  const texts = supportTriage(60, createRng(1)).map(({ text }) => text);
  const language = tiny({ texts, vocabularySize: 300 }, createRng(1));
  await writeModelDirectory(at('model'), language);
  language.model.dispose();
  first = await run('whole');
  undisturbed = results('whole');
}, 120_000);

describe('a study', { timeout: 120_000 }, () => {
  test('leaves a file for every run, and says so', () => {
    expect(first, first.stderr).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toContain(`${CELLS} of ${CELLS} cells are in ${at('whole', 'cells')}\n`);
    expect(first.stderr).toMatch(new RegExp(`^small ${RUNS}/${RUNS} runs .*${CELLS}/${CELLS} cells`, 'm'));
    expect(files('whole', 'cells')).toHaveLength(CELLS);
    expect(files('whole', 'tuning')).toHaveLength(RUNS - CELLS - LISTS);
    expect(files('whole', 'cells')[0]).toBe(join('a', 'flips', 'ppo', '1.json'));
  });

  test('lists suspects where labels were flipped, once for all methods', () => {
    type Lists = { dataset: string; damage: string; seed: number; listed: number; flipped: number }[];
    const lists = readJson(at('whole', 'suspects.json')) as unknown as Lists;
    const places = lists.map(({ dataset, damage, seed }) => `${dataset}/${damage}/${seed}`);
    expect(places).toEqual(['a/flips/1', 'a/flips/2', 'b/flips/1', 'b/flips/2']);
    for (const { dataset, seed, listed, flipped } of lists) {
      const { data } = readJson(at('whole', 'cells', dataset, 'flips', 'sft', `${seed}.json`)) as {
        data: { train: number; flipped: number };
      };
      expect(listed).toBeLessThanOrEqual(Math.min(100, data.train));
      expect(flipped).toBeLessThanOrEqual(Math.min(listed, data.flipped));
    }
    expect(lists.reduce((sum, { flipped }) => sum + flipped, 0)).toBeGreaterThan(0);
  });

  test('each cell has the candidate that did best on the tuning seeds', () => {
    for (const name of files('whole', 'cells')) {
      const cell = readJson(at('whole', 'cells', name)) as { tuned: Record<string, number>; settings: object };
      const folder = at('whole', 'tuning', name, '..');
      const tried = readdirSync(folder).map((file) => readJson(join(folder, file)));
      const candidates = (tried as { candidate: Record<string, number>; score: number }[]).sort(
        (x, y) =>
          y.score - x.score || (Object.values(x.candidate)[0] as number) - (Object.values(y.candidate)[0] as number),
      );
      expect(cell.tuned).toEqual(candidates[0]?.candidate);
      expect(cell.settings).toMatchObject(cell.tuned);
    }
  });

  test('says what it is made of, with the labels of each test set as bits', () => {
    const header = readJson(at('whole', 'study.json')) as {
      datasets: Record<string, { test: number; positives: number; labels: string }>;
    };
    expect(header).toMatchObject({ name: 'small', configuration: config, versions: { node: process.versions.node } });
    const labels = readFileSync(at('test.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).label as number);
    const bytes = Buffer.from(header.datasets['a']?.labels as string, 'base64');
    expect(labels.map((_, i) => ((bytes[i >> 3] as number) >> (i & 7)) & 1)).toEqual(labels);
    expect(header.datasets['b']).toMatchObject({ test: 40, positives: labels.filter((label) => label === 1).length });
  });

  test('gives the same numbers in another order, on one thread', async () => {
    const turned = Object.fromEntries(Object.entries(config.methods).reverse()) as Config['methods'];
    const damages = Object.fromEntries(Object.entries(config.damages).reverse());
    expect(await run('turned', { ...config, methods: turned, damages }, '--threads', 1)).toMatchObject({ code: 0 });
    expect(results('turned')).toEqual(undisturbed);
  });

  test('killed again and again, goes on to the same files, and never writes half a one', async () => {
    const rng = createRng(4);
    const args = command('killed');
    let kills = 0;
    for (let attempt = 0; kills < 5 && attempt < 12; attempt++) {
      const before = files('killed', 'cells').length + files('killed', 'tuning').length;
      const more = 1 + Math.floor(6 * rng.uniform());
      const { signal } = await spawnTsrl(args, (child) => {
        const look = (): void => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const now = files('killed', 'cells').length + files('killed', 'tuning').length;
          if (now >= before + more) child.kill('SIGKILL');
          else setTimeout(look, 1);
        };
        look();
      });
      if (signal === null) break;
      kills++;
      results('killed'); // every file that is there can be read
    }
    expect(kills).toBeGreaterThanOrEqual(4);
    const ended = await spawnTsrl(args);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(results('killed')).toEqual(undisturbed);
  });

  test('killed while vectors are computed, keeps those of the data sets that were complete', async () => {
    const args = [...command('vectors'), '--features-only'];
    const folder = at('vectors', 'features', 'tiny-32');
    const has = (name: string): boolean => existsSync(join(folder, name));
    await spawnTsrl(args, (child) => {
      const look = (): void => {
        if (child.exitCode !== null) return;
        if (has('a.train.safetensors')) child.kill('SIGKILL');
        else setTimeout(look, 1);
      };
      look();
    });
    const complete = has('a.train.safetensors') && statSync(join(folder, 'a.train.safetensors')).mtimeMs;
    expect(complete).toBeTruthy();
    const ended = await spawnTsrl(args);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr).toContain(`vectors are in ${at('vectors', 'features')}\n`);
    expect(statSync(join(folder, 'a.train.safetensors')).mtimeMs).toBe(complete);
    expect(readdirSync(folder).filter((name) => name.endsWith('.safetensors'))).toHaveLength(4);
    expect(hashes(folder)).toEqual(hashes(at('whole', 'features', 'tiny-32')));
    expect(files('vectors', 'cells')).toEqual([]);
  });

  test('interrupted, ends with 130 and says how to go on', async () => {
    const args = command('interrupted');
    const ended = await spawnTsrl(args, (child) => {
      const look = (): void => {
        if (child.exitCode !== null) return;
        if (files('interrupted', 'cells').length >= 2) child.kill('SIGINT');
        else setTimeout(look, 1);
      };
      look();
    });
    expect(ended, ended.stderr).toMatchObject({ code: 130, signal: null, stdout: '' });
    const there = files('interrupted', 'cells').length;
    expect(ended.stderr).toContain(
      `interrupted with ${there} of ${CELLS} cells; the same command goes on from there\n`,
    );
    expect(await spawnTsrl(args)).toMatchObject({ code: 0 });
    expect(results('interrupted')).toEqual(undisturbed);
  });

  test('with threads that die in the middle ends with the same files', async () => {
    const hook = new URL('kill-worker.mjs', import.meta.url).href;
    // Each thread dies when it is asked for the 5th time: its task goes to a new one.
    const struck = await spawnTsrl(command('struck'), undefined, {
      NODE_OPTIONS: `--import=${hook}`,
      TSRL_TEST_KILL: 'exit 5',
    });
    expect(struck, struck.stderr).toMatchObject({ code: 0 });
    expect(results('struck')).toEqual(undisturbed);
  });

  test('that is finished stays what it is', async () => {
    const before = hashes(at('whole', 'cells'));
    const listed = statSync(at('whole', 'suspects.json')).mtimeMs;
    const ended = await run('whole');
    expect(ended).toMatchObject({ code: 0 });
    expect(hashes(at('whole', 'cells'))).toEqual(before);
    expect(statSync(at('whole', 'suspects.json')).mtimeMs).toBe(listed);
  });
});

describe('a study that changes', { timeout: 120_000 }, () => {
  const small = { ...config, datasets: { a: config.datasets.a }, damages: { none: {} } };

  test('says which results are of another configuration, and runs them anew when asked', async () => {
    await run('changed', small);
    const before = hashes(at('changed', 'cells'));
    const changed = { ...small, methods: { ...config.methods, ppo: { ...config.methods.ppo, clipLow: 0.3 } } };
    const refused = await run('changed', changed);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /4 results there were made by another configuration \(ppo\): in .*, settings\.clipLow is null there and 0\.3 here; --redo runs them anew, another --out leaves them\n$/,
    );
    expect(hashes(at('changed', 'cells'))).toEqual(before);
    expect(await run('changed', changed, '--redo')).toMatchObject({ code: 0 });
    const after = hashes(at('changed', 'cells'));
    const differing = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(differing).toEqual(['a/none/ppo/1.json', 'a/none/ppo/2.json'].map((name) => join(...name.split('/'))));
  });

  test('more seeds and methods are added to what is there; what is taken out stays, and is told', async () => {
    const less = { ...small, seeds: [1], methods: { sft: config.methods.sft, ppo: config.methods.ppo } };
    await run('grown', less);
    const before = hashes(at('grown', 'cells'));
    const { ppo, ...others } = config.methods;
    const ended = await run('grown', { ...small, methods: others });
    expect(ended.stderr).toContain(
      `left as they are in ${at('grown')}: 1 cell of no part of this configuration, like a/none/ppo/1\n`,
    );
    expect(hashes(at('grown', 'cells'))).toMatchObject(before);
    expect(files('grown', 'cells')).toHaveLength(1 + 2 * 2);
  });

  test('other texts make other vectors and stale results', async () => {
    await run('texts', small, '--features-only');
    const vectors = hashes(at('texts', 'features'));
    await run('texts', { ...small, limits: { train: 50 } }, '--features-only');
    const after = hashes(at('texts', 'features'));
    const differing = Object.keys(after).filter((name) => after[name] !== vectors[name]);
    expect(differing).toEqual([join('tiny-32', 'a.train.safetensors')]);
  });
});

describe('a cell that fails', { timeout: 120_000 }, () => {
  test('is recorded with its reason, the others go on, and it is run again when asked', async () => {
    // One text of class 1 is left, and no validation split can be made of it.
    const damages = { none: {}, alone: { imbalance: 1000 } };
    const failing = { ...config, datasets: { a: config.datasets.a }, damages };
    const ended = await run('failing', failing);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('6 failed: *.failed.json there say why; --redo runs them again\n');
    expect(files('failing', 'cells').filter((name) => name.endsWith('.failed.json'))).toHaveLength(6);
    expect(files('failing', 'cells')).toHaveLength(12);
    expect(readJson(at('failing', 'cells', 'a', 'alone', 'sft', '1.failed.json'))).toMatchObject({
      track: 'small',
      dataset: 'a',
      damage: 'alone',
      method: 'sft',
      seed: 1,
      error: expect.stringMatching(/^no candidate of tuning could be trained: stratifiedSplit: /),
    });
    // Again, without being asked to: nothing is run, and it still says so.
    const again = await run('failing', failing);
    expect(again).toMatchObject({ code: 1 });
    // What was at fault is mended.
    const mended = await run('failing', { ...failing, damages: { none: {}, alone: { imbalance: 5 } } }, '--redo');
    expect(mended, mended.stderr).toMatchObject({ code: 0 });
    expect(files('failing', 'cells').filter((name) => name.endsWith('.failed.json'))).toEqual([]);
  });

  test('a model that is not there, a data set that is not there: nothing is begun', async () => {
    const none = await spawnTsrl(
      command('nothing').filter((word) => word !== '--model' && !String(word).startsWith('tiny=')),
    );
    expect(none).toMatchObject({ code: 2 });
    expect(none.stderr).toContain('needs the directory of tiny: --model tiny=DIR');
    const wrong = await run('nothing', { ...config, datasets: { c: { train: 'c.jsonl', test: 'test.jsonl' } } });
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain(`${at('c.jsonl')}: there is no such file`);
    expect(existsSync(at('nothing'))).toBe(false);
    rmSync(at('nothing.json'));
  });
});
