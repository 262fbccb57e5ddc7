import type { Heap } from './heap.js';
import type { Softmax } from './softmax.js';

/**
 * Whether the statistics of a row, and the gradients by both ways, are what plain loops give. The row is a whole step of
 * the loops and a part of one, and has a logit of −∞.
 */
export function hasRightSoftmax(softmax: Softmax, heap: Heap): boolean {
  const [size, id, ignoreId, temperature] = [21, 2, -100, 0.5];
  const address = heap.allocate(4 * (2 * size + 12));
  const numbers = new Float32Array(heap.memory.buffer, address, 2 * size + 12).fill(Number.NaN);
  const at = (index: number): number => address + 4 * index;
  const x = numbers.subarray(0, size).map((_, j) => (j === 5 ? -Infinity : ((j * 7) % 11) / 4));
  const [dy, logSumAt] = [[0.75, 0, -0.5], 2 * size + 7] as const;
  numbers.set(x);
  numbers.set(dy, 2 * size + 8);
  new Int32Array(heap.memory.buffer, at(2 * size), 1)[0] = id;

  const z = [...x].map((value) => (value - 2.5) / temperature);
  const logSum = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0));
  const entropy = z.reduce((sum, v) => (v === -Infinity ? sum : sum - Math.exp(v - logSum) * (v - logSum)), 0);
  const logProb = (z[id] ?? 0) - logSum;
  const expected = [
    ...[logProb, 2.5 / temperature + logSum, entropy, 2.5, logSum],
    ...z.map((value, j) => {
      const inP = value === -Infinity ? 0 : -0.75 + 0.5 * (value - logSum + entropy);
      return ((j === id ? 0.75 : 0) + Math.exp(value - logSum) * inP) / temperature;
    }),
  ];
  const row = { logits: address, ids: at(2 * size), gradient: at(size), rows: 1, size, temperature, ignoreId };
  const call = { ...row, chosen: 1, entropy: true, statistics: at(2 * size + 3), top: at(logSumAt - 1) };
  softmax.selectiveLogSoftmax(call);
  softmax.selectiveLogSoftmaxGradient({ ...call, dy: at(2 * size + 8) });
  const byTwo = [...numbers.subarray(2 * size + 3, 2 * size + 8), ...numbers.subarray(size, 2 * size)];

  let seen: readonly number[] = [];
  softmax.tokenGradients({
    ...call,
    columns: at(2 * size + 8),
    width: 3,
    slopes: (lp, h, columns, offset, out) => {
      seen = [lp, h];
      out.set([columns[offset] as number, columns[offset + 2] as number]);
    },
  });
  const byOne = [...seen, ...numbers.subarray(size, 2 * size)];
  heap.free(address);
  const close = (got: readonly number[], want: readonly number[]): boolean =>
    got.length === want.length && got.every((value, i) => Math.abs(value - (want[i] as number)) < 1e-5);
  return close(byTwo, expected) && close(byOne, [logProb, entropy, ...expected.slice(5)]);
}
