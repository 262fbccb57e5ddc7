import { exponentialAverage, type Grid, gridOf, isTsrlError, zeros } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AdvantageResult,
  bnpo,
  drGrpo,
  type GrpoOptions,
  gae,
  gdpo,
  gpg,
  groupMoments,
  grpo,
  litePpo,
  opo,
  passK,
  passKTop1,
  placeOutcome,
  primeRloo,
  type Rewards,
  reinforce,
  reinforcePlusPlus,
  reinforcePlusPlusBaseline,
  remax,
  rloo,
  spread,
} from '../src/index.ts';

const tight = { absolute: 1e-11, relative: 1e-11 };

/** A row of a batch: 64ths, so that a group has no variance or a fair one, and sometimes no reward. */
const rowOf = (reward: fc.Arbitrary<number>) =>
  fc.record({
    reward: fc.option(reward, { freq: 7 }),
    group: fc.constantFrom<number | string>('a', 'b', 7),
    tokens: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    noise: fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 5, maxLength: 5 }),
  });
interface Batch {
  readonly rewards: (number | null)[];
  readonly groups: (number | string)[];
  readonly mask: Grid;
  readonly noise: Grid;
}
const batchOf = (reward: fc.Arbitrary<number>): fc.Arbitrary<Batch> =>
  fc.array(rowOf(reward), { minLength: 1, maxLength: 12 }).map((rows) => ({
    rewards: rows.map((row) => row.reward),
    groups: rows.map((row) => row.group),
    mask: gridOf(rows.map((row) => row.tokens.map(Number))),
    noise: gridOf(rows.map((row) => row.noise.map((n) => n / 64))),
  }));
const batches = batchOf(fc.integer({ min: -128, max: 128 }).map((n) => n / 64));
const binaryBatches = batchOf(fc.constantFrom(0, 1));
const kinds = fc.constantFrom<'sample' | 'population'>('sample', 'population');
const singletons = fc.constantFrom<'zero' | 'raw'>('zero', 'raw');

// The oracle: definitions over plain lists.
const total = (x: readonly number[]): number => x.reduce((sum, v) => sum + v, 0);
const mean = (x: readonly number[]): number => total(x) / x.length;
const variance = (x: readonly number[], kind: 'sample' | 'population' = 'sample'): number => {
  if (x.length < 2) return 0;
  return total(x.map((v) => (v - mean(x)) ** 2)) / (x.length - (kind === 'sample' ? 1 : 0));
};
const present = (rewards: Rewards): number[] => Array.from(rewards).filter((r) => r !== null);
/** f(reward, rewards of its group, own row) of every row that has a reward, 0 for the others. */
const eachOf = ({ rewards, groups }: Batch, f: (r: number, all: number[], row: number) => number): number[] =>
  rewards.map((r, i) => (r === null ? 0 : f(r, present(rewards.filter((_, j) => groups[j] === groups[i])), i)));
const alone = (group: readonly number[]): boolean => group.length === 1;
const rowsOf = ({ rows, columns, data }: Grid): number[][] =>
  Array.from({ length: rows }, (_, i) => [...data.slice(i * columns, (i + 1) * columns)]);
const lengthsOf = (mask: Grid): number[] => rowsOf(mask).map(total);

function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, within = tight): void {
  expect(maxError(got, expected, within)).toBeLessThanOrEqual(1);
}
const list = ({ advantages }: AdvantageResult<Float64Array>): number[] => [...advantages];

describe('groupMoments', () => {
  test('is the mean and the variance of the rewards that there are', () => {
    forAll([batches, kinds], (batch, kind) => {
      const { ids, index, counts, means, variances } = groupMoments(batch.rewards, batch.groups, { variance: kind });
      expect(ids).toEqual([...new Set(batch.groups)]);
      expect(Array.from(index, (group) => ids[group])).toEqual(batch.groups);
      ids.forEach((id, group) => {
        const own = present(batch.rewards.filter((_, row) => batch.groups[row] === id));
        expect(counts[group]).toBe(own.length);
        expectClose([means[group] as number], [own.length === 0 ? 0 : mean(own)]);
        expectClose([variances[group] as number], [variance(own, kind)]);
      });
    });
  });

  test('tells 1 from "1", and is exact where all are equal', () => {
    const { ids, means, variances } = groupMoments([0.1, 0.1, 0.1, 0.7], [1, 1, 1, '1']);
    expect([ids, [...means], [...variances]]).toEqual([
      [1, '1'],
      [0.1, 0.7],
      [0, 0],
    ]);
  });
});

