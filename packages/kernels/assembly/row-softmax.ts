// The softmax of rows of attention scores, forward and backward, where the whole matrix is held.

import { dot, exponentials, times, top } from './vectors';

/** Rows of scores [matrices, length, length]: row i becomes the softmax of its first i + 1 numbers, then zeros. */
export function causalSoftmax(x: usize, y: usize, matrices: usize, length: usize, work: usize): void {
  for (let matrix: usize = 0; matrix < matrices; matrix++) {
    for (let row: usize = 1; row <= length; row++) {
      const total = exponentials(x, top(x, row), y, row, work);
      times(y, <f32>(1 / total), row);
      memory.fill(y + (row << 2), 0, (length - row) << 2);
      x += length << 2;
      y += length << 2;
    }
  }
}

/** dx = y (dy − Σ y dy) within the first i + 1 numbers of row i, 0 behind them. */
export function causalSoftmaxGradient(y: usize, dy: usize, dx: usize, matrices: usize, length: usize): void {
  for (let matrix: usize = 0; matrix < matrices; matrix++) {
    for (let row: usize = 1; row <= length; row++) {
      softmaxRowGradient(y, dy, <f32>dot(y, dy, row), dx, row);
      memory.fill(dx + (row << 2), 0, (length - row) << 2);
      y += length << 2;
      dy += length << 2;
      dx += length << 2;
    }
  }
}

export function softmaxRowGradient(y: usize, dy: usize, mean: f32, dx: usize, n: usize): void {
  const m = f32x4.splat(mean);
  const end = y + (n << 2);
  while (y + 16 <= end) {
    v128.store(dx, f32x4.mul(v128.load(y), f32x4.sub(v128.load(dy), m)));
    y += 16;
    dy += 16;
    dx += 16;
  }
  while (y < end) {
    store<f32>(dx, load<f32>(y) * (load<f32>(dy) - mean));
    y += 4;
    dy += 4;
    dx += 4;
  }
}
