import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { parseGolden } from '../src/golden.ts';
import { type Computed, decisions, familyOf, runDirectory } from '../src/index.ts';
import { compare } from '../src/judge.ts';
import { command, directoryOf, mask, tensor } from './golden-directory.ts';

/** log softmax(x)[id] and its gradient, by the definition. */
function logSoftmax(x: readonly number[], id: number): { value: number; gradient: number[] } {
  const total = x.reduce((sum, v) => sum + Math.exp(v), 0);
  return {
    value: (x[id] as number) - Math.log(total),
    gradient: x.map((v, i) => (i === id ? 1 : 0) - Math.exp(v) / total),
  };
}

const logits = [0.5, -1.25, 2];
const chosen = logSoftmax(logits, 1);

const logProbCase = ({ name = 'one', value = chosen.value, gradient = chosen.gradient } = {}): object => ({
  name,
  inputs: { logits: tensor([logits]), index: mask([1]) },
  params: {},
  outputs: { logprobs: tensor([value]) },
  gradients: { logits: tensor([gradient]) },
});

const tokenMeanCase = (losses: readonly number[], loss: number, name = 'mean'): object => ({
  name,
  inputs: { loss_mat: tensor([losses]), loss_mask: mask([losses.map(() => 1)]) },
  params: { loss_agg_mode: 'token-mean' },
  outputs: { loss: tensor(loss) },
});

const one = (cases: readonly object[], file = 'logprobs.trl.json'): string => directoryOf({ [file]: cases });

/** What became of the only case of a directory. */
async function only(file: string, golden: object): Promise<{ status: string; reason?: string; decision?: string }> {
  const { files } = await runDirectory(one([golden], file));
  return files[0]!.cases[0]!;
}

describe('the command', () => {
  test('counts what passes, and ends with 0', async () => {
    const { code, out, err } = await command('--dir', one([logProbCase(), logProbCase({ name: 'two' })]));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^logprobs\.trl\.json +2 +· +· +·$/m);
    expect(out.trimEnd().split('\n').at(-1)).toBe(
      '2 cases: 2 passed, 0 failed, 0 differ by decision, 0 not mapped yet',
    );
  });

  test('names the case, the entry and both numbers of what fails, and ends with 1', async () => {
    const value = chosen.value + 0.5;
    const { code, out } = await command('--dir', one([logProbCase(), logProbCase({ name: 'shifted', value })]));
    expect(code).toBe(1);
    expect(out).toMatch(/^logprobs\.trl\.json +1 +1 +· +·$/m);
    const [, expected, got] =
      out.match(/logprobs\.trl\.json shifted: .* logprobs\[0\] expected (\S+), got (\S+)/) ?? [];
    expect(Number(expected)).toBe(value);
    expect(Number(got)).toBeCloseTo(chosen.value, 6);
  });

  test.each([
    ['a wrong gradient', { gradient: chosen.gradient.with(2, 0) }],
    ['an error just above the tolerance', { value: chosen.value + 1.2 * (1e-6 + 2e-5 * Math.abs(chosen.value)) }],
    ['NaN', { value: Number.NaN }],
    ['another shape', { gradient: chosen.gradient.slice(1) }],
  ])('%s fails', async (_, change) => {
    expect((await command('--dir', one([logProbCase(change)]))).code).toBe(1);
  });

  test('an error just below the tolerance passes', async () => {
    const value = chosen.value + 0.8 * (1e-6 + 2e-5 * Math.abs(chosen.value));
    expect((await command('--dir', one([logProbCase({ value })]))).code).toBe(0);
  });

  test('the backend can be chosen', async () => {
    const { code, out } = await command('--dir', one([logProbCase()]), '--backend', 'cpu', '--json');
    expect(tf.getBackend()).toBe('cpu');
    expect({ code, backend: JSON.parse(out).backend }).toEqual({ code: 0, backend: 'cpu' });
    await command('--dir', one([logProbCase()]));
    expect(tf.getBackend()).toBe('wasm');
  });

  test('--json prints one document, with NaN as a string', async () => {
    const golden = logProbCase({ name: 'broken', value: Number.NaN });
    const { code, out } = await command('--dir', one([golden]), '--json');
    const report = JSON.parse(out);
    expect(code).toBe(1);
    expect(report.totals).toEqual({ passed: 0, failed: 1, 'differs by decision': 0, 'not mapped': 0 });
    expect(report.files[0].cases[0]).toMatchObject({
      name: 'broken',
      status: 'failed',
      worst: { part: 'logprobs', index: [0], expected: 'NaN', error: 'Infinity' },
    });
  });

  test('--family takes the files whose names start with it', async () => {
    const directory = directoryOf({ 'logprobs.trl.json': [logProbCase()], 'loss-aggregation.verl.json': [] });
    const { out } = await command('--dir', directory, '--family', 'logprobs', '--json');
    expect(JSON.parse(out).files.map(({ file }: { file: string }) => file)).toEqual(['logprobs.trl.json']);
  });

  test.each<[string, string, RegExp]>([
    ['no JSON', '{', /not JSON/],
    ['no cases', '{"source": {}}', /list "cases"/],
    ['a case without a name', '{"cases": [{}]}', /case 0 must be an object with a "name"/],
    [
      'a tensor of the wrong size',
      JSON.stringify({ cases: [{ name: 'x', inputs: { logits: { shape: [2], dtype: 'float64', data: [1] } } }] }),
      /case x: inputs\.logits: shape \[2\] needs 2 entries; got 1/,
    ],
    [
      'an entry that is no number',
      JSON.stringify({ cases: [{ name: 'x', outputs: { loss: { shape: [], dtype: 'float64', data: ['much'] } } }] }),
      /case x: outputs\.loss: .* got much/,
    ],
  ])('a malformed file (%s) ends with 2 and a sentence that names it', async (_, text, sentence) => {
    const directory = directoryOf({ 'logprobs.trl.json': [logProbCase()], 'value-loss.json': text });
    const { code, out, err } = await command('--dir', directory);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(join(directory, 'value-loss.json'));
    expect(err).toMatch(sentence);
  });

  test('what cannot be run at all ends with 2', async () => {
    const missing = join(one([]), 'nowhere');
    expect(await command('--dir', missing)).toMatchObject({ code: 2, err: expect.stringContaining(missing) });
    const empty = directoryOf({});
    expect(await command('--dir', empty)).toMatchObject({ code: 2, err: expect.stringContaining('no golden file') });
    const none = await command('--dir', one([]), '--family', 'dpo');
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('starts with dpo') });
    expect(await command()).toMatchObject({ code: 2, err: expect.stringContaining('--dir') });
    expect((await command('--dir', empty, '--backend', 'abacus')).code).toBe(2);
    expect((await command('--help')).code).toBe(0);
  });
});