describe('grpo', () => {
  const scales = fc.constantFrom<NonNullable<GrpoOptions['scale']>>('group', 'batch', 'centered-batch', 'none');

  test('is its definition with every option', () => {
    forAll(
      [batches, scales, kinds, singletons, fc.constantFrom(0, 1e-6, 0.1), fc.constantFrom(0, 0.5)],
      (batch, scale, kind, singleton, epsilon, minVariance) => {
        const raw = singleton === 'raw';
        const centered = eachOf(batch, (r, all) => (alone(all) ? (raw ? r : 0) : r - mean(all)));
        const own = eachOf(batch, (_, all) => (alone(all) ? Number(raw) : variance(all, kind)));
        const whole = {
          batch: variance(present(batch.rewards), kind),
          'centered-batch': variance(
            centered.filter((_, i) => batch.rewards[i] !== null),
            kind,
          ),
        };
        const expected = centered.map((c, i) => {
          if (scale === 'none') return c;
          const by = scale === 'group' ? (own[i] as number) : whole[scale];
          return by <= 1e-12 ? 0 : c / (Math.sqrt(Math.max(by, minVariance)) + epsilon);
        });
        expectClose(grpo(batch, { scale, variance: kind, singleton, epsilon, minVariance }).advantages, expected);
      },
    );
  });

  test('gives the numbers of the specification', () => {
    const inputs = { rewards: [1, 0, 0, 1], groups: [0, 0, 0, 0] };
    const signs = [1, -1, -1, 1];
    const within = { absolute: 1e-10, relative: 0 };
    const times = (a: number): number[] => signs.map((sign) => sign * a);
    expectClose(grpo(inputs).advantages, times(0.8660239038), within);
    expectClose(grpo(inputs, { epsilon: 1e-4 }).advantages, times(0.8658754298), within);
    expectClose(grpo(inputs, { epsilon: 0, variance: 'population' }).advantages, signs, within);
    expectClose(rloo(inputs).advantages, times(2 / 3), within);
    const odd = { rewards: [1, 1, 1, 0], groups: [0, 0, 0, 0] };
    expectClose(grpo(odd).advantages, [0.499999, 0.499999, 0.499999, -1.499997], { absolute: 1e-11, relative: 0 });
  });

  test('of successes and failures depends on their share only', () => {
    forAll([fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })], (right, wrong) => {
      const G = right + wrong;
      const p = right / G;
      const rewards = Array.from({ length: G }, (_, i) => Number(i < right));
      const inputs = { rewards, groups: rewards.map(() => 'x') };
      const population = rewards.map((r) => (r === 1 ? Math.sqrt((1 - p) / p) : -Math.sqrt(p / (1 - p))));
      expectClose(grpo(inputs, { epsilon: 0, variance: 'population' }).advantages, population);
      const bessel = Math.sqrt((G - 1) / G);
      expectClose(
        grpo(inputs, { epsilon: 0 }).advantages,
        population.map((a) => a * bessel),
      );
    });
  });

  test('has sample variance 1 in every group that has any', () => {
    forAll([batches], (batch) => {
      const advantages = grpo(batch, { epsilon: 0 }).advantages;
      eachOf(batch, (_, all, row) => {
        if (variance(all) === 0) return 0;
        const own = present(
          batch.rewards.map((r, i) =>
            r === null || batch.groups[i] !== batch.groups[row] ? null : (advantages[i] as number),
          ),
        );
        expectClose([mean(own), variance(own)], [0, 1]);
        return 0;
      });
    });
  });
});

