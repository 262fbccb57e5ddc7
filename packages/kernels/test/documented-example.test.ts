import { expect, test } from 'vitest';
import { compare } from '../../../docs/examples/faster-tfjs-model.mjs';

test.runIf(process.env['TSRL_BACKEND'] === 'wasm')(
  'the program of docs/performance.md trains alike both ways',
  async () => {
    const { plain, fast } = await compare({ batch: 20, inputs: 12, hidden: 9, steps: 5 });
    expect(plain.loss).toBeLessThan(2.3);
    expect(fast.loss).toBeCloseTo(plain.loss, 5);
  },
);