describe('what is not mapped', () => {
  test('a family without a mapping, and a function that a mapping does not know', async () => {
    const directory = directoryOf({
      'unheard-of.json': [logProbCase()],
      'logprobs.verl.json': [{ ...logProbCase(), function: 'another' }],
    });
    const { code, out } = await command('--dir', directory);
    expect(code).toBe(0);
    expect(out).toContain('logprobs.verl.json one: no mapping of the function another');
    expect(out).toContain('1 whole files with 1 cases');
    expect(out).toContain('2 cases: 0 passed, 0 failed, 0 differ by decision, 2 not mapped yet');
  });

  test('a case that lacks an input, an output of ours, or anything to compare, fails', async () => {
    const golden = logProbCase() as { inputs: object };
    const { index: _, ...inputs } = golden.inputs as { index: object };
    expect(await only('logprobs.trl.json', { ...golden, inputs })).toMatchObject({
      status: 'failed',
      reason: 'the case has no input tensor index',
    });
    expect(await only('logprobs.trl.json', { ...golden, outputs: { unknown: tensor(1) } })).toMatchObject({
      status: 'failed',
      reason: 'nothing of ours gives unknown',
    });
    expect(await only('logprobs.trl.json', { ...golden, outputs: {}, gradients: {} })).toMatchObject({
      status: 'failed',
    });
  });

  test('the longest name of a mapping takes the file', () => {
    expect(familyOf('value-loss.json')?.file).toBe('value-loss');
    expect(familyOf('value-loss.openrlhf.json')?.file).toBe('value-loss.openrlhf');
    expect(familyOf('value-loss.openrlhf-more.json')?.file).toBe('value-loss.openrlhf');
    expect(familyOf('value-losses.json')).toBeUndefined();
    expect(familyOf('loss-aggregation.json')).toBeUndefined();
  });
});

