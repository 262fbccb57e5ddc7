// Identities of the specification that cross packages (core.md, section 8): rewards into advantages into losses, with
// the gradient that comes out compared in closed form, or by enumeration.
import * as tf from '@tensorflow/tfjs-core';
import {
  analyticAdvantages,
  analyticBaseline,
  bnpo,
  discountedReturns,
  drGrpo,
  type GroupInputs,
  gae,
  grpo,
  opo,
  passK,
  penalizeKl,
  placeOutcome,
  rloo,
  rolloutWeights,
  segmentSpo,
  singleStreamSpo,
  spread,
  trackedValues,
  valueTracker,
} from '@tsrl/advantages';
import { type Grid, gridOf } from '@tsrl/core';
import {
  bco,
  bcoPair,
  cispo,
  classMeanShift,
  dpo,
  gmpo,
  gspo,
  gspoToken,
  kl,
  type Loss,
  luspo,
  type PolicyInputs,
  ppoClip,
  rdpo,
  reinforce,
  responseClip,
  sapo,
  scale,
  sequenceLogProbs,
  tokenWeighted,
  valueLoss,
  vespo,
} from '@tsrl/losses';
import {
  backwardCorrected,
  composed,
  constantReward,
  logComplement,
  perSample,
  printed,
  surprise,
  weightedSum,
} from '@tsrl/rewards';
import {
  type Aggregate,
  bernoulliLogProbs,
  k2,
  type PerToken,
  sequenceMean,
  sequenceSum,
  sequenceSumNorm,
  tokenMean,
  tokenSum,
  toTensor,
} from '@tsrl/tensor';
import { float32, forAllAsync, forAll as forAllRuns, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const forAll: typeof forAllRuns = (arbitraries, property) => forAllRuns(arbitraries, property, { runs: 20 });
const expectClose = (got: ArrayLike<number>, expected: ArrayLike<number>, within = float32): void =>
  expect(maxError(Array.from(got), Array.from(expected), within)).toBeLessThanOrEqual(1);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const eighths = (low: number, high: number): fc.Arbitrary<number> =>
  fc.integer({ min: low * 8, max: high * 8 }).map((k) => k / 8);
/** Value, and gradient in x. */
const valueAndGradient = (f: (x: tf.Tensor) => tf.Scalar, x: tf.Tensor): { value: number; gradient: number[] } =>
  tf.tidy(() => ({ value: f(x).dataSync()[0] as number, gradient: [...tf.grad(f)(x).dataSync()] }));

/** Responses of one to five tokens to one to three prompts, successes and failures; every prompt has both. */
interface Rollouts extends GroupInputs {
  readonly rewards: readonly number[];
  readonly groups: readonly number[];
  readonly mask: Grid;
  readonly logProbs: Grid;
}
const rollouts: fc.Arbitrary<Rollouts> = fc
  .array(fc.record({ right: fc.integer({ min: 1, max: 3 }), wrong: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  })
  .chain((prompts) => {
    const rows = prompts.flatMap(({ right, wrong }, group) =>
      Array.from({ length: right + wrong }, (_, i) => ({ group, reward: Number(i < right) })),
    );
    return fc
      .tuple(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: rows.length, maxLength: rows.length }),
        fc.array(eighths(-3, 0), { minLength: rows.length * 5, maxLength: rows.length * 5 }),
      )
      .map(([lengths, logProbs]) => ({
        rewards: rows.map(({ reward }) => reward),
        groups: rows.map(({ group }) => group),
        mask: gridOf(lengths.map((n) => Array.from({ length: 5 }, (_, t) => Number(t < n)))),
        logProbs: { rows: rows.length, columns: 5, data: Float64Array.from(logProbs) },
      }));
  });
const rowOf = ({ columns }: Grid, at: number): number => Math.floor(at / columns);
const lengthsOf = ({ mask }: Rollouts): number[] =>
  Array.from({ length: mask.rows }, (_, i) => mask.data.filter((m, at) => m === 1 && rowOf(mask, at) === i).length);
