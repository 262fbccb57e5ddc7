import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Grid } from '@tsrl/core';
import { maxError } from '@tsrl/testing';
import { describe, expect, test } from 'vitest';
import { discountedReturns, gae, normalizeAdvantages, whiten } from '../src/index.ts';

interface Tensor {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}
interface Case {
  readonly name: string;
  readonly params: Readonly<Record<string, number | boolean | string>>;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** The comparison that the files suggest for float64. */
const published = { absolute: 1e-9, relative: 1e-8 };

const folder = fileURLToPath(new URL('../../../../shared/goldens/', import.meta.url));
const cases = (name: string): readonly Case[] =>
  (JSON.parse(readFileSync(`${folder}advantages.gae.${name}.json`, 'utf8')) as { cases: Case[] }).cases;

const grid = (tensors: Case['inputs'], name: string): Grid => {
  const { shape, data } = tensors[name] as Tensor;
  return { rows: shape[0] as number, columns: shape[1] as number, data: Float64Array.from(data, Number) };
};
const onesLike = (of: Grid): Grid => ({ ...of, data: of.data.map(() => 1) });

/** What the references leave at masked positions is theirs; compared is what counts. */
function expectWhere(mask: Grid, actual: Grid, expected: Grid): void {
  const select = (from: Grid): Float64Array => from.data.filter((_, i) => mask.data[i] === 1);
  expect(select(expected).length).toBeGreaterThan(0);
  expect(maxError(select(actual), select(expected), published)).toBeLessThanOrEqual(1);
}

describe.skipIf(!existsSync(folder))('published implementations (skipped without ../shared/goldens)', () => {
  test('verl: skipped holes, whitened', () => {
    for (const { inputs, params, outputs } of cases('verl')) {
      const mask = grid(inputs, 'response_mask');
      const { advantages, returns } = gae(
        { rewards: grid(inputs, 'token_level_rewards'), values: grid(inputs, 'values'), mask },
        { gamma: Number(params['gamma']), lambda: Number(params['lam']) },
      );
      expectWhere(mask, advantages, grid(outputs, 'raw_advantages'));
      expectWhere(mask, returns, grid(outputs, 'returns'));
      expectWhere(mask, whiten(advantages, mask), grid(outputs, 'advantages'));
    }
  });

  test('OpenRLHF: masked tokens are steps of value 0', () => {
    for (const { name, inputs, params, outputs } of cases('openrlhf')) {
      const mask = grid(inputs, 'action_mask');
      const rewards = grid(inputs, 'rewards');
      const gamma = Number(params['gamma']);
      if (name.startsWith('returns')) {
        expectWhere(mask, discountedReturns({ rewards, mask }, { gamma, masked: 'zero' }), grid(outputs, 'returns'));
        continue;
      }
      const values = grid(inputs, 'values');
      const result = gae({ rewards, values, mask }, { gamma, lambda: Number(params['lambd']), masked: 'zero' });
      expectWhere(mask, result.advantages, grid(outputs, 'advantages'));
      expectWhere(mask, result.returns, grid(outputs, 'returns'));
    }
  });

  test('HALOs: the same, whitened with the population variance', () => {
    for (const { inputs, params, outputs } of cases('halos')) {
      const mask = grid(inputs, 'masks');
      const rewards = grid(inputs, 'rewards');
      const gamma = Number(params['gamma']);
      const { advantages, returns } = gae(
        { rewards, values: grid(inputs, 'values'), mask },
        { gamma, lambda: Number(params['lam']), masked: 'zero' },
      );
      expectWhere(mask, whiten(advantages, mask, { variance: 'population' }), grid(outputs, 'advantages'));
      expectWhere(mask, returns, grid(outputs, 'returns'));
      expectWhere(
        mask,
        discountedReturns({ rewards, mask }, { gamma, masked: 'zero' }),
        grid(outputs, 'discounted_future_rewards'),
      );
    }
  });

  test('Segment-SPO: whitened or grayed', () => {
    for (const { name, inputs, params, outputs } of cases('spo')) {
      const mask = grid(inputs, 'mask');
      const rewards = grid(inputs, 'rewards');
      const gamma = Number(params['gamma']);
      const { advantages } = gae(
        { rewards, values: grid(inputs, 'values'), mask },
        { gamma, lambda: Number(params['lam']), masked: 'zero' },
      );
      const scaled = () => normalizeAdvantages({ advantages, weights: mask }, { variance: 'sample' }).advantages;
      const actual = name === 'whiten' ? whiten(advantages, mask) : name === 'gray' ? scaled() : advantages;
      expectWhere(mask, actual, grid(outputs, 'advantages'));
      expectWhere(
        mask,
        discountedReturns({ rewards, mask }, { gamma, masked: 'zero' }),
        grid(outputs, 'rewards_to_go'),
      );
    }
  });

  test('TRL PPO: no mask in the recursion, whitened over the tokens of the policy', () => {
    for (const { inputs, params, outputs } of cases('trl-ppo')) {
      const rewards = grid(outputs, 'rewards');
      const padding = grid(outputs, 'padding_mask');
      const mask = { ...padding, data: padding.data.map((p) => 1 - p) };
      const { advantages, returns } = gae(
        { rewards, values: grid(outputs, 'masked_values'), mask: onesLike(rewards) },
        { gamma: Number(params['gamma']), lambda: Number(params['lam']) },
      );
      expect(inputs['scores']).toBeDefined();
      expectWhere(mask, whiten(advantages, mask), grid(outputs, 'advantages'));
      expectWhere(onesLike(rewards), returns, grid(outputs, 'returns'));
    }
  });
});