describe('sources that raise', () => {
  const clip = (clip_ratio_c: number): object => ({
    name: 'raises',
    inputs: {},
    params: { clip_ratio: 0.2, clip_ratio_c },
    outputs: { raises: 'AssertionError' },
  });

  test('ours must throw', async () => {
    expect(await only('policy-loss.vanilla.json', clip(1))).toEqual({ name: 'raises', status: 'passed' });
  });

  test('a case that only lacks something is not an error of ours', async () => {
    expect(await only('policy-loss.vanilla.json', clip(3))).toMatchObject({ status: 'failed' });
  });

  test('ours must not return', async () => {
    const golden = { ...tokenMeanCase([1, 2], 0), outputs: { raises: 'ValueError' } };
    expect(await only('loss-aggregation.verl.json', golden)).toMatchObject({
      status: 'failed',
      reason: 'the source raises ValueError, ours returned',
    });
  });

  test('ours must not throw where the source returns', async () => {
    const golden = { ...clip(1), outputs: { loss: tensor(0) } };
    expect(await only('policy-loss.vanilla.json', golden)).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('ppoClip: dualClip'),
    });
  });
});

describe('decisions', () => {
  test('are printed with their reason, and counted on their own', async () => {
    const golden = {
      name: 'nameless',
      inputs: { loss_mat: tensor([[1]]), loss_mask: mask([[1]]) },
      params: { loss_agg_mode: 'median' },
      outputs: { raises: 'ValueError' },
    };
    const { code, out } = await command('--dir', one([golden], 'loss-aggregation.verl.json'));
    expect(code).toBe(0);
    expect(out).toContain('0 passed, 0 failed, 1 differ by decision, 0 not mapped yet');
    expect(out).toContain(decisions.find(({ name }) => name === 'functions-not-names')?.reason);
  });

  const averaged = (rows: readonly number[][], counts: readonly number[][], loss: number): object => ({
    name: 'averaged',
    inputs: { loss_mat: tensor(rows), loss_mask: mask(counts) },
    params: { loss_agg_mode: 'token-mean' },
    outputs: { loss: tensor(loss) },
  });

  test('an empty mask excuses NaN, and nothing else', async () => {
    const file = 'loss-aggregation.verl.json';
    expect(await only(file, averaged([[1, 2]], [[0, 0]], Number.NaN))).toMatchObject({
      status: 'differs by decision',
      decision: 'nothing-to-average',
    });
    expect(await only(file, averaged([[1, 2]], [[0, 0]], 1))).toMatchObject({ status: 'failed' });
    expect(await only(file, averaged([[1, 2]], [[0, 1]], Number.NaN))).toMatchObject({ status: 'failed' });
  });

  const whitened = (values: readonly number[], result: readonly number[]): object => ({
    name: 'whitened',
    function: 'masked_whiten',
    inputs: { values: tensor([values]), mask: mask([values.map(() => 1)]) },
    params: {},
    outputs: { result: tensor([result]) },
  });

  test('values without variance excuse what is left of an epsilon, and nothing else', async () => {
    const file = 'masked-stats.verl.json';
    expect(await only(file, whitened([2.5, 2.5], [1.25e-4, 1.25e-4]))).toMatchObject({ decision: 'no-variance' });
    expect(await only(file, whitened([2.5, 2.5], [1e-3, 1e-3]))).toMatchObject({ status: 'failed' });
    expect(await only(file, whitened([2.5, 3.5], [-0.7, 0.7]))).toMatchObject({ status: 'failed' });
  });

  test('a token of probability 0 excuses a NaN of the source, and no number', async () => {
    const entropy = (value: number): object => ({
      name: 'entropy',
      function: 'entropy_from_logits',
      inputs: { logits: tensor([[0, 0, Number.NEGATIVE_INFINITY]]) },
      params: {},
      outputs: { entropy: tensor([value]) },
    });
    expect(await only('entropy.trl.json', entropy(Number.NaN))).toMatchObject({ decision: 'masked-vocabulary' });
    expect(await only('entropy.trl.json', entropy(Math.LN2))).toMatchObject({ status: 'passed' });
    expect(await only('entropy.trl.json', entropy(Math.log(3)))).toMatchObject({ status: 'failed' });
  });

  test('a row without a token excuses the outcome in its last column, and nothing else', async () => {
    const shaped = (reward: readonly number[][]): object => ({
      name: 'empty row',
      function: 'compute_reward',
      inputs: {
        r: tensor([2, 3]),
        kl: tensor([
          [0.5, 1],
          [0, 0.25],
        ]),
        action_mask: mask([
          [1, 0],
          [0, 0],
        ]),
      },
      params: { kl_coef: 0.5, reward_clip_range: [-1, 1] },
      outputs: { reward: tensor(reward) },
    });
    const first = [0.75, -0.5];
    const run = (second: readonly number[]) => only('kl-penalty.openrlhf.json', shaped([first, [...second]]));
    expect(await run([0, 0.875])).toMatchObject({ decision: 'no-token-no-reward' });
    expect(await run([0, -0.125])).toMatchObject({ status: 'passed' });
    expect(await run([1, -0.125])).toMatchObject({ status: 'failed' });
  });

  test('an unfinished estimator of the source excuses a number of ours, and a known one does not', async () => {
    const kl = (kl_penalty: string): object => ({
      name: 'unfinished',
      function: 'kl_penalty',
      inputs: { logprob: tensor([[-1, -0.5]]), ref_logprob: tensor([[-1.5, -0.25]]) },
      params: { kl_penalty },
      outputs: { raises: 'NotImplementedError' },
    });
    expect(await only('kl-penalty.verl.json', kl('k3+'))).toMatchObject({ decision: 'works-here' });
    expect(await only('kl-penalty.verl.json', kl('k9'))).toMatchObject({ decision: 'functions-not-names' });
    expect(await only('kl-penalty.verl.json', kl('k3'))).toMatchObject({ status: 'failed' });
  });

  test('the gradient of the full divergence must be the one of the source, taken to the logits', async () => {
    const p = [0.2, 0.5, 0.3];
    const q = [0.4, 0.4, 0.2];
    const logs = (probs: readonly number[]): number[] => probs.map(Math.log);
    const terms = p.map((x, i) => x * Math.log(x / (q[i] as number)));
    const full = (logprob: readonly number[]): object => ({
      name: 'full',
      function: '_compute_kl_penalty',
      inputs: { logprob: tensor([logs(p)]), ref_logprob: tensor([logs(q)]) },
      params: { estimation_type: 'full' },
      outputs: { kl: tensor([terms.reduce((a, b) => a + b)]) },
      gradients: { logprob: tensor([logprob]), ref_logprob: tensor([p.map((x) => -x)]) },
    });
    const gradient = terms.map((term, i) => term + (p[i] as number));
    expect(await only('kl-penalty.spo.json', full(gradient))).toMatchObject({ decision: 'logits-not-log-probs' });
    expect(await only('kl-penalty.spo.json', full(gradient.with(0, 0)))).toMatchObject({ status: 'failed' });
  });
});