/** The loss of a policy that is the one that sampled, or stands `moved` away from it, with advantages per token. */
function onPolicy(
  { logProbs, mask }: Rollouts,
  advantages: Grid,
  loss: Loss<PolicyInputs>,
  moved = 0,
): { value: number; gradient: number[] } {
  return tf.tidy(() => {
    const old = toTensor(logProbs) as PerToken;
    const fixed = { oldLogProbs: old, advantages: toTensor(advantages) as PerToken, mask: toTensor(mask) as PerToken };
    return valueAndGradient((x) => loss({ ...fixed, logProbs: x as PerToken }).loss, tf.add(old, moved));
  });
}

describe('estimators of one family give one gradient, up to a factor', () => {
  const wide = { clipLow: 0.99, clipHigh: 1e3 };

  test('GRPO · π/8 = BNPO(3/2, 3/2), pass@1 = GRPO, also through the clipped loss and off policy', () => {
    forAll([rollouts, fc.constantFrom(0, 0.0625, -0.25)], (batch, moved) => {
      const through = (advantages: Float64Array): number[] =>
        onPolicy(batch, spread(advantages, batch.mask), ppoClip({ clipHigh: 0.28 }), moved).gradient;
      const expected = through(grpo(batch, { variance: 'population', epsilon: 0 }).advantages);
      const beta = through(bnpo(batch, { normalizer: { alpha: 1.5, beta: 1.5 } }).advantages);
      expectClose(
        beta.map((g) => (8 / Math.PI) * g),
        expected,
      );
      expectClose(through(passK(batch, { k: 1 }).advantages), expected);
    });
  });

  test('Dr. GRPO = BNPO(1, 1) = (G − 1)/G RLOO = GAE with the mean of the group as value, as losses of responses', () => {
    forAll([rollouts], (batch) => {
      const { rewards, groups, mask } = batch;
      const loss = ppoClip({ aggregate: sequenceSumNorm({ length: 5 }) });
      const through = (advantages: Grid): number[] => onPolicy(batch, advantages, loss).gradient;
      const expected = through(spread(drGrpo(batch).advantages, mask));
      expectClose(through(spread(bnpo(batch, { normalizer: { alpha: 1, beta: 1 } }).advantages, mask)), expected);
      const sizes = groups.map((group) => groups.filter((other) => other === group).length);
      const others = rloo(batch).advantages.map((a, i) => (a * ((sizes[i] as number) - 1)) / (sizes[i] as number));
      expectClose(through(spread(others, mask)), expected);
      const means = groups.map((group) => {
        const own = rewards.filter((_, i) => groups[i] === group);
        return own.reduce((sum, r) => sum + r, 0) / own.length;
      });
      const placed = placeOutcome(rewards, mask);
      const values = spread(means, mask);
      expectClose(through(gae({ rewards: placed, values, mask }, { gamma: 1, lambda: 1 }).advantages), expected);
      const starts = { ...mask, data: mask.data.map((_, at) => Number(at % mask.columns === 0)) };
      expectClose(through(segmentSpo({ rewards, starts, values, mask }).advantages), expected);
      // The value of the state is the target of the critic, too: one that is right has loss 0.
      const critic = tf.tidy(() => {
        const returns = toTensor(discountedReturns({ rewards: placed, mask })) as PerToken;
        return valueLoss()({ values: returns, returns, mask: toTensor(mask) as PerToken }).loss.dataSync()[0];
      });
      expect(critic).toBe(0);
    });
  });

  test('OPO of responses of one length is Dr. GRPO, and a tracker that keeps nothing is the reward before', () => {
    forAll([rollouts], (batch) => {
      const mask = { ...batch.mask, data: batch.mask.data.map(() => 1) };
      const same = { ...batch, mask };
      const through = (advantages: Float64Array): number[] =>
        onPolicy(same, spread(advantages, mask), ppoClip()).gradient;
      expectClose(through(opo(same).advantages), through(drGrpo(same).advantages));

      const forgetful = valueTracker({ retention: [0, 0] });
      const prompts = batch.groups.map(String);
      const seen = batch.rewards.map((reward, i) => ({ prompt: prompts[i] as string, reward, drift: 0 }));
      const baselines = trackedValues(forgetful.update(forgetful.initial, seen), prompts);
      const last = batch.groups.map((group) => batch.rewards[batch.groups.lastIndexOf(group)] as number);
      expectClose(
        through(singleStreamSpo({ rewards: batch.rewards, baselines }).advantages),
        through(singleStreamSpo({ rewards: batch.rewards, baselines: last }).advantages),
      );
    });
  });

  test('at the policy that sampled, all losses with a ratio have the gradient of REINFORCE with their aggregation', () => {
    forAll([rollouts], (batch) => {
      const advantages = spread(rloo(batch).advantages, batch.mask);
      const gradientOf = (loss: Loss<PolicyInputs>): number[] => onPolicy(batch, advantages, loss).gradient;
      const by = (aggregate: Aggregate): number[] => gradientOf(reinforce({ aggregate }) as Loss<PolicyInputs>);
      for (const aggregate of [tokenMean, sequenceMean, sequenceSum]) {
        for (const build of [ppoClip, cispo, sapo, gspoToken, vespo]) {
          expectClose(gradientOf(build({ aggregate })), by(aggregate));
        }
      }
      for (const loss of [gspo(), gspoToken(), gmpo(), gspo(wide)]) expectClose(gradientOf(loss), by(sequenceMean));
      const whole: Loss<PolicyInputs> = ({ advantages: perToken, ...inputs }, context) =>
        tf.tidy(() => ({
          ...responseClip()({ ...inputs, advantages: tf.squeeze(tf.slice(perToken, [0, 0], [-1, 1]), [1]) }, context),
        }));
      for (const loss of [luspo(), whole]) expectClose(gradientOf(loss), by(sequenceSum));
      const lengths = lengthsOf(batch);
      const expected = advantages.data.map((a, at) => -a / (lengths[rowOf(batch.mask, at)] as number) / lengths.length);
      expectClose(gradientOf(gmpo()), expected);
    });
  });

  test('responses of equal length: the aggregations differ by constants', () => {
    forAll([rollouts, fc.integer({ min: 1, max: 5 }), fc.constantFrom(0, 0.125)], (batch, n, moved) => {
      const mask = { ...batch.mask, data: batch.mask.data.map((_, at) => Number(at % batch.mask.columns < n)) };
      const same = { ...batch, mask };
      const advantages = spread(grpo(batch).advantages, mask);
      const at = (aggregate: Aggregate): number[] => {
        const { value, gradient } = onPolicy(same, advantages, ppoClip({ aggregate }), moved);
        return [value, ...gradient];
      };
      const expected = at(tokenMean);
      const times = (by: number): number[] => expected.map((x) => by * x);
      expectClose(at(sequenceMean), expected);
      expectClose(at(sequenceSum), times(n));
      expectClose(at(sequenceSumNorm({ length: 7 })), times(n / 7));
      expectClose(at(tokenSum), times(n * mask.rows));
    });
  });
});