describe('relatives of GRPO', () => {
  test('drGrpo is (G − 1)/G of rloo', () => {
    forAll([batches], (batch) => {
      const { advantages } = rloo(batch);
      const scaled = eachOf(batch, (_, all, row) => ((all.length - 1) / all.length) * (advantages[row] as number));
      expectClose(drGrpo(batch).advantages, scaled);
    });
  });

  test('drGrpo is GAE with gamma and lambda 1 and the mean of the group as value', () => {
    forAll([batches], ({ rewards: given, groups, mask }) => {
      const rewards = given.map((r) => r ?? 0);
      const batch = { rewards, groups, mask, noise: mask };
      const means = eachOf(batch, (_, all) => mean(all));
      const values = spread(means, mask);
      const { advantages } = gae({ rewards: placeOutcome(rewards, mask), values, mask }, { gamma: 1, lambda: 1 });
      expectClose(spread(drGrpo(batch).advantages, mask).data, advantages.data);
    });
  });

  test('litePpo gives the numbers of the specification', () => {
    const inputs = { rewards: [1, 0, 0, 0, 1, 1, 1, 0], groups: [0, 0, 0, 0, 1, 1, 1, 1] };
    const [low, high] = [0.467706, 1.403119];
    const expected = [high, -low, -low, -low, low, low, low, -high];
    expectClose(litePpo(inputs).advantages, expected, { absolute: 1e-6, relative: 0 });
  });

  test('litePpo of one group is grpo', () => {
    forAll([batches, kinds], ({ rewards }, kind) => {
      const inputs = { rewards, groups: rewards.map(() => 0) };
      const expected = grpo(inputs, { variance: kind }).advantages;
      for (const deviation of ['rewards', 'centered'] as const) {
        expectClose(litePpo(inputs, { deviation, variance: kind }).advantages, expected);
      }
    });
  });

  test('litePpo divides by the deviation of all rewards, or of the centred ones', () => {
    forAll([batches, singletons], (batch, singleton) => {
      expect(litePpo(batch, { singleton })).toEqual(grpo(batch, { scale: 'batch', singleton }));
      expect(litePpo(batch, { singleton, deviation: 'centered' })).toEqual(
        grpo(batch, { scale: 'centered-batch', singleton }),
      );
    });
  });

  test('gdpo gives the numbers of the specification', () => {
    const components = [
      [1, 0, 0, 1],
      [0, 0, 1, 1],
    ];
    const { advantages } = gdpo({ components, groups: [0, 0, 0, 0] });
    expectClose(advantages, [0, -1.224745, 0, 1.224745], { absolute: 3e-6, relative: 0 });
  });

  test('gdpo is its definition', () => {
    const weights = [1.5, -0.25];
    forAll([batches, fc.infiniteStream(fc.integer({ min: -64, max: 64 }))], (batch, stream) => {
      const other = batch.rewards.map((_, i) => (i % 5 === 3 ? null : (stream.next().value as number) / 64));
      const normalized = [batch.rewards, other].map((rewards) =>
        eachOf({ ...batch, rewards }, (r, all) =>
          variance(all) === 0 ? 0 : (r - mean(all)) / (Math.sqrt(variance(all)) + 1e-6),
        ),
      );
      const combined = batch.rewards.map((r, i) =>
        r === null && other[i] === null
          ? null
          : total(normalized.map((z, k) => (weights[k] as number) * (z[i] as number))),
      );
      const scored = present(combined);
      const spreadOf = variance(scored);
      const result = gdpo({ components: [batch.rewards, other], groups: batch.groups }, { weights });
      const expected = combined.map((s) =>
        s === null || spreadOf <= 1e-12 ? 0 : (s - mean(scored)) / (Math.sqrt(spreadOf) + 1e-6),
      );
      expect(result.combined.map((s) => s === null)).toEqual(combined.map((s) => s === null));
      expectClose(result.combined.map(Number), combined.map(Number));
      expectClose(result.advantages, expected, { absolute: 1e-9, relative: 1e-9 });
    });
  });

  test('gdpo of one reward is grpo, standardised once more', () => {
    const inputs = { rewards: [1, 0, 0, 2, 5, 3], groups: [0, 0, 0, 1, 1, 1] };
    const once = grpo(inputs, { epsilon: 0 });
    const expected = list(once).map((a) => a / Math.sqrt(variance(list(once))));
    const { advantages } = gdpo({ components: [inputs.rewards], groups: inputs.groups }, { epsilon: 0 });
    expectClose(advantages, expected);
  });
});

describe('bnpo', () => {
  const shaped = (alpha: number): object => ({ normalizer: { alpha, beta: alpha }, maxWeight: 1e12 });

  test('with alpha and beta 3/2 is grpo with the population deviation, times π/8', () => {
    forAll([binaryBatches], (batch) => {
      const { advantages } = grpo(batch, { variance: 'population', epsilon: 0 });
      expectClose(
        bnpo(batch, shaped(1.5)).advantages,
        advantages.map((a) => (Math.PI / 8) * a),
      );
    });
  });

  test('with alpha and beta 1 is drGrpo', () => {
    forAll([binaryBatches], (batch) => {
      expectClose(bnpo(batch, shaped(1)).advantages, drGrpo(batch).advantages);
    });
  });
});

describe('rloo', () => {
  test('takes the mean of the others', () => {
    forAll([batches, singletons], (batch, singleton) => {
      const expected = eachOf(batch, (r, all) => {
        if (alone(all)) return singleton === 'raw' ? r : 0;
        return r - (total(all) - r) / (all.length - 1);
      });
      expectClose(rloo(batch, { singleton }).advantages, expected);
    });
    expect(list(rloo({ rewards: [3, 1], groups: [0, 0] }))).toEqual([2, -2]);
  });

  /** Expected REINFORCE gradient of a policy sigmoid(z) over two actions, by enumeration of all groups of G. */
  const expectedGradient = (
    z: number,
    pays: readonly [number, number],
    G: number,
    advantage: typeof drGrpo,
  ): number => {
    const p = 1 / (1 + Math.exp(-z));
    let gradient = 0;
    for (let code = 0; code < 2 ** G; code++) {
      const actions = Array.from({ length: G }, (_, i) => (code >> i) & 1);
      const chance = actions.reduce((product, a) => product * (a === 1 ? p : 1 - p), 1);
      const rewards = actions.map((a) => pays[a] as number);
      const { advantages } = advantage({ rewards, groups: rewards.map(() => 0) });
      gradient += (chance * total(actions.map((a, i) => (a - p) * (advantages[i] as number)))) / G;
    }
    return gradient;
  };
  const exact = (z: number, [r0, r1]: readonly [number, number]): number => {
    const p = 1 / (1 + Math.exp(-z));
    return p * (1 - p) * (r1 - r0);
  };

  test('is unbiased; drGrpo is short by the factor (G − 1)/G', () => {
    const pays = fc.tuple(fc.double({ min: -3, max: 3, noNaN: true }), fc.double({ min: -3, max: 3, noNaN: true }));
    forAll([fc.double({ min: -3, max: 3, noNaN: true }), pays, fc.integer({ min: 2, max: 5 })], (z, earned, G) => {
      expectClose([expectedGradient(z, earned, G, rloo)], [exact(z, earned)]);
      expectClose([expectedGradient(z, earned, G, drGrpo)], [((G - 1) / G) * exact(z, earned)]);
    });
  });
});

