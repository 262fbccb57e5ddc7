import { expect, test } from 'vitest';
import { runDirectory } from '../src/index.ts';
import { directoryOf, mask, tensor } from './golden-directory.ts';

// Cases that no golden file holds, by the formulas of the sources: what they do at the edges.

type Status = 'passed' | 'failed' | 'differs by decision';

async function statusOf(family: string, one: object): Promise<{ status: Status; decision: string | undefined }> {
  const report = await runDirectory(directoryOf({ [`${family}.json`]: [{ name: 'one', params: {}, ...one }] }));
  const [result] = report.files.flatMap(({ cases }) => cases);
  return { status: result?.status as Status, decision: result?.decision };
}

/** One response of one token, whose log-ratio is 25. */
const farToken = {
  log_prob: tensor([[-1]]),
  old_log_prob: tensor([[-26]]),
  advantages: tensor([[1]]),
  response_mask: mask([[1]]),
};

test.each([25, 20])('the metric of verl’s GSPO has no bound: a log-ratio of 25 is 25, not %i', async (size) => {
  const { status } = await statusOf('policy-loss.gspo', {
    inputs: farToken,
    params: { clip_ratio: 0.2 },
    outputs: { metrics: { ppo_kl: -size } },
  });
  expect(status).toBe(size === 25 ? 'passed' : 'failed');
});

test('two losses of one type count twice', async () => {
  const zero = tensor([0]);
  const { status } = await statusOf('preference.dpo', {
    inputs: {
      policy_chosen_logps: zero,
      policy_rejected_logps: zero,
      reference_chosen_logps: zero,
      reference_rejected_logps: zero,
      chosen_lengths: mask([1]),
      rejected_lengths: mask([1]),
    },
    params: { loss_type: ['sigmoid', 'sigmoid'], loss_weights: [1, 0.5], beta: 0.1 },
    outputs: { loss: tensor(1.5 * Math.LN2) },
  });
  expect(status).toBe('passed');
});

/** Two responses, the second without a token. */
const grpo = (level: string, outputs: object, params: object = {}): object => ({
  inputs: {
    per_token_logps: tensor([
      [-1, -2],
      [-1, -1],
    ]),
    old_per_token_logps: tensor([
      [-1.5, -2.5],
      [-3, -3],
    ]),
    completion_mask: mask([
      [1, 1],
      [0, 0],
    ]),
    advantages: tensor([1, 2]),
  },
  params: {
    loss_type: 'grpo',
    importance_sampling_level: level,
    epsilon_low: 0.2,
    epsilon_high: 1,
    gradient_accumulation_steps: 1,
    mode: 'train',
    ...params,
  },
  outputs,
});

test('what TRL gives a response without a token is not compared, and its clip fractions count it', async () => {
  const clipped = Math.exp(0.5);
  const sequence = grpo('sequence', {
    loss: tensor(-clipped / 2),
    per_sequence_loss: tensor([[-clipped], [-2]]),
    metrics: { 'clip_ratio/high_mean': 0, 'clip_ratio/low_min': 0 },
  });
  expect((await statusOf('policy-loss.trl-grpo', sequence)).status).toBe('passed');
  const tight = grpo('sequence', { metrics: { 'clip_ratio/high_mean': 0.5 } }, { epsilon_high: 0.2 });
  expect((await statusOf('policy-loss.trl-grpo', tight)).status).toBe('passed');
});

test('a delta below the clip is the upper bound of good tokens, and nothing is clipped above it', async () => {
  const capped = grpo(
    'token',
    { loss: tensor(-1.25 / 2), metrics: { 'clip_ratio/high_mean': 0, 'clip_ratio/region_mean': 0 } },
    { delta: 1.25 },
  );
  expect((await statusOf('policy-loss.trl-grpo', capped)).status).toBe('passed');
});

test('a metric may be NaN, in words', async () => {
  const [values, none] = [tensor([[1, 2]]), mask([[0, 0]])];
  const { status, decision } = await statusOf('policy-loss.vanilla', {
    inputs: { log_prob: values, old_log_prob: values, advantages: values, response_mask: none },
    params: { clip_ratio: 0.2, loss_agg_mode: 'token-mean' },
    outputs: { loss: tensor(Number.NaN), metrics: { ppo_kl: 'NaN' } },
  });
  expect({ status, decision }).toEqual({ status: 'differs by decision', decision: 'nothing-to-average' });
});

test('the bound by the condition holds for functions with a kernel of their own, of any size', async () => {
  const [a, b, c] = [500.1, 500.2, 500.4];
  const p = [a, b, c].map((x) => Math.exp(x - 500));
  const sum = p.reduce((all, x) => all + x, 0);
  const entropy = -p.reduce((all, x) => all + (x / sum) * Math.log(x / sum), 0);
  const slopes = p.map((x) => -(x / sum) * (Math.log(x / sum) + entropy));
  const { status } = await statusOf('entropy.verl', {
    function: 'entropy_from_logits',
    inputs: { logits: tensor([[[a, b, c]]]) },
    outputs: { entropy: tensor([[entropy]]) },
    gradients: { logits: tensor([[slopes]]) },
  });
  expect(status).toBe('passed');
});

test.each([
  ['equal advantages choose nothing', [1, 1, 1], 'differs by decision'],
  ['advantages that differ choose', [1, 2, 6], 'failed'],
])('a wrong choice of KL-Cov is excused where covariances tie: %s', async (_, advantages, expected) => {
  const { status } = await statusOf('policy-loss.kl-cov', {
    inputs: {
      log_prob: tensor([[-1, -2, -4]]),
      old_log_prob: tensor([[-1.5, -2, -4]]),
      advantages: tensor([advantages]),
      response_mask: mask([[1, 1, 1]]),
    },
    params: { policy_loss: { kl_cov_ratio: 0.4, ppo_kl_coef: 1 }, loss_agg_mode: 'token-mean' },
    outputs: { loss: tensor(100) },
  });
  expect(status).toBe(expected);
});