describe('binary classification is PPO of one step', () => {
  const decisions = fc.array(fc.record({ z: eighths(-3, 3), moved: eighths(-1, 1), label: fc.constantFrom(0, 1) }), {
    minLength: 1,
    maxLength: 5,
  });
  const rewardsOf = {
    constant: constantReward(),
    logComplement: logComplement({ cap: Number.POSITIVE_INFINITY }),
    surprise: surprise({ cap: Number.POSITIVE_INFINITY }),
    printed: printed({ cap: Number.POSITIVE_INFINITY }),
  };
  type Decisions = readonly { readonly z: number; readonly moved: number; readonly label: number }[];
  /** Value and gradient in the logits of PPO over both actions, weighted by the behaviour policy. */
  const enumerated = (batch: Decisions, advantages: Grid, logits: readonly number[]) =>
    tf.tidy(() => {
      const both = (z: tf.Tensor): PerToken => bernoulliLogProbs(z as tf.Tensor1D);
      const oldLogProbs = both(tf.tensor1d(batch.map(({ z }) => z)));
      const fixed = {
        oldLogProbs,
        advantages: toTensor(advantages) as PerToken,
        mask: tf.exp(oldLogProbs) as PerToken,
      };
      const loss = ppoClip({ aggregate: sequenceSum });
      return valueAndGradient((z) => loss({ ...fixed, logProbs: both(z) }).loss, tf.tensor1d([...logits]));
    });

  test.each(Object.entries(rewardsOf))('%s: GAE of one step with the analytic value, enumerated', (_, reward) => {
    forAll([decisions], (batch) => {
      const N = batch.length;
      const [rewards0, rewards1] = ([0, 1] as const).map((action) =>
        batch.map(({ z, label }) => reward({ action, label: label as 0 | 1, logit: z })),
      ) as [number[], number[]];
      const inputs = { logits: batch.map(({ z }) => z), rewards0, rewards1 };
      const values = analyticBaseline(inputs);
      // Both actions of an example are rows of one token, with the same value.
      const column = (x: ArrayLike<number>): Grid => ({ rows: 2 * N, columns: 1, data: Float64Array.from(x) });
      const steps = gae(
        {
          rewards: column([...rewards0, ...rewards1]),
          values: column([...values, ...values]),
          mask: column(Array<number>(2 * N).fill(1)),
        },
        { gamma: 0.3, lambda: 0.7 },
      ).advantages.data;
      const advantages = analyticAdvantages(inputs);
      expectClose(
        batch.flatMap((__, i) => [steps[i] as number, steps[N + i] as number]),
        advantages.data,
        { absolute: 1e-12, relative: 1e-12 },
      );

      // At the behaviour policy: value 0, gradient −p (1 − p) (r₁ − r₀) / N.
      const here = enumerated(batch, advantages, inputs.logits);
      expectClose([here.value], [0]);
      expectClose(
        here.gradient,
        batch.map(({ z }, i) => (-sigmoid(z) * sigmoid(-z) * ((rewards1[i] as number) - (rewards0[i] as number))) / N),
      );
      // Away from it: the policy term of BinaryPPO, written out.
      const logits = batch.map(({ z, moved }) => z + moved);
      const term = batch.map(({ z }, i) => {
        const both = [0, 1].map((action) => {
          const [sign, a] = [action === 1 ? 1 : -1, advantages.data[2 * i + action] as number];
          const ratio = sigmoid(sign * (logits[i] as number)) / sigmoid(sign * z);
          return sigmoid(sign * z) * Math.min(ratio * a, Math.min(1.2, Math.max(0.8, ratio)) * a);
        });
        return -((both[0] as number) + (both[1] as number));
      });
      expectClose([enumerated(batch, advantages, logits).value], [term.reduce((sum, x) => sum + x, 0) / N], {
        absolute: 4e-6,
        relative: float32.relative,
      });
    });
  });

  test('the printed reward teaches the opposite of the reward of the other action, and surprise what that teaches', () => {
    forAll([decisions], (batch) => {
      const logits = batch.map(({ z }) => z);
      const gradientOf = (reward: typeof rewardsOf.constant): number[] => {
        const [rewards0, rewards1] = ([0, 1] as const).map((action) =>
          batch.map(({ z, label }) => reward({ action, label: label as 0 | 1, logit: z })),
        ) as [number[], number[]];
        return enumerated(batch, analyticAdvantages({ logits, rewards0, rewards1 }), logits).gradient;
      };
      const right = gradientOf(rewardsOf.logComplement);
      expectClose(gradientOf(rewardsOf.surprise), right);
      expectClose(
        gradientOf(rewardsOf.printed),
        right.map((g) => -g),
      );
    });
  });
});

