import { createRng } from '@tsrl/core';

const rng = createRng(42);
rng.uniform();
const saved = rng.state();
const next = [rng.uniform(), rng.uniform()];

const resumed = createRng(saved);
if (resumed.uniform() !== next[0] || resumed.uniform() !== next[1]) {
  throw new Error('a generator from a saved state must continue exactly');
}