describe('reinforce', () => {
  test('subtracts a constant, the mean, or the mean of the others', () => {
    forAll([batches, fc.double({ min: -2, max: 2, noNaN: true })], ({ rewards }, b) => {
      const all = present(rewards);
      const expected = (baseline: (r: number) => number): number[] =>
        rewards.map((r) => (r === null ? 0 : r - baseline(r)));
      expect(list(reinforce({ rewards }))).toEqual(expected(() => 0));
      expectClose(
        reinforce({ rewards }, { baseline: b }).advantages,
        expected(() => b),
      );
      const ofMean = reinforce({ rewards }, { baseline: 'mean' });
      expectClose(
        ofMean.advantages,
        expected(() => mean(all)),
      );
      const others = reinforce({ rewards }, { baseline: 'leave-one-out' }).advantages;
      expectClose(
        others,
        expected((r) => (alone(all) ? r : (total(all) - r) / (all.length - 1))),
      );
      expectClose(
        ofMean.advantages,
        others.map((a) => ((all.length - 1) / Math.max(1, all.length)) * a),
      );
    });
  });

  test('against the others is rloo with the batch as the only group', () => {
    forAll([batches], ({ rewards }) => {
      const expected = rloo({ rewards, groups: rewards.map(() => 0) }).advantages;
      expectClose(reinforce({ rewards }, { baseline: 'leave-one-out' }).advantages, expected);
    });
  });

  test('takes a moving baseline from a tracker over the batches before', () => {
    const { initial, update } = exponentialAverage(0.5);
    const state = update(update(initial, 1), 3); // 1, then (1 + 3)/2
    expect(list(reinforce({ rewards: [2, 5] }, { baseline: state ?? 0 }))).toEqual([0, 3]);
  });

  test('says which baseline it took', () => {
    expect(reinforce({ rewards: [1, null, 2] }, { baseline: 'mean' }).metrics).toEqual({
      baseline: 1.5,
      missingRewards: 1,
    });
  });
});

describe('remax', () => {
  test('is the reward to go above that of the greedy response', () => {
    forAll([batches, fc.infiniteStream(fc.integer({ min: -64, max: 64 }))], ({ mask, noise }, stream) => {
      const baselines = lengthsOf(mask).map(() => (stream.next().value as number) / 64);
      const { advantages, returns } = remax({ rewards: noise, baselines, mask });
      const kept = rowsOf(mask);
      const toGo = rowsOf(noise).map((row, i) =>
        row.map((_, t) => (kept[i]?.[t] === 1 ? total(row.filter((_, s) => s >= t && kept[i]?.[s] === 1)) : 0)),
      );
      expectClose(returns.data, toGo.flat());
      const above = toGo.map((row, i) => row.map((R, t) => (kept[i]?.[t] === 1 ? R - (baselines[i] as number) : 0)));
      expectClose(advantages.data, above.flat());
    });
  });

  test('is 0 for a response as good as the greedy one', () => {
    const mask = gridOf([[1, 1, 0]]);
    const { advantages, metrics } = remax({ rewards: placeOutcome([0.7], mask), baselines: [0.7], mask });
    expect([[...advantages.data], metrics]).toEqual([[0, 0, 0], { baseline: 0.7, emptyRows: 0 }]);
  });
});

describe('reinforcePlusPlus', () => {
  const maskings = fc.constantFrom<'skip' | 'zero' | 'reset'>('skip', 'zero', 'reset');

  test('whitens rewards to go over all tokens', () => {
    forAll([batches, maskings, kinds, fc.constantFrom(1, 0.9, 0)], ({ mask, noise }, masked, kind, gamma) => {
      const kept = rowsOf(mask);
      const toGo = rowsOf(noise).map((row, i) =>
        row.map((_, t) => {
          if (kept[i]?.[t] !== 1) return 0;
          let sum = 0;
          let discount = 1;
          for (let s = t; s < row.length; s++) {
            const valid = kept[i]?.[s] === 1;
            if (!valid && masked === 'reset') break;
            if (valid) sum += discount * (row[s] as number);
            if (valid || masked === 'zero') discount *= gamma;
          }
          return sum;
        }),
      );
      const counted = toGo.flat().filter((_, i) => mask.data[i] === 1);
      const squared = variance(counted, kind);
      const expected = toGo
        .flat()
        .map((R, i) => (mask.data[i] === 1 && squared > 1e-12 ? (R - mean(counted)) / Math.sqrt(squared + 1e-8) : 0));
      const result = reinforcePlusPlus({ rewards: noise, mask }, { gamma, masked, variance: kind });
      expectClose(result.returns.data, toGo.flat());
      expectClose(result.advantages.data, expected);
      expect(result.metrics['whitened']).toBe(squared > 1e-12 ? 1 : 0);
    });
  });
});

