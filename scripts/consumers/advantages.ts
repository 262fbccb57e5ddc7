import { gae } from '@tsrl/advantages';

// One response of three tokens, rewarded at its end: with gamma 1 and lambda 1 every token gets 1 − V.
const row = (...data: number[]) => ({ data: Float64Array.from(data), rows: 1, columns: data.length });
const { advantages, returns } = gae(
  { rewards: row(0, 0, 1), values: row(0.25, 0.5, 0.75), mask: row(1, 1, 1) },
  { gamma: 1, lambda: 1 },
);

if (advantages.data.join() !== '0.75,0.5,0.25' || returns.data.join() !== '1,1,1') {
  throw new Error(`advantages must be 0.75, 0.5, 0.25; got ${advantages.data.join(', ')}`);
}