describe('the KL in the reward and in the loss', () => {
  const logits = fc.array(eighths(-2, 2), { minLength: 2, maxLength: 5 });

  test('by enumeration, k2 in the loss has the gradient of k1 in the reward', () => {
    forAll([logits, logits, fc.constantFrom(0.05, 0.5, 1)], (first, second, beta) => {
      const V = Math.min(first.length, second.length);
      const logSoftmax = (x: readonly number[]): number[] => {
        const total = Math.log(x.reduce((sum, y) => sum + Math.exp(y), 0));
        return x.map((y) => y - total);
      };
      const [policy, reference] = [first.slice(0, V), second.slice(0, V)].map(logSoftmax) as [number[], number[]];
      // One row of one token per entry of the vocabulary, each as often as the policy chooses it.
      const column = (x: readonly number[]): Grid => ({ rows: V, columns: 1, data: Float64Array.from(x) });
      const all = column(Array<number>(V).fill(1));
      const { rewards } = penalizeKl(
        {
          rewards: column(Array<number>(V).fill(0)),
          logProbs: column(policy),
          refLogProbs: column(reference),
          mask: all,
        },
        { beta, estimate: 'k1' },
      );
      tf.tidy(() => {
        const mask = toTensor(column(policy.map(Math.exp))) as PerToken;
        const refLogProbs = toTensor(column(reference)) as PerToken;
        const at = (x: tf.Tensor): PerToken => tf.reshape(tf.logSoftmax(x as tf.Tensor1D), [V, 1]);
        const inReward = reinforce({ aggregate: tokenSum });
        const inLoss = scale(beta, kl({ estimator: k2, aggregate: tokenSum }));
        const x = tf.tensor1d(first.slice(0, V));
        const advantages = toTensor(rewards) as PerToken;
        const rewarded = valueAndGradient((z) => inReward({ logProbs: at(z), advantages, mask }).loss, x).gradient;
        const penalized = valueAndGradient((z) => inLoss({ logProbs: at(z), refLogProbs, mask }).loss, x).gradient;
        // Both are that of β KL(π ‖ π_ref), in the logits π (d − KL).
        const d = policy.map((p, v) => p - (reference[v] as number));
        const mean = d.reduce((sum, y, v) => sum + y * Math.exp(policy[v] as number), 0);
        const exact = d.map((y, v) => beta * Math.exp(policy[v] as number) * (y - mean));
        expectClose(penalized, exact, { absolute: 2e-6, relative: float32.relative });
        expectClose(rewarded, exact, { absolute: 2e-6, relative: float32.relative });
      });
    });
  });

  test('by enumeration, REINFORCE over tokens of another policy with weights of rollouts is REINFORCE', () => {
    forAll([logits, logits, logits], (first, second, third) => {
      const V = Math.min(first.length, second.length, third.length);
      const column = (x: readonly number[]): Grid => ({ rows: V, columns: 1, data: Float64Array.from(x) });
      const logSoftmax = (x: readonly number[]): number[] => {
        const total = Math.log(x.reduce((sum, y) => sum + Math.exp(y), 0));
        return x.map((y) => y - total);
      };
      const [policy, sampler] = [first.slice(0, V), second.slice(0, V)].map(logSoftmax) as [number[], number[]];
      const all = column(Array<number>(V).fill(1));
      const { weights } = rolloutWeights(
        { logProbs: column(policy), rolloutLogProbs: column(sampler), mask: all },
        { upper: Number.POSITIVE_INFINITY },
      );
      tf.tidy(() => {
        const at = (x: tf.Tensor): PerToken => tf.reshape(tf.logSoftmax(x as tf.Tensor1D), [V, 1]);
        const advantages = toTensor(column(third.slice(0, V))) as PerToken;
        const x = tf.tensor1d(first.slice(0, V));
        const weighed = tokenWeighted((aggregate) => reinforce({ aggregate }), { aggregate: tokenSum });
        const tokenWeights = toTensor(weights) as PerToken;
        const [byPolicy, bySampler] = [policy, sampler].map((of) => toTensor(column(of.map(Math.exp))) as PerToken) as [
          PerToken,
          PerToken,
        ];
        const plain = reinforce({ aggregate: tokenSum });
        const expected = valueAndGradient((z) => plain({ logProbs: at(z), advantages, mask: byPolicy }).loss, x);
        const got = valueAndGradient(
          (z) => weighed({ logProbs: at(z), advantages, mask: bySampler, tokenWeights }).loss,
          x,
        );
        expectClose([got.value, ...got.gradient], [expected.value, ...expected.gradient], {
          absolute: 4e-6,
          relative: float32.relative,
        });
      });
    });
  });
});