describe('reinforcePlusPlusBaseline', () => {
  test('whitens what is above the group, over tokens or over responses', () => {
    forAll([batches, kinds, singletons, fc.boolean()], (batch, kind, singleton, byToken) => {
      const centered = eachOf(batch, (r, all) => (alone(all) ? (singleton === 'raw' ? r : 0) : r - mean(all)));
      const lengths = lengthsOf(batch.mask);
      const copies = lengths.map((n, i) => (batch.rewards[i] === null ? 0 : byToken ? n : Math.min(1, n)));
      const population = centered.flatMap((c, i) => Array.from({ length: copies[i] as number }, () => c));
      const squared = variance(population, kind);
      const expected = centered.map((c, i) =>
        copies[i] === 0 || squared <= 1e-12 ? 0 : (c - mean(population)) / Math.sqrt(squared + 1e-8),
      );
      const options = { variance: kind, singleton, unit: byToken ? 'tokens' : 'responses' } as const;
      expectClose(reinforcePlusPlusBaseline(batch, options).advantages, expected);
    });
  });

  test('gives the numbers of the specification', () => {
    const mask = gridOf([
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 0],
    ]);
    const inputs = { rewards: [1, 0, 1, 1], groups: [0, 0, 1, 1], mask };
    const { advantages } = reinforcePlusPlusBaseline(inputs, { unit: 'responses' });
    expectClose(advantages, [1.2247448346, -1.2247448346, 0, 0], { absolute: 1e-7, relative: 0 });
  });

  test('of one group of equal lengths is grpo', () => {
    const inputs = { rewards: [3, 1, 2, -1], groups: [0, 0, 0, 0], mask: gridOf([[1], [1], [1], [1]]) };
    for (const unit of ['tokens', 'responses'] as const) {
      const { advantages } = reinforcePlusPlusBaseline(inputs, { unit, epsilon: 0 });
      expectClose(advantages, grpo(inputs, { epsilon: 0 }).advantages);
    }
  });
});

describe('opo', () => {
  test('weighs the baseline by length', () => {
    forAll([batches, singletons], (batch, singleton) => {
      const lengths = lengthsOf(batch.mask);
      const expected = eachOf(batch, (r, all, row) => {
        if (alone(all)) return singleton === 'raw' ? r : 0;
        const own = batch.rewards
          .map((_, i) => i)
          .filter((i) => batch.groups[i] === batch.groups[row] && batch.rewards[i] !== null);
        const n = total(own.map((i) => lengths[i] as number));
        const weighted = total(own.map((i) => (lengths[i] as number) * (batch.rewards[i] as number)));
        const b = n === 0 ? mean(all) : weighted / n;
        expect(b).toBeGreaterThanOrEqual(Math.min(...all) - 1e-12);
        expect(b).toBeLessThanOrEqual(Math.max(...all) + 1e-12);
        return r - b;
      });
      expectClose(opo(batch, { singleton }).advantages, expected);
    });
  });

  test('gives the numbers of the specification', () => {
    const ofLengths = (lengths: readonly number[], columns: number): Grid => {
      return gridOf(lengths.map((n) => Array.from({ length: columns }, (_, t) => Number(t < n))));
    };
    const four = { rewards: [1, 0, 1, 0], groups: [0, 0, 0, 0], mask: ofLengths([10, 20, 30, 40], 40) };
    expectClose(opo(four).advantages, [0.6, -0.4, 0.6, -0.4]);
    const three = { rewards: [1, 0, 0], groups: [0, 0, 0], mask: ofLengths([2, 4, 4], 4) };
    expectClose(opo(three).advantages, [0.8, -0.2, -0.2]);
  });

  test('of equal lengths, and without any token, is drGrpo', () => {
    forAll([batches, fc.constantFrom(0, 1)], ({ rewards, groups }, m) => {
      const mask = gridOf(rewards.map(() => [m, m]));
      const { advantages, metrics } = opo({ rewards, groups, mask });
      expectClose(advantages, drGrpo({ rewards, groups }).advantages);
      if (m === 0) expect(metrics['emptyGroups']).toBe(metrics['groups']);
    });
  });
});

describe('gpg', () => {
  test('is its definition with every option', () => {
    const normalizers = fc.constantFrom<number | 'group'>(1, 2, 'group');
    const alphas = fc.constantFrom<'unequal-groups' | 'nonzero-rewards' | 'none'>(
      'unequal-groups',
      'nonzero-rewards',
      'none',
    );
    forAll([batches, normalizers, alphas, singletons], (batch, normalizer, kind, singleton) => {
      const own = [...new Set(batch.groups)]
        .map((id) => present(batch.rewards.filter((_, i) => batch.groups[i] === id)))
        .filter((group) => group.length > 0);
      const unequal = own.filter((group) => new Set(group).size > 1).length;
      const rewards = present(batch.rewards);
      const alpha = {
        'unequal-groups': unequal === 0 ? 0 : own.length / unequal,
        'nonzero-rewards': rewards.length / Math.max(1, rewards.filter((r) => r !== 0).length),
        none: 1,
      }[kind];
      const expected = eachOf(batch, (r, all) => {
        if (alone(all))
          return singleton === 'zero' ? 0 : (alpha * r) / (normalizer === 'group' ? 1 + 1e-6 : normalizer);
        const by = normalizer === 'group' ? Math.sqrt(variance(all)) + 1e-6 : normalizer;
        return (alpha * (r - mean(all))) / by;
      });
      const result = gpg(batch, { normalizer, alpha: kind, singleton });
      expectClose(result.advantages, expected);
      expectClose([result.metrics['alpha'] as number], [alpha]);
    });
  });

  test('makes up for groups that teach nothing', () => {
    const result = gpg({ rewards: [1, 0, 1, 1, 0, 0], groups: [0, 0, 1, 1, 2, 2] });
    expect(list(result)).toEqual([1.5, -1.5, 0, 0, 0, 0]);
    expect(result.metrics).toEqual({ groups: 3, singletonGroups: 0, equalGroups: 2, missingRewards: 0, alpha: 3 });
    expect(list(gpg({ rewards: [1, 1], groups: [0, 0] }))).toEqual([0, 0]);
  });
});

