import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { familyOf, runDirectory } from '../src/index.ts';
import { directoryOf, mask, tensor } from './golden-directory.ts';

const folder = fileURLToPath(new URL('../../../../shared/goldens', import.meta.url));

/** Files of estimators over groups, and how many cases each records. */
const files: Readonly<Record<string, number>> = {
  'advantages.gpg': 14,
  'advantages.grpo': 14,
  'advantages.grpo-passk': 14,
  'advantages.grpo-vectorized': 16,
  'advantages.minillm': 3,
  'advantages.openrlhf': 6,
  'advantages.opo': 7,
  'advantages.prime-rloo': 3,
  'advantages.reinforce-plus-plus': 12,
  'advantages.reinforce-plus-plus-baseline': 7,
  'advantages.remax': 7,
  'advantages.rloo': 7,
  'advantages.rloo-vectorized': 7,
  'advantages.trl-grpo': 7,
  'advantages.trl-rloo': 5,
  'group-stats.verl': 7,
  'reweighting.pf-ppo': 3,
};

describe.skipIf(!existsSync(folder))(
  'golden files of estimators over groups (skipped without ../shared/goldens)',
  () => {
    test.each(Object.keys(files))('%s', async (family) => {
      expect(familyOf(`${family}.json`)?.file).toBe(family);
      const report = await runDirectory(folder, family);
      const own = report.files.filter(({ file }) => file === `${family}.json`);
      const cases = own.flatMap((file) => file.cases);
      const differing = cases.filter(({ status }) => status !== 'passed').map(({ name, status }) => ({ name, status }));
      const decided = family === 'advantages.reinforce-plus-plus' ? ['all_equal_g1.0'] : [];
      expect(differing).toEqual(decided.map((name) => ({ name, status: 'differs by decision' })));
      expect(cases).toHaveLength(files[family] as number);
    });
  },
);

// Cases that no golden file holds, by the definitions of the sources.

/** What becomes of one case of a family. */
async function judged(family: string, golden: object): Promise<unknown> {
  const directory = directoryOf({ [`${family}.more.json`]: [{ name: 'one', ...golden }] });
  const [result] = (await runDirectory(directory)).files.flatMap(({ cases }) => cases);
  return result?.status;
}
const none = Number.NaN;

test('TRL: rows that no function scores, and a row that is left alone', async () => {
  // Sums with weights 1 and 2: (1, NaN, 5, 4), whose deviation is sqrt(13/3), and (NaN, NaN, NaN, 2).
  const rewards = [
    [1, none],
    [none, none],
    [3, 1],
    [none, 2],
    [none, none],
    [none, none],
    [none, none],
    [none, 1],
  ];
  const deviation = Math.sqrt(13 / 3);
  const advantages = [1, none, 5, 4].map((r) => (Number.isNaN(r) ? 0 : (r - 10 / 3) / (deviation + 1e-4)));
  const golden = {
    inputs: { rewards_per_func: tensor(rewards), reward_weights: tensor([1, 2]) },
    params: { num_generations: 4, scale_rewards: 'group', multi_objective_aggregation: 'sum_then_normalize' },
    outputs: {
      advantages: tensor([...advantages, 0, 0, 0, 0]),
      rewards: tensor([1, none, 5, 4, none, none, none, 2]),
      std_rewards: tensor([...Array.from({ length: 4 }, () => deviation), none, none, none, none]),
      is_std_zero: mask([0, 0, 0, 0, 0, 0, 0, 0]),
    },
  };
  expect(await judged('advantages.trl-grpo', golden)).toBe('passed');
  const wrong = { ...golden, outputs: { ...golden.outputs, advantages: tensor([...advantages, 0, 0, 0, 1e-6]) } };
  expect(await judged('advantages.trl-grpo', wrong)).toBe('failed');
});

