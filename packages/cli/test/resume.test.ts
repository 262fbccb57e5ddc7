import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRng } from '@tsrl/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Ended, hashes, readJson, spawnTsrl, temporaryFolder, timeless, writeTexts } from './tsrl.ts';

// Real processes, really killed. A run that was killed, once or often, at whatever moment, and then continued must end
// with the history and the weights of one that was never disturbed, bit for bit.

const at = temporaryFolder();
const folder = at();
const out = (name: string): string => join(folder, name);

const common = ['--batch-size', 16, '--max-length', 32, '--learning-rate', 3e-3, '--backend', 'wasm', '--seed', 5];
const ppo = ['--refreshes', 8, '--epochs', 2, '--refresh-batches', 1, '--threads', 1];
const methods = {
  // sampled actions and a value head: every random stream and every column of the checkpoint has a part in it
  'binary-ppo': [...ppo, '--actions', 'sample', '--baseline', 'value-head'],
  sft: ['--epochs', 6, '--label-noise', 0.2, '--imbalance', 4, '--policy', 'verbalizer', '--threads', 2],
};

function command(method: keyof typeof methods, name: string): (string | number)[] {
  const data = ['--train', join(folder, 'train.jsonl'), '--test', join(folder, 'test.jsonl')];
  return ['train', '--method', method, ...data, ...common, ...methods[method], '--out', out(name)];
}

/** What a run is: its history and model byte for byte, its result apart from the times. */
function essence(name: string): unknown {
  return {
    history: readFileSync(join(out(name), 'history.jsonl'), 'utf8'),
    model: hashes(join(out(name), 'model')),
    result: timeless(readJson(join(out(name), 'result.json'))),
    files: readdirSync(out(name)).sort(),
  };
}

/** Starts the command and kills it as soon as `now()` holds, if it ever does. */
function kill(args: readonly (string | number)[], now: (stderr: string) => boolean): Promise<Ended> {
  return spawnTsrl(args, (child, said) => {
    const look = (): void => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      if (now(said.stderr)) child.kill('SIGKILL');
      else setTimeout(look, 1);
    };
    look();
  });
}

/** The same, and fails when the process came to its end. */
async function killWhen(args: readonly (string | number)[], now: () => boolean): Promise<void> {
  const ended = await kill(args, now);
  expect(ended, 'it should have been killed on the way').toMatchObject({ signal: 'SIGKILL' });
}

/** Kills it while something is being written, which what is left behind proves; a kill that comes too late is repeated. */
async function killDuring(args: readonly (string | number)[], leftBehind: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 8 && !leftBehind(); attempt++) await kill(args, leftBehind);
  expect(leftBehind(), 'it should have been killed in the middle of writing').toBe(true);
}

const checkpointOf = (name: string): string => join(out(name), 'checkpoint', 'checkpoint.safetensors');