describe('passK', () => {
  const group = (right: number, wrong: number): { rewards: number[]; groups: number[] } => {
    const rewards = Array.from({ length: right + wrong }, (_, i) => Number(i < right));
    return { rewards, groups: rewards.map(() => 0) };
  };
  /** All subsets of k of the first n numbers. */
  const subsets = (n: number, k: number): number[][] => {
    if (k === 0) return [[]];
    if (n < k) return [];
    return [...subsets(n - 1, k), ...subsets(n - 1, k - 1).map((subset) => [...subset, n - 1])];
  };

  test('is the mean of the standardised maxima of all subsets of k', () => {
    const counts = fc.integer({ min: 0, max: 6 });
    forAll([counts, counts, fc.integer({ min: 1, max: 7 })], (right, wrong, k) => {
      fc.pre(right + wrong > 0);
      const inputs = group(right, wrong);
      const all = subsets(right + wrong, k);
      const maxima = all.map((subset) => Math.max(...subset.map((i) => inputs.rewards[i] as number)));
      const deviation = Math.sqrt(all.length === 0 ? 0 : variance(maxima, 'population'));
      const expected = inputs.rewards.map((_, i) => {
        const mine = maxima.filter((_, s) => all[s]?.includes(i));
        return deviation < 1e-9 || mine.length === 0 ? 0 : mean(mine.map((m) => (m - mean(maxima)) / deviation));
      });
      const { advantages, metrics } = passK(inputs, { k });
      expectClose(advantages, expected);
      expect(metrics['smallGroups']).toBe(right + wrong < k ? 1 : 0);
    });
  });

  test('with k = 1 is grpo with the population variance', () => {
    forAll([binaryBatches], (batch) => {
      expectClose(passK(batch, { k: 1 }).advantages, grpo(batch, { variance: 'population', epsilon: 0 }).advantages);
    });
  });

  test.each([
    [1, 7, 1, 2.6457513111, -0.377964473],
    [1, 7, 4, 1, -0.1428571429],
    [2, 6, 4, 0.5222329679, -0.174077656],
  ])('of %i right and %i wrong with k = %i gives the numbers of the specification', (right, wrong, k, plus, minus) => {
    const advantages = list(passK(group(right, wrong), { k }));
    const expected = advantages.map((_, i) => (i < right ? plus : minus));
    expectClose(advantages, expected, { absolute: 1e-10, relative: 0 });
  });
});

test('passK: the time of a large group is not its size times k', () => {
  // Response by response it would take minutes, beyond the time limit of a test.
  const rewards = Array.from({ length: 400_000 }, (_, i) => (i === 7 ? 1 : 0));
  const { advantages } = passK({ rewards, groups: rewards.map(() => 0) }, { k: 200_000 });
  // Every other subset of k holds the one success.
  expect(advantages[7]).toBeGreaterThan(0);
  expect(advantages.reduce((mean, a) => mean + a / rewards.length, 0)).toBeCloseTo(0, 9);
});

describe('passKTop1', () => {
  test('gives the best its lead', () => {
    forAll([batches, singletons, fc.boolean()], (batch, singleton, scaled) => {
      const expected = eachOf(batch, (r, all) => {
        if (alone(all)) return singleton === 'zero' ? 0 : scaled ? r / (1 + 1e-6) : r;
        const [first, second] = all.toSorted((a, b) => b - a) as [number, number];
        if (r !== first) return 0;
        return scaled && first !== second ? (first - second) / (Math.sqrt(variance(all)) + 1e-6) : first - second;
      });
      expectClose(passKTop1(batch, { singleton, scale: scaled ? 'group' : 'none' }).advantages, expected);
    });
  });

  test('gives nothing where two are best', () => {
    expect(list(passKTop1({ rewards: [1, 0, 1], groups: [0, 0, 0] }))).toEqual([0, 0, 0]);
  });
});

