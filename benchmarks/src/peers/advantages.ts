import { gae, whiten } from '@tsrl/advantages';
import { createRng, type Grid } from '@tsrl/core';
import type { Formulation, PeerCase } from './compare-peers.js';
import { normals, ones } from './inputs.js';
import type { PeerArray } from './server.js';

const loops: readonly Formulation[] = [
  { name: 'torch eager', formulation: 'rows first', settings: 'loop over the columns of [B, T], no masks' },
  { name: 'torch eager, time first', formulation: 'time first', settings: 'loop over the rows of [T, B], no masks' },
];
const whitened: readonly Formulation[] = [
  { name: 'verl', formulation: 'verl', settings: 'compute_gae_advantage_return', needs: 'verl' },
];

/** Generalized advantage estimation; with `whitening` against verl, which always whitens. */
export function advantages(rows: number, columns: number, whitening: boolean): PeerCase {
  const shape = [rows, columns];
  const options = { gamma: 0.99, lambda: 0.95 };
  return {
    subject: whitening ? 'GAE and whitening' : 'GAE',
    variant: `[${rows}, ${columns}]`,
    detail:
      `advantages and returns of ${rows} responses of ${columns} tokens, all of which count` +
      (whitening ? '; the advantages are whitened' : ''),
    work: { tokens: rows * columns },
    task: 'gae',
    options: { gamma: options.gamma, lam: options.lambda },
    formulations: whitening ? whitened : loops,
    settings: `${whitening ? 'gae, then whiten' : 'gae'} of @tsrl/advantages: float64 arrays, checked and masked; no tfjs`,
    prepare() {
      const rng = createRng(0);
      const inputs = { rewards: normals(shape, rng), values: normals(shape, rng), mask: ones(shape) };
      const grid = ({ data }: PeerArray): Grid => ({ rows, columns, data: Float64Array.from(data) });
      const given = { rewards: grid(inputs.rewards), values: grid(inputs.values), mask: grid(inputs.mask) };
      const compute = (): { advantages: Grid; returns: Grid } => {
        const result = gae(given, options);
        return whitening ? { ...result, advantages: whiten(result.advantages, given.mask) } : result;
      };
      return {
        inputs,
        run: () => void compute(),
        results() {
          const { advantages, returns } = compute();
          return Promise.resolve({ advantages: advantages.data, returns: returns.data });
        },
        dispose: () => undefined,
      };
    },
  };
}