describe('masked entries', () => {
  // Golden values of the specification, core.md 3.1: a hole is skipped.
  const gae = (garbage: number): object => ({
    name: 'hole',
    inputs: {
      token_level_rewards: tensor([[0, 9, 0, 1]]),
      values: tensor([[0.1, 7, 0.3, 0.4]]),
      response_mask: mask([[1, 0, 1, 1]]),
    },
    params: { gamma: 1, lam: 0.95 },
    outputs: { raw_advantages: tensor([[0.8365, garbage, 0.67, 0.6]]) },
  });

  test('are not looked at where the source leaves what its formula gives', async () => {
    expect(await only('advantages.gae.verl.json', gae(123))).toMatchObject({ status: 'passed' });
  });

  test('must be 0 in ours all the same', () => {
    const golden = parseGolden('x', JSON.stringify({ cases: [{ name: 'x', outputs: { a: tensor([1, 2]) } }] }))[0]!;
    const ours = (data: readonly number[]): Computed => ({
      kind: 'computed',
      precision: 'float64',
      outputs: { a: { shape: [2], data, counts: [1, 0] } },
      gradients: {},
    });
    expect(compare(golden, ours([1, 0]))).toEqual([]);
    expect(compare(golden, ours([1, 2]))).toMatchObject([{ part: 'a', index: [1], expected: 0, got: 2 }]);
  });
});

describe('the bound from the condition', () => {
  // 1000000.1 is 1000000.125 in float32: the mean of the two moves by 0.0125.
  const cancelling = [1_000_000.1, -1_000_000];

  test('holds where float32 cannot do better', async () => {
    const directory = one([tokenMeanCase(cancelling, 0.05)], 'loss-aggregation.verl.json');
    const { code, out } = await command('--dir', directory);
    expect(code).toBe(0);
    expect(out).toMatch(/condition of the case\n {2}loss-aggregation\.verl\.json mean: 6250 plain tolerances/);
    expect(tf.getBackend()).toBe('wasm');
    expect(new Float32Array([0.1])[0]).not.toBe(0.1);
  });

  test('is no excuse for a wrong formula: float64 must agree with the golden', async () => {
    expect(await only('loss-aggregation.verl.json', tokenMeanCase(cancelling, 0.06))).toMatchObject({
      status: 'failed',
    });
  });
});
