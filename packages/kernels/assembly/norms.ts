// RMSNorm and LayerNorm, forward and backward.

import { dot, dot3, drain, lanes, squares, sum } from './vectors';

/** Rows whose weight gradients are summed before they join the sum of all. */
const BLOCK: usize = 64;

/** y = w r x, with r = 1 / sqrt(mean(x²) + ε) at `scales`. */
export function rmsNorm(
  x: usize,
  weight: usize,
  epsilon: f64,
  y: usize,
  scales: usize,
  rows: usize,
  width: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const r = <f32>(1 / Math.sqrt(dot(x, x, width) / <f64>width + epsilon));
    store<f32>(scales, r);
    normalizeRow(x, weight, 0, 0, r, y, width);
    scales += 4;
    x += width << 2;
    y += width << 2;
  }
}

/** y = w (x − mean) r + b; without bias where its address is 0. */
export function normalizeRow(x: usize, w: usize, b: usize, mean: f32, r: f32, y: usize, n: usize): void {
  const scale = f32x4.splat(r);
  const center = f32x4.splat(mean);
  const end = x + (n << 2);
  if (b === 0) {
    while (x + 16 <= end) {
      v128.store(y, f32x4.mul(f32x4.mul(v128.load(x), scale), v128.load(w)));
      x += 16;
      w += 16;
      y += 16;
    }
    while (x < end) {
      store<f32>(y, load<f32>(x) * r * load<f32>(w));
      x += 4;
      w += 4;
      y += 4;
    }
    return;
  }
  while (x + 16 <= end) {
    const normed = f32x4.mul(f32x4.sub(v128.load(x), center), scale);
    v128.store(y, f32x4.add(f32x4.mul(normed, v128.load(w)), v128.load(b)));
    x += 16;
    w += 16;
    b += 16;
    y += 16;
  }
  while (x < end) {
    store<f32>(y, (load<f32>(x) - mean) * r * load<f32>(w) + load<f32>(b));
    x += 4;
    w += 4;
    b += 4;
    y += 4;
  }
}

/** dx and dw of `rmsNorm`; `workspace` holds `width` floats. */
export function rmsNormGradient(
  x: usize,
  weight: usize,
  scales: usize,
  dy: usize,
  dx: usize,
  dWeight: usize,
  rows: usize,
  width: usize,
  workspace: usize,
): void {
  memory.fill(dWeight, 0, width << 2);
  memory.fill(workspace, 0, width << 2);
  for (let row: usize = 0; row < rows; row++) {
    const r = load<f32>(scales + (row << 2));
    // dx = r (w dy) − x r³ mean(w dy x)
    const share = <f32>((<f64>r * <f64>r * <f64>r * dot3(dy, weight, x, width)) / <f64>width);
    rmsRowGradient(x, weight, r, share, dy, dx, workspace, width);
    if (row % BLOCK === BLOCK - 1) drain(workspace, dWeight, width);
    x += width << 2;
    dy += width << 2;
    dx += width << 2;
  }
  drain(workspace, dWeight, width);
}

export function rmsRowGradient(
  x: usize,
  w: usize,
  r: f32,
  share: f32,
  dy: usize,
  dx: usize,
  dw: usize,
  n: usize,
): void {
  const scale = f32x4.splat(r);
  const part = f32x4.splat(share);
  const end = x + (n << 2);
  while (x + 16 <= end) {
    const at = v128.load(x);
    const scaled = f32x4.mul(v128.load(dy), scale);
    v128.store(dx, f32x4.sub(f32x4.mul(scaled, v128.load(w)), f32x4.mul(at, part)));
    v128.store(dw, f32x4.add(v128.load(dw), f32x4.mul(scaled, at)));
    x += 16;
    w += 16;
    dy += 16;
    dx += 16;
    dw += 16;
  }
  while (x < end) {
    const at = load<f32>(x);
    const scaled = load<f32>(dy) * r;
    store<f32>(dx, scaled * load<f32>(w) - at * share);
    store<f32>(dw, load<f32>(dw) + scaled * at);
    x += 4;
    w += 4;
    dy += 4;
    dx += 4;
    dw += 4;
  }
}