describe('primeRloo', () => {
  test('is its definition', () => {
    forAll([batches], ({ rewards: given, groups, mask, noise }) => {
      const rewards = given.map((r) => r ?? 0);
      const kept = rowsOf(mask);
      const valid = (row: number): number[] => (rowsOf(noise)[row] as number[]).filter((_, t) => kept[row]?.[t] === 1);
      const sums = rewards.map((r, i) => {
        const others = rewards.map((_, j) => j).filter((j) => groups[j] === groups[i]);
        const G = others.length;
        const pbar = total(others.map((j) => (valid(j).length === 0 ? 0 : mean(valid(j)))));
        const last = kept[i]?.lastIndexOf(1);
        return (rowsOf(noise)[i] as number[]).map((p, t) => {
          if (kept[i]?.[t] !== 1 || G === 1) return 0;
          const outcome = t === last ? (G * r - total(others.map((j) => rewards[j] as number))) / (G - 1) : 0;
          return (2 * (G * p - pbar)) / (G - 1) + 3 * outcome;
        });
      });
      const toGo = sums.map((row, i) => row.map((_, t) => (kept[i]?.[t] === 1 ? total(row.slice(t)) : 0)));
      const counted = toGo.flat().filter((_, i) => mask.data[i] === 1);
      const squared = variance(counted);
      const { advantages, returns } = primeRloo(
        { processRewards: noise, rewards, groups, mask },
        { processWeight: 2, outcomeWeight: 3 },
      );
      expectClose(returns.data, toGo.flat());
      const expected = toGo
        .flat()
        .map((R, i) => (mask.data[i] === 1 && squared > 1e-12 ? (R - mean(counted)) / Math.sqrt(squared + 1e-8) : 0));
      expectClose(advantages.data, expected, { absolute: 1e-9, relative: 1e-9 });
    });
  });
});

describe('degenerate groups', () => {
  const inputs = {
    rewards: [0.3, 0.3, 0.3, 0.9, null, 1, null, 0],
    groups: ['equal', 'equal', 'equal', 'one', 'none', 'mixed', 'mixed', 'mixed'],
  };
  const expected = { groups: 4, singletonGroups: 1, equalGroups: 1, missingRewards: 2 };
  const mask = gridOf(inputs.rewards.map(() => [1, 1]));

  test.each([
    ['grpo', () => grpo(inputs)],
    ['drGrpo', () => drGrpo(inputs)],
    ['litePpo', () => litePpo(inputs)],
    ['rloo', () => rloo(inputs)],
    ['gpg', () => gpg(inputs)],
    ['opo', () => opo({ ...inputs, mask })],
    ['passKTop1', () => passKTop1(inputs)],
    ['reinforcePlusPlusBaseline', () => reinforcePlusPlusBaseline({ ...inputs, mask })],
  ] as const)('%s gives 0 and counts them', (_, run) => {
    const { advantages, metrics } = run();
    expect(metrics).toMatchObject(expected);
    expect(Array.from(advantages.slice(0, 5), Math.abs)).toEqual([0, 0, 0, 0, 0]);
    expect(Math.abs(advantages[6] as number)).toBe(0);
    expect(advantages[5]).toBeGreaterThan(0);
  });

  test('a batch without a single reward is 0', () => {
    const nothing = { rewards: [null, null], groups: [0, 1] };
    expect(grpo(nothing)).toEqual({
      advantages: new Float64Array(2),
      metrics: { groups: 2, singletonGroups: 0, equalGroups: 0, missingRewards: 2 },
    });
    for (const run of [litePpo, rloo, gpg, passKTop1]) expect(list(run(nothing)).map(Math.abs)).toEqual([0, 0]);
    expect(list(reinforce(nothing, { baseline: 'leave-one-out' }))).toEqual([0, 0]);
  });
});

