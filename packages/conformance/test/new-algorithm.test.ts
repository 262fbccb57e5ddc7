import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newAlgorithm } from '../../../scripts/new-algorithm.mjs';

const execute = promisify(execFile);

/** With what the command printed in the error, which says what is wrong. */
async function run(file: string, args: readonly string[], options: object = {}, input = ''): Promise<string> {
  const child = execute(file, [...args], { maxBuffer: 2 ** 26, ...options });
  child.child.stdin?.end(input);
  const { stdout } = await child.catch((error: Error & { stdout: string; stderr: string }) => {
    throw new Error(`${error.message}\n${error.stdout}${error.stderr}`);
  });
  return stdout;
}
const repository = fileURLToPath(new URL('../../..', import.meta.url));
/** A copy of the packages that get an algorithm: inside the repository, so that imports resolve as they do there. */
const copy = join(repository, 'packages/conformance/dist/new-algorithm');

const kinds = [
  { kind: 'advantage', name: 'my-estimator', folder: 'advantages' },
  { kind: 'loss', name: 'my-loss', folder: 'losses' },
  { kind: 'preference', name: 'my-preference', folder: 'losses' },
  { kind: 'reward', name: 'my-reward', folder: 'rewards' },
];
const folders = ['advantages', 'losses', 'rewards'];

beforeAll(() => {
  rmSync(copy, { recursive: true, force: true });
  for (const folder of folders) {
    const [from, to] = [join(repository, 'packages', folder), join(copy, 'packages', folder)];
    for (const part of ['src', 'test']) cpSync(join(from, part), join(to, part), { recursive: true });
    cpSync(join(from, 'package.json'), join(to, 'package.json'));
    const config = { extends: '../../../../../../tsconfig.base.json', include: ['src'] };
    writeFileSync(join(to, 'tsconfig.json'), JSON.stringify(config));
  }
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** The files of `paths` under `copy`, as the linter and the compiler of the repository see them. */
async function check(paths: readonly string[]): Promise<void> {
  const config = { extends: '../../../../tsconfig.tests.json', include: paths, exclude: [] };
  writeFileSync(join(copy, 'tsconfig.json'), JSON.stringify(config));
  await run(join(repository, 'node_modules/.bin/tsc'), ['-p', copy, '--noEmit']);
  for (const path of paths) {
    const source = readFileSync(join(copy, path), 'utf8');
    const biome = join(repository, 'node_modules/.bin/biome');
    expect(await run(biome, ['check', '--write', `--stdin-file-path=${path}`], { cwd: repository }, source)).toBe(
      source,
    );
  }
}

/** Runs their tests and the laws, of which only what is named like them. */
async function runTests(names: readonly string[], pattern: string): Promise<string> {
  writeFileSync(
    join(copy, 'vitest.config.ts'),
    `import { defineConfig } from 'vitest/config';
import { projectOf } from '../../../../vitest.config.ts';
export default defineConfig({
  test: { projects: ${JSON.stringify(folders)}.map((folder) => projectOf(folder, 'wasm', \`${copy}/packages/\${folder}\`)) },
});
`,
  );
  const args = ['run', '--root', copy, '--reporter', 'json', '-t', pattern, ...names, 'laws'];
  return run(join(repository, 'node_modules/.bin/vitest'), args, {
    env: { ...process.env, VITEST: undefined, VITEST_WORKER_ID: undefined, VITEST_POOL_ID: undefined },
  });
}

interface Tests {
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const passed = (stdout: string): readonly string[] => {
  const report = JSON.parse(stdout.slice(stdout.indexOf('{"num'))) as Tests;
  expect(report.numFailedTests).toBe(0);
  return report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'passed').map(({ fullName }) => fullName),
  );
};

describe('npm run new', () => {
  test('writes files that pass the linter, the compiler, their own tests and the laws', {
    timeout: 120_000,
  }, async () => {
    for (const { kind, name } of kinds) newAlgorithm(kind, name, copy);
    await check(
      kinds.flatMap(({ name, folder }) => [
        `packages/${folder}/src/${name}.ts`,
        `packages/${folder}/test/${name}.test.ts`,
      ]),
    );
    const names = passed(
      await runTests(
        kinds.map(({ name }) => name),
        'my[A-Z]|its definition|wrong with|reference implementation',
      ),
    );
    for (const camel of ['myEstimator', 'myLoss', 'myPreference', 'myReward']) {
      expect(names.filter((one) => one.includes(camel)).length, camel).toBeGreaterThan(3);
    }
  });

  test('docs/contributing-an-algorithm.md is right about every step', { timeout: 120_000 }, async () => {
    const guide = readFileSync(join(repository, 'docs/contributing-an-algorithm.md'), 'utf8');
    const [, kind = '', name = ''] = guide.match(/npm run new -- (\S+) (\S+)/) ?? [];
    newAlgorithm(kind, name, copy);
    const blocks = [...guide.matchAll(/^```ts (packages\/\S+)\n([\s\S]*?)^```$/gm)];
    expect(blocks.map(([, path]) => path)).toEqual([
      `packages/advantages/src/${name}.ts`,
      `packages/advantages/test/${name}.test.ts`,
    ]);
    for (const [, path = '', source = ''] of blocks) writeFileSync(join(copy, path), source);
    await check(blocks.map(([, path = '']) => path));
    const names = passed(await runTests([name], 'bnGspo|definition|specification|variance 1|wrong with'));
    expect(names.filter((one) => one.includes('bnGspo')).length).toBeGreaterThan(8);
    for (const own of ['is its definition', 'gives the numbers', 'has mean 0 and variance 1']) {
      expect(
        names.some((one) => one.startsWith(own)),
        own,
      ).toBe(true);
    }
  });

  test('keeps the list sorted, and leaves what is there alone', () => {
    const list = readFileSync(join(copy, 'packages/losses/src/algorithms.ts'), 'utf8');
    const lines = list.split('\n').filter((line) => line.startsWith('export'));
    expect(lines).toEqual([...lines].sort());
    expect(lines).toContain("export * from './my-loss.js';");
  });

  test('refuses what it cannot do, and says why', () => {
    const refusal = (kind: string, name: string): unknown => expect(() => newAlgorithm(kind, name, copy));
    const expectRefusal = refusal as (kind: string, name: string) => { toThrow(message: string): void };
    expectRefusal('kernel', 'x').toThrow(
      'new: the kind must be one of advantage, loss, preference, reward; got kernel',
    );
    expectRefusal('loss', 'MyLoss').toThrow('new: the name must be in kebab-case, like leave-one-out; got MyLoss');
    expectRefusal('loss', 'ppo-clip').toThrow('new: packages/losses/src/ppo-clip.ts exists already');
    mkdirSync(join(copy, 'packages/advantages/src'), { recursive: true });
    expectRefusal('advantage', 'gae').toThrow('new: packages/advantages/src/gae.ts exists already');
  });
});