/** y = w (x − m) r + b with the mean m and r = 1 / sqrt(variance + ε), side by side at `stats`. */
export function layerNorm(
  x: usize,
  weight: usize,
  bias: usize,
  epsilon: f64,
  y: usize,
  stats: usize,
  rows: usize,
  width: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const mean = <f32>(sum(x, width) / <f64>width);
    const r = <f32>(1 / Math.sqrt(squares(x, mean, width) / <f64>width + epsilon));
    store<f32>(stats, mean);
    store<f32>(stats, r, 4);
    normalizeRow(x, weight, bias, mean, r, y, width);
    stats += 8;
    x += width << 2;
    y += width << 2;
  }
}

/** dx, dw and db of `layerNorm`; `workspace` holds 2 `width` floats. */
export function layerNormGradient(
  x: usize,
  weight: usize,
  stats: usize,
  dy: usize,
  dx: usize,
  dWeight: usize,
  dBias: usize,
  rows: usize,
  width: usize,
  workspace: usize,
): void {
  const spare = workspace + (width << 2);
  memory.fill(dWeight, 0, width << 2);
  memory.fill(dBias, 0, width << 2);
  memory.fill(workspace, 0, width << 3);
  for (let row: usize = 0; row < rows; row++) {
    const mean = load<f32>(stats + (row << 3));
    const r = load<f32>(stats + (row << 3), 4);
    layerRowGradient(x, weight, mean, r, dy, dx, workspace, spare, width);
    if (row % BLOCK === BLOCK - 1) {
      drain(workspace, dWeight, width);
      drain(spare, dBias, width);
    }
    x += width << 2;
    dy += width << 2;
    dx += width << 2;
  }
  drain(workspace, dWeight, width);
  drain(spare, dBias, width);
}

/** With g = w dy and n = (x − m) r: dx = r (g − mean(g) − n mean(g n)); what a row adds to dw and db. */
export function layerRowGradient(
  x: usize,
  w: usize,
  mean: f32,
  r: f32,
  dy: usize,
  dx: usize,
  dw: usize,
  db: usize,
  n: usize,
): void {
  const scale = f32x4.splat(r);
  const center = f32x4.splat(mean);
  const bytes = n << 2;
  let plain = f32x4.splat(0);
  let along = plain;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const g = f32x4.mul(v128.load(dy + at), v128.load(w + at));
    const normed = f32x4.mul(f32x4.sub(v128.load(x + at), center), scale);
    plain = f32x4.add(plain, g);
    along = f32x4.add(along, f32x4.mul(g, normed));
  }
  let plainSum = lanes(plain);
  let alongSum = lanes(along);
  for (; at < bytes; at += 4) {
    const g = load<f32>(dy + at) * load<f32>(w + at);
    plainSum += <f64>g;
    alongSum += <f64>(g * (load<f32>(x + at) - mean) * r);
  }
  const plainMean = <f32>(plainSum / <f64>n);
  const alongMean = <f32>(alongSum / <f64>n);
  const level = f32x4.splat(plainMean);
  const slope = f32x4.splat(alongMean);
  at = 0;
  for (; at + 16 <= bytes; at += 16) {
    const d = v128.load(dy + at);
    const normed = f32x4.mul(f32x4.sub(v128.load(x + at), center), scale);
    const g = f32x4.sub(f32x4.sub(f32x4.mul(d, v128.load(w + at)), level), f32x4.mul(normed, slope));
    v128.store(dx + at, f32x4.mul(g, scale));
    v128.store(dw + at, f32x4.add(v128.load(dw + at), f32x4.mul(d, normed)));
    v128.store(db + at, f32x4.add(v128.load(db + at), d));
  }
  for (; at < bytes; at += 4) {
    const d = load<f32>(dy + at);
    const normed = (load<f32>(x + at) - mean) * r;
    store<f32>(dx + at, (d * load<f32>(w + at) - plainMean - normed * alongMean) * r);
    store<f32>(dw + at, load<f32>(dw + at) + d * normed);
    store<f32>(db + at, load<f32>(db + at) + d);
  }
}
