import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { familyOf, runDirectory } from '../src/index.ts';
import { directoryOf, mask, tensor } from './golden-directory.ts';

const folder = fileURLToPath(new URL('../../../../shared/goldens', import.meta.url));

/** Files of BNPO and of both SPOs: how many cases each records, and which of them differ by decision. */
const files: readonly (readonly [file: string, cases: number, decided: readonly string[]])[] = [
  ['advantages.bnpo', 8, ['groups_of_one']],
  ['advantages.single-stream-spo', 9, []],
  ['advantages.spo-chain', 12, []],
  ['advantages.spo-group', 6, []],
  ['advantages.spo-tree', 17, []],
];

describe.skipIf(!existsSync(folder))(
  'golden files of BNPO and of both SPOs (skipped without ../shared/goldens)',
  () => {
    test.each(files)('%s', async (family, count, decided) => {
      expect(familyOf(`${family}.json`)?.file).toBe(family);
      const report = await runDirectory(folder, family);
      const cases = report.files.filter(({ file }) => file === `${family}.json`).flatMap((file) => file.cases);
      expect(cases).toHaveLength(count);
      const differing = cases
        .filter(({ status }) => status !== 'passed')
        .map(({ name, status, reason }) => ({ name, status, reason }));
      expect(differing).toEqual(
        decided.map((name) => expect.objectContaining({ name, status: 'differs by decision' })),
      );
    });
  },
);

// What the sources leave undefined, as they do: no published case records these.
test('decisions of BNPO and of single-stream SPO', async () => {
  const grouped = (name: string, rewards: readonly number[], index: readonly string[], outputs: object): object => ({
    name,
    inputs: {
      token_level_rewards: tensor(rewards.map((reward) => [reward])),
      eos_mask: mask(rewards.map(() => [1])),
      index: { shape: [index.length], dtype: 'string', data: index },
    },
    params: { min_value: 0, max_value: 1 },
    outputs,
  });
  const nan = tensor([1, 2, 3, 4].map(() => [Number.NaN]));
  const equal = { advantages: nan, returns: nan, alpha: tensor(Number.POSITIVE_INFINITY) };
  const one = {
    name: 'batch of one',
    function: 'fit: advantages and tracker update',
    inputs: {
      alpha: tensor([2]),
      beta: tensor([2]),
      token_level_rewards: tensor([[1]]),
      response_mask: mask([[1]]),
      rho: tensor([0.875]),
    },
    params: {},
    outputs: { advantages: tensor([[Number.NaN]]), alpha_after: tensor([2.75]) },
  };
  const directory = directoryOf({
    'advantages.bnpo.json': [
      grouped('single response', [1, 0, 1], ['a', 'a', 'b'], { advantages: tensor([[0.25], [-0.25], [1e6]]) }),
      grouped('equal rates', [1, 0, 0, 1], ['a', 'a', 'b', 'b'], equal),
      grouped('equal rates, wrong', [1, 0, 0, 1], ['a', 'a', 'b', 'b'], { group_means: tensor([0.5, 0.4]) }),
    ],
    'advantages.single-stream-spo.json': [one, { ...one, name: 'wrong', outputs: { alpha_after: tensor([2.7]) } }],
  });
  const { files: reports } = await runDirectory(directory);
  const results = reports.flatMap(({ cases }) => cases.map(({ name, status, decision }) => [name, decision ?? status]));
  expect(Object.fromEntries(results)).toEqual({
    'single response': 'no-rate-of-one-response',
    'equal rates': 'rates-that-do-not-differ',
    'equal rates, wrong': 'failed',
    'batch of one': 'batch-of-one',
    wrong: 'failed',
  });
});