describe('bad input is named', () => {
  const inputs = { rewards: [1, 0], groups: [0, 0] };
  const mask = gridOf([[1], [1]]);
  const one = { rewards: [1], groups: ['p3'] };
  const cast = <T>(value: unknown): T => value as T;
  const cases: readonly (readonly [string, () => unknown])[] = [
    ['grpo: rewards must be of at least one response; got length 0', () => grpo({ rewards: [], groups: [] })],
    ['grpo: groups must be of length 2; got length 1', () => grpo({ rewards: [1, 2], groups: [0] })],
    [
      'rloo: rewards[1] must be finite, or null where it does not apply; got NaN',
      () => rloo({ rewards: [1, NaN], groups: [0, 0] }),
    ],
    ['drGrpo: group p3 must have at least two rewards; got one', () => drGrpo(one, { singleton: 'throw' })],
    ["gpg: singleton must be 'zero', 'raw' or 'throw'; got \"drop\"", () => gpg(inputs, { singleton: cast('drop') })],
    [
      "grpo: scale must be 'group', 'batch', 'centered-batch' or 'none'; got \"std\"",
      () => grpo(inputs, { scale: cast('std') }),
    ],
    [
      "grpo: variance must be 'population' or 'sample'; got \"biased\"",
      () => grpo(inputs, { variance: cast('biased') }),
    ],
    [
      "groupMoments: variance must be 'population' or 'sample'; got 1",
      () => groupMoments([1], [1], { variance: cast(1) }),
    ],
    ['grpo: epsilon must be a finite number of at least 0; got -1', () => grpo(inputs, { epsilon: -1 })],
    ['grpo: minVariance must be a finite number of at least 0; got NaN', () => grpo(inputs, { minVariance: NaN })],
    [
      "litePpo: deviation must be 'rewards' or 'centered'; got \"batch\"",
      () => litePpo(inputs, { deviation: cast('batch') }),
    ],
    [
      "reinforce: baseline must be a finite number, 'mean' or 'leave-one-out'; got NaN",
      () => reinforce(inputs, { baseline: NaN }),
    ],
    ['remax: baselines must be of length 2; got length 1', () => remax({ rewards: mask, baselines: [1], mask })],
    ['remax: baselines[1] must be finite; got NaN', () => remax({ rewards: mask, baselines: [1, NaN], mask })],
    [
      'remax: mask[0, 0] must be 0 or 1; got 2',
      () => remax({ rewards: mask, baselines: [1, 1], mask: gridOf([[2], [1]]) }),
    ],
    [
      'remax: rewards[1, 0] must be finite, for it counts; got NaN',
      () => remax({ rewards: gridOf([[1], [NaN]]), baselines: [1, 1], mask }),
    ],
    [
      "reinforcePlusPlus: masked must be 'skip', 'zero' or 'reset'; got \"hole\"",
      () => reinforcePlusPlus({ rewards: mask, mask }, { masked: cast('hole') }),
    ],
    [
      'reinforcePlusPlus: gamma must be in [0, 1]; got 1.5',
      () => reinforcePlusPlus({ rewards: mask, mask }, { gamma: 1.5 }),
    ],
    [
      'reinforcePlusPlus: epsilon must be a finite number of at least 0; got NaN',
      () => reinforcePlusPlus({ rewards: mask, mask }, { epsilon: NaN }),
    ],
    [
      "reinforcePlusPlus: variance must be 'population' or 'sample'; got 2",
      () => reinforcePlusPlus({ rewards: mask, mask }, { variance: cast(2) }),
    ],
    [
      "reinforcePlusPlusBaseline: unit must be 'tokens' or 'responses'; got \"rows\"",
      () => reinforcePlusPlusBaseline({ ...inputs, mask }, { unit: cast('rows') }),
    ],
    [
      'reinforcePlusPlusBaseline: rewards must be of length 3; got length 2',
      () => reinforcePlusPlusBaseline({ ...inputs, mask: zeros(3, 1) }),
    ],
    ['opo: rewards must be of length 3; got length 2', () => opo({ ...inputs, mask: zeros(3, 1) })],
    ['opo: mask[0, 0] must be 0 or 1; got 3', () => opo({ ...inputs, mask: gridOf([[3], [1]]) })],
    ["gpg: normalizer must be a finite number other than 0, or 'group'; got 0", () => gpg(inputs, { normalizer: 0 })],
    ["gpg: alpha must be 'unequal-groups', 'nonzero-rewards' or 'none'; got 2", () => gpg(inputs, { alpha: cast(2) })],
    ['gpg: epsilon must be a finite number of at least 0; got -1', () => gpg(inputs, { epsilon: -1 })],
    ['passK: k must be a whole number, at least 1; got 0', () => passK(inputs, { k: 0 })],
    [
      'passK: rewards[0] must be 0 or 1, or null where it does not apply; got 0.5',
      () => passK({ rewards: [0.5], groups: [0] }, { k: 1 }),
    ],
    ["passKTop1: scale must be 'group' or 'none'; got \"batch\"", () => passKTop1(inputs, { scale: cast('batch') })],
    ['passKTop1: group p3 must have at least two rewards; got one', () => passKTop1(one, { singleton: 'throw' })],
    [
      'primeRloo: processWeight must be finite; got NaN',
      () => primeRloo({ ...inputs, processRewards: mask, mask }, { processWeight: NaN }),
    ],
    [
      'primeRloo: rewards[1] must be finite; got NaN',
      () => primeRloo({ rewards: [1, NaN], groups: [0, 0], processRewards: mask, mask }),
    ],
    ['gdpo: components must be at least one reward function; got none', () => gdpo({ components: [], groups: [] })],
    [
      'gdpo: components[1] must be of length 2; got length 1',
      () => gdpo({ components: [[1, 2], [1]], groups: [0, 0] }),
    ],
    [
      'gdpo: components[0][1] must be finite, or null where it does not apply; got Infinity',
      () => gdpo({ components: [[1, Infinity]], groups: [0, 0] }),
    ],
    [
      'gdpo: weights must be of length 1; got length 2',
      () => gdpo({ components: [[1, 2]], groups: [0, 0] }, { weights: [1, 2] }),
    ],
    [
      'gdpo: weights[0] must be finite; got NaN',
      () => gdpo({ components: [[1, 2]], groups: [0, 0] }, { weights: [NaN] }),
    ],
  ];
  test.each(cases)('%s', (message, run) => {
    let error: unknown;
    try {
      run();
    } catch (thrown) {
      error = thrown;
    }
    expect(isTsrlError(error)).toBe(true);
    expect((error as Error).message).toBe(message);
  });
});