test('TRL: leave-one-out over scorable siblings, with clipping, KL and standardisation', async () => {
  // Clipped to (1, NaN, 2, -1), less 0.5 times a KL of (1, 1, 0, -2): (0.5, NaN, 2, 0).
  const old = [
    [1, 0, 9],
    [1, 0, 9],
    [0, 0, 9],
    [-1, -1, 9],
  ];
  const raw = [0.5 - 1, 2 - 0.25, -1.25];
  const mean = raw.reduce((a, b) => a + b) / 3;
  const deviation = Math.sqrt(raw.reduce((sum, a) => sum + (a - mean) ** 2, 0) / 2);
  const [first, third, fourth] = raw.map((a) => (a - mean) / (deviation + 1e-4)) as [number, number, number];
  const golden = {
    inputs: {
      rewards_per_func: tensor([[1], [none], [7], [-1]]),
      reward_weights: tensor([1]),
      old_per_token_logps: tensor(old),
      ref_per_token_logps: tensor(old.map(() => [0, 0, 0])),
      completion_mask: mask(old.map(() => [1, 1, 0])),
    },
    params: { num_generations: 4, beta: 0.5, reward_clip_range: [-1, 2], normalize_advantages: true },
    outputs: { advantages: tensor([first, 0, third, fourth]), rewards: tensor([0.5, none, 2, 0]) },
  };
  expect(await judged('advantages.trl-rloo', golden)).toBe('passed');
});

test('verl: returns end at holes, groups may be missing, labels may be digits', async () => {
  // Returns (1 + 0.5 * 2, 2, _, 4), whose mean is 8/3 and variance 4/3.
  const toGo = [2, 2, 0, 4];
  const advantages = toGo.map((R, t) => (t === 2 ? 0 : (R - 8 / 3) / Math.sqrt(4 / 3 + 1e-8)));
  const holes = {
    inputs: { token_level_rewards: tensor([[1, 2, 3, 4]]), response_mask: mask([[1, 1, 0, 1]]) },
    params: { gamma: 0.5 },
    outputs: { advantages: tensor([advantages]), returns: tensor([[2, 2, 99, 4]]) },
  };
  expect(await judged('advantages.reinforce-plus-plus', holes)).toBe('passed');
  const gaps = {
    function: 'group_mean_std',
    inputs: { scores: tensor([1, 3, 5]), group_index: mask([2, 2, 0]) },
    params: { eps: 1e-6 },
    outputs: { mean: tensor([0, 0, 2]), std: tensor([1, 1, Math.SQRT2]), count: tensor([1, 0, 2]) },
  };
  expect(await judged('group-stats.verl', gaps)).toBe('passed');
  const digits = {
    function: 'as_torch_index',
    inputs: { labels: { shape: [3], dtype: 'string', data: ['12', '3', '12'] } },
    outputs: { index: mask([12, 3, 12]) },
  };
  expect(await judged('group-stats.verl', digits)).toBe('passed');
});

test('verl: a group without tokens differs by decision', async () => {
  const inputs = {
    token_level_rewards: tensor([
      [1, 0],
      [0, 0],
    ]),
    response_mask: mask([
      [0, 0],
      [0, 0],
    ]),
    index: mask([0, 0]),
  };
  const nothing = tensor([
    [none, none],
    [none, none],
  ]);
  const golden = { inputs, outputs: { advantages: nothing, returns: nothing } };
  expect(await judged('advantages.opo', golden)).toBe('differs by decision');
});

test('OpenRLHF: centred without the deviation', async () => {
  // Rewards to go: outcome 1 and 3 at the end, less 0.5 times a KL of 2 on the first token of the first response.
  const golden = {
    inputs: {
      rewards: tensor([1, 3]),
      kl: tensor([
        [2, 0],
        [0, 7],
      ]),
      action_mask: mask([
        [1, 1],
        [1, 0],
      ]),
      values: tensor([
        [0, 0],
        [0, 0],
      ]),
    },
    params: { estimator: 'reinforce', n_samples_per_prompt: 1, gamma: 1, lambd: 1, kl_coef: 0.5, no_std_norm: true },
    outputs: {
      advantages: tensor([
        [0 - 4 / 3, 1 - 4 / 3],
        [3 - 4 / 3, 9],
      ]),
      returns: tensor([
        [0, 1],
        [3, 0],
      ]),
    },
  };
  expect(await judged('advantages.openrlhf', golden)).toBe('passed');
});