const lines = (name: string): number => {
  const file = join(out(name), 'history.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
};

const holds = (directory: string, pattern: RegExp): boolean =>
  existsSync(directory) && readdirSync(directory).some((name) => pattern.test(name));

async function finish(args: readonly (string | number)[]): Promise<Ended> {
  const ended = await spawnTsrl([...args, ...(args.includes('--resume') ? [] : ['--resume'])]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}

const undisturbed: Record<string, { essence: unknown; training: number }> = {};

beforeAll(async () => {
  writeTexts(at('train.jsonl'), 90, 1);
  writeTexts(at('test.jsonl'), 40, 2);
  for (const method of ['binary-ppo', 'sft'] as const) {
    let started: number | undefined;
    const ended = await kill(command(method, method), (stderr) => {
      if (stderr !== '') started ??= performance.now();
      return false;
    });
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    undisturbed[method] = { essence: essence(method), training: performance.now() - started! };
  }
}, 120_000);

describe.concurrent('a run killed with SIGKILL and resumed equals one that was not', { timeout: 120_000 }, () => {
  test.each(['binary-ppo', 'sft'] as const)('%s, killed at random moments of its training', async (method) => {
    const name = `${method}-random`;
    const args = [...command(method, name), '--resume'];
    const rng = createRng(11).fork(method);
    const { essence: expected, training } = undisturbed[method]!;
    let killed = 0;
    while (killed < 4) {
      const delay = training * rng.uniform();
      let end = Number.POSITIVE_INFINITY;
      const { signal } = await kill(args, (stderr) => {
        if (end === Number.POSITIVE_INFINITY && stderr !== '') end = performance.now() + delay;
        return performance.now() >= end && (killed < 3 || existsSync(checkpointOf(name)));
      });
      if (signal === null) break; // it was faster
      killed++;
    }
    expect(killed).toBeGreaterThanOrEqual(2);
    const { stderr } = await finish(args);
    expect(stderr).toMatch(/^going on at step \d+ of \d+$/m);
    expect(essence(name)).toEqual(expected);
  });

  test('killed before the first checkpoint, twice in a row, and from then on as soon as there is another one', async () => {
    const name = 'early';
    const args = command('binary-ppo', name);
    const checkpoint = checkpointOf(name);
    await killWhen(args, () => existsSync(join(out(name), 'config.json')));
    await killWhen([...args, '--resume'], () => existsSync(join(out(name), 'history.jsonl')));
    expect(existsSync(checkpoint), 'both came before the first checkpoint').toBe(false);
    await killWhen([...args, '--resume'], () => existsSync(checkpoint));
    const first = readFileSync(checkpoint);
    await killWhen([...args, '--resume'], () => !readFileSync(checkpoint).equals(first));
    const { stderr } = await finish(args);
    expect(stderr).toMatch(/^going on at step \d+ of 16$/m);
    expect(essence(name)).toEqual(undisturbed['binary-ppo']!.essence);
  });

  test('killed while a checkpoint, a line of the history and the model are being written', async () => {
    const name = 'writing';
    const args = [...command('binary-ppo', name), '--resume'];
    await killDuring(args, () => holds(join(out(name), 'checkpoint'), /\.tmp$/));
    await killWhen(args, () => lines(name) > 3);
    appendFileSync(join(out(name), 'history.jsonl'), '{"refresh":7,"ep'); // as a kill may leave the last line
    await killDuring(args, () => holds(out(name), /^\.model-/));
    await finish(args);
    expect(essence(name)).toEqual(undisturbed['binary-ppo']!.essence);
  });

  test('a finished run that is resumed stays what it is', async () => {
    await finish(command('sft', 'sft'));
    expect(essence('sft')).toEqual(undisturbed['sft']!.essence);
  });
});

describe.concurrent('a run whose worker dies', { timeout: 120_000 }, () => {
  const hook = new URL('kill-worker.mjs', import.meta.url).href;
  /** Starts or resumes the run with two threads, and lets the second one die at its nth share. */
  const strike = (args: readonly (string | number)[], how: 'exit' | 'throw', nth: number): Promise<Ended> =>
    spawnTsrl(args, undefined, { NODE_OPTIONS: `--import=${hook}`, TSRL_TEST_KILL: `${how} ${nth}` });

  test('ends with a sentence and a checkpoint of the last step, and goes on bit for bit, however often', async () => {
    const name = 'struck';
    const args = command('sft', name);
    const goesOn = (from: string): string => `the same command with --resume goes on from ${from}\n`;

    const first = await strike(args, 'exit', 1);
    expect(first).toMatchObject({ code: 1, signal: null, stdout: '' });
    expect(first.stderr).toContain(`\ntraining: a worker thread stopped: exit code 7; ${goesOn('the start')}`);
    expect(first.stderr).not.toContain('    at '); // no stack
    expect(existsSync(checkpointOf(name))).toBe(false);

    // Dies in its third step: before the first evaluation, and so before any other checkpoint.
    const third = await strike([...args, '--resume'], 'throw', 3);
    expect(third.code).toBe(1);
    expect(third.stderr).toContain(`\ntraining: a worker thread stopped: struck down; ${goesOn(checkpointOf(name))}`);
    expect(lines(name)).toBe(0);

    const later = await strike([...args, '--resume'], 'exit', 6);
    expect(later.stderr).toMatch(/^going on at step 2 of \d+$/m);
    expect(later.code).toBe(1);
    expect(lines(name)).toBeGreaterThan(0);

    const { stderr } = await finish(args);
    expect(stderr).toMatch(/^going on at step 7 of \d+$/m);
    expect(essence(name)).toEqual(undisturbed['sft']!.essence);
  });
});

describe('a run interrupted with SIGINT', { timeout: 120_000 }, () => {
  test('saves a checkpoint, ends with 130, says how to go on, and goes on', async () => {
    const name = 'interrupted';
    const args = command('binary-ppo', name);
    const ended = await spawnTsrl(args, (child) => {
      const look = (): void => {
        if (child.exitCode !== null) return;
        if (lines(name) >= 2) child.kill('SIGINT');
        else setTimeout(look, 1);
      };
      look();
    });
    const checkpoint = checkpointOf(name);
    expect(ended).toMatchObject({ code: 130, signal: null, stdout: '' });
    expect(ended.stderr).toContain(`interrupted; the same command with --resume goes on from ${checkpoint}\n`);
    expect(existsSync(checkpoint)).toBe(true);
    expect(existsSync(join(out(name), 'result.json'))).toBe(false);
    await finish(args);
    expect(essence(name)).toEqual(undisturbed['binary-ppo']!.essence);
  });

  test('while vectors are computed, ends at once; any number of threads computes the same', async () => {
    writeTexts(at('many.jsonl'), 3000, 3);
    const data = ['--train', at('many.jsonl'), '--test', join(folder, 'test.jsonl')];
    for (const threads of [1, 2]) {
      const name = `reading on ${threads}`;
      const args = ['train', '--method', 'sft', '--trainable', 'head', ...data, ...common, '--threads', threads];
      args.push('--epochs', 1, '--out', out(name));
      const ended = await spawnTsrl(args, (child) => {
        const look = (): void => {
          if (child.exitCode !== null) return;
          if (existsSync(join(out(name), 'config.json'))) child.kill('SIGINT');
          else setTimeout(look, 1);
        };
        look();
      });
      expect(ended).toMatchObject({ code: 130, signal: null, stdout: '' });
      expect(ended.stderr).toMatch(/\ninterrupted; the same command with --resume goes on from the start\n$/);
      expect(readdirSync(out(name))).toEqual(['config.json']);
      await finish(args);
    }
    expect(hashes(join(out('reading on 2'), 'model'))).toEqual(hashes(join(out('reading on 1'), 'model')));
  });
});