describe('rewards, trackers and losses', () => {
  test('rDPO is the loss of DPO, corrected for labels that are wrong at both rates ε like any reward of a decision', () => {
    forAll([eighths(-6, 6), fc.constantFrom(0, 0.1, 0.25, 0.4)], (margin, e) => {
      const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
      const corrected = backwardCorrected(({ label, logit }) => softplus(label === 1 ? -logit : logit), {
        falsePositive: e,
        falseNegative: e,
      });
      const robust = tf.tidy(() => {
        const zero = tf.zeros<tf.Rank.R1>([1]);
        const inputs = { chosenLogProbs: tf.tensor1d([margin]), rejectedLogProbs: zero, refRejectedLogProbs: zero };
        return rdpo({ beta: 1, flipRate: e })({ ...inputs, refChosenLogProbs: zero }).loss.dataSync()[0] as number;
      });
      expectClose([robust], [corrected({ action: 1, label: 1, logit: margin })]);
    });
  });

  test('a batch that a tracker of the shift sees first is the batch that BCO sees; it bounds DPO of its pairs', () => {
    forAll([fc.array(fc.tuple(eighths(-4, 4), eighths(-4, 4)), { minLength: 1, maxLength: 5 })], (pairs) => {
      const rewards = [...pairs.map(([won]) => won), ...pairs.map(([, lost]) => lost)];
      const labels = [...pairs.map(() => 1), ...pairs.map(() => 0)];
      const { initial, update, shift } = classMeanShift();
      const delta = shift(update(initial, { rewards, labels }));
      const [tracked, batch, paired, preference] = tf.tidy(() => {
        const zero = tf.zeros<tf.Rank.R1>([rewards.length]);
        const one = { logProbs: tf.tensor1d(rewards), refLogProbs: zero, labels: tf.tensor1d(labels) };
        const none = tf.zeros<tf.Rank.R1>([pairs.length]);
        const both = {
          chosenLogProbs: tf.tensor1d(pairs.map(([won]) => won)),
          rejectedLogProbs: tf.tensor1d(pairs.map(([, lost]) => lost)),
          refChosenLogProbs: none,
          refRejectedLogProbs: none,
        };
        return [
          bco({ beta: 1, shift: delta })(one),
          bco({ beta: 1, shift: 'batch' })(one),
          bcoPair({ beta: 1, shift: delta })(both),
          dpo({ beta: 1 })(both),
        ].map(({ loss }) => loss.dataSync()[0] as number);
      }) as [number, number, number, number];
      expectClose([tracked, paired], [batch, 2 * batch]);
      expect(paired).toBeGreaterThan(preference);
    });
  });

  test('a composed reward scaled by a > 0 teaches GRPO what it taught before; by RLOO, a times as much', async () => {
    await forAllAsync([rollouts, fc.constantFrom(0.5, 2, 8)], async ({ rewards, groups }, by) => {
      const samples = rewards.map((success, row) => ({ success, row }));
      const reward = (weight: number) =>
        composed(
          {
            right: perSample(({ success }: { readonly success: number }) => success),
            // Applies to two of three.
            even: perSample(({ row }: { readonly row: number }) => (row % 3 === 2 ? null : row % 2)),
          },
          weightedSum({ weights: { right: weight, even: weight / 4 } }),
        );
      const [once, scaled] = await Promise.all([reward(1)(samples), reward(by)(samples)]);
      const close = { absolute: 1e-9, relative: 1e-9 };
      expectClose(
        rloo({ rewards: scaled, groups }).advantages,
        rloo({ rewards: once, groups }).advantages.map((a) => by * a),
        close,
      );
      const normalized = [once, scaled].map((of) => grpo({ rewards: of, groups }, { epsilon: 0 }).advantages);
      expectClose(normalized[1] as Float64Array, normalized[0] as Float64Array, close);
    });
  });

  test('REINFORCE of whole responses is the mean of −A log π(y), the log-probs that preferences compare', () => {
    forAll([rollouts], (batch) => {
      const { advantages } = rloo(batch);
      const { value } = onPolicy(batch, spread(advantages, batch.mask), reinforce() as Loss<PolicyInputs>);
      const sums = tf.tidy(() => [
        ...sequenceLogProbs(toTensor(batch.logProbs) as PerToken, toTensor(batch.mask) as PerToken).dataSync(),
      ]);
      expectClose([value], [-sums.reduce((sum, s, i) => sum + s * (advantages[i] as number), 0) / sums.length], {
        absolute: 4e-6,
        relative: float32.relative,
      });
    });
  });
});
