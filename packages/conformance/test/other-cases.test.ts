import { createRng } from '@tsrl/core';
import { expect, test } from 'vitest';
import { runDirectory } from '../src/index.ts';
import { directoryOf } from './golden-directory.ts';

// Cases that no golden file holds, made by the definitions of the sources as plain loops over float64.

const rng = createRng(7);
const rows = 5;
const columns = 9;
const size = rows * columns;

type Mode = 'token-mean' | 'seq-mean-token-sum' | 'seq-mean-token-mean' | 'seq-mean-token-sum-norm';
const modes: readonly Mode[] = ['token-mean', 'seq-mean-token-sum', 'seq-mean-token-mean', 'seq-mean-token-sum-norm'];

interface Batch {
  readonly dp_size?: number;
  readonly batch_num_tokens?: number;
  readonly global_batch_size?: number;
  readonly loss_scale_factor?: number;
}
const batches: readonly Batch[] = [
  {},
  { dp_size: 3, batch_num_tokens: 101, global_batch_size: 12, loss_scale_factor: 37 },
  { dp_size: 2, global_batch_size: 8 },
];

const draw = (one: () => number): number[] => Array.from({ length: size }, () => Math.round(one() * 1e4) / 1e4);
const tensor = (data: readonly number[], dtype = 'float64') => ({ shape: [rows, columns], dtype, data });
const scalar = (value: number) => ({ shape: [], dtype: 'float64', data: [value] });

/** One row without a token, holes in the others. */
const drawMask = (): number[] => draw(() => (rng.uniform() < 0.7 ? 1 : 0)).map((m, i) => (i < columns ? 0 : m));

/** What verl multiplies the loss of each token with. */
function weights(mode: Mode, mask: readonly number[], batch: Batch): number[] {
  const lengths = Array.from({ length: rows }, (_, row) =>
    mask.slice(row * columns, (row + 1) * columns).reduce((sum, m) => sum + m, 0),
  );
  const workers = batch.dp_size ?? 1;
  const sequences = batch.global_batch_size ?? lengths.filter((n) => n > 0).length;
  const tokens = batch.batch_num_tokens ?? lengths.reduce((sum, n) => sum + n, 0);
  return mask.map((m, i) => {
    const length = lengths[Math.floor(i / columns)] as number;
    if (mode === 'token-mean') return (m * workers) / tokens;
    if (mode === 'seq-mean-token-sum') return (m * workers) / sequences;
    if (mode === 'seq-mean-token-mean') return (m * workers) / sequences / (length + 1e-8);
    return m / (batch.loss_scale_factor ?? columns);
  });
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);

const settings = modes.flatMap((mode) => batches.map((batch) => ({ mode, batch, name: `${mode} ${batch.dp_size}` })));

function aggregated(): object[] {
  return settings.map(({ mode, batch, name }) => {
    const losses = draw(() => 3 * rng.normal());
    const mask = drawMask();
    const w = weights(mode, mask, batch);
    return {
      name,
      inputs: { loss_mat: tensor(losses), loss_mask: tensor(mask, 'int64') },
      params: { loss_agg_mode: mode, ...batch },
      outputs: { loss: scalar(dot(losses, w)) },
      gradients: { loss_mat: tensor(w) },
    };
  });
}

/** Log-ratios as wide as `width`: with 30, many are clamped, and ratios reach exp(20). */
function vanilla(width: number): object[] {
  const [low, high, c] = [0.15, 0.3, 2.5];
  return settings.map(({ mode, batch, name }) => {
    const [logProbs, old] = [draw(() => -width * rng.uniform()), draw(() => -width * rng.uniform())];
    const advantages = draw(() => rng.normal());
    const mask = drawMask();
    const w = weights(mode, mask, batch);
    const tokens = advantages.map((advantage, i) => {
      const moved = (logProbs[i] as number) - (old[i] as number);
      const ratio = Math.exp(Math.min(20, Math.max(-20, moved)));
      const unclipped = -advantage * ratio;
      const clipped = -advantage * Math.min(1 + high, Math.max(1 - low, ratio));
      const bounded = advantage < 0 && Math.max(unclipped, clipped) > -advantage * c;
      const loss = bounded ? -advantage * c : Math.max(unclipped, clipped);
      return { loss, slope: bounded || clipped > unclipped || Math.abs(moved) > 20 ? 0 : unclipped };
    });
    const losses = tokens.map(({ loss }) => loss);
    return {
      name: `${name} ${width}`,
      inputs: {
        log_prob: tensor(logProbs),
        old_log_prob: tensor(old),
        advantages: tensor(advantages),
        response_mask: tensor(mask, 'int64'),
      },
      params: {
        clip_ratio: 0.2,
        clip_ratio_low: low,
        clip_ratio_high: high,
        clip_ratio_c: c,
        loss_agg_mode: mode,
        global_batch_info: batch,
      },
      outputs: { loss: scalar(dot(losses, w)), per_token_loss: tensor(losses) },
      gradients: { log_prob: tensor(tokens.map(({ slope }, i) => slope * (w[i] as number))) },
    };
  });
}

test('other cases of the mapped families run unchanged', async () => {
  const directory = directoryOf({
    'loss-aggregation.verl.json': aggregated(),
    'policy-loss.vanilla.json': [0.5, 5, 30].flatMap(vanilla),
  });
  const { files, totals } = await runDirectory(directory);
  expect(files.flatMap(({ cases }) => cases.filter(({ status }) => status !== 'passed'))).toEqual([]);
  expect(totals.passed).toBe(4 * settings.length);
});
