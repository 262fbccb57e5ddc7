// The layers of a transformer between its matrix products, forward and backward, one pass over memory each. Rows are
// dense unless a stride is named; sizes are in floats, addresses in bytes. What the gradients need beyond their inputs
// is two numbers a row at most.

import { EXP_CONSTANTS, exp4, LEAST, storeExpConstants } from './exp';

/** Rows whose weight gradients are summed before they join the sum of all. */
const BLOCK: usize = 64;

const ONE: f32 = 1;

// `work` holds what `exp` needs: the constants of exp.ts, log2(e), and the x below which it is 0.
const SLOPE: usize = EXP_CONSTANTS;
const LOWEST: usize = SLOPE + 16;
const LOG2_E: f32 = 1.4426950408889634;

/** How many bytes `prepare` fills. */
export function workBytes(): usize {
  return LOWEST + 16;
}

/** Must precede the functions that are given `work`. */
export function prepare(work: usize): void {
  storeExpConstants(work);
  v128.store(work, f32x4.splat(LOG2_E), SLOPE);
  v128.store(work, f32x4.splat(LEAST / LOG2_E), LOWEST);
}

/** exp(x) for x <= 0; 0 of −∞, NaN of NaN. */
@inline
function exp(x: v128, work: usize): v128 {
  return exp4(
    f32x4.pmax(x, v128.load(work, LOWEST)),
    v128.load(work, SLOPE),
    v128.load(work),
    v128.load(work, 16),
    v128.load(work, 32),
    v128.load(work, 48),
    v128.load(work, 64),
    v128.load(work, 80),
  );
}

/** Four lanes as one number, in float64. */
@inline
function lanes(x: v128): f64 {
  return (
    <f64>f32x4.extract_lane(x, 0) +
    <f64>f32x4.extract_lane(x, 1) +
    (<f64>f32x4.extract_lane(x, 2) + <f64>f32x4.extract_lane(x, 3))
  );
}

/** Σ a b over n numbers. */
export function dot(a: usize, b: usize, n: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = a + (n << 2);
  while (a + 64 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(b, 16)));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(b, 32)));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(b, 48)));
    a += 64;
    b += 64;
  }
  while (a + 16 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
  }
  while (a < end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load32_zero(a), v128.load32_zero(b)));
    a += 4;
    b += 4;
  }
  return lanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** Σ a b c over n numbers. */
export function dot3(a: usize, b: usize, c: usize, n: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (n << 2);
  while (a + 32 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(f32x4.mul(v128.load(a), v128.load(b)), v128.load(c)));
    s1 = f32x4.add(s1, f32x4.mul(f32x4.mul(v128.load(a, 16), v128.load(b, 16)), v128.load(c, 16)));
    a += 32;
    b += 32;
    c += 32;
  }
  while (a + 16 <= end) {
    s0 = f32x4.add(s0, f32x4.mul(f32x4.mul(v128.load(a), v128.load(b)), v128.load(c)));
    a += 16;
    b += 16;
    c += 16;
  }
  while (a < end) {
    s0 = f32x4.add(s0, f32x4.mul(f32x4.mul(v128.load32_zero(a), v128.load32_zero(b)), v128.load32_zero(c)));
    a += 4;
    b += 4;
    c += 4;
  }
  return lanes(f32x4.add(s0, s1));
}

/** Σ a over n numbers. */
export function sum(a: usize, n: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (n << 2);
  while (a + 32 <= end) {
    s0 = f32x4.add(s0, v128.load(a));
    s1 = f32x4.add(s1, v128.load(a, 16));
    a += 32;
  }
  while (a < end) {
    s0 = f32x4.add(s0, v128.load32_zero(a));
    a += 4;
  }
  return lanes(f32x4.add(s0, s1));
}

/** Σ (a − mean)² over n numbers. */
export function squares(a: usize, mean: f32, n: usize): f64 {
  const m = f32x4.splat(mean);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (n << 2);
  while (a + 32 <= end) {
    const x = f32x4.sub(v128.load(a), m);
    const y = f32x4.sub(v128.load(a, 16), m);
    s0 = f32x4.add(s0, f32x4.mul(x, x));
    s1 = f32x4.add(s1, f32x4.mul(y, y));
    a += 32;
  }
  let rest: f64 = 0;
  while (a < end) {
    const x = load<f32>(a) - mean;
    rest += <f64>(x * x);
    a += 4;
  }
  return lanes(f32x4.add(s0, s1)) + rest;
}

/** to += from over n numbers; from becomes 0. */
export function drain(from: usize, to: usize, n: usize): void {
  const zero = f32x4.splat(0);
  const end = from + (n << 2);
  while (from + 16 <= end) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    v128.store(from, zero);
    from += 16;
    to += 16;
  }
  while (from < end) {
    store<f32>(to, load<f32>(to) + load<f32>(from));
    store<f32>(from, 0);
    from += 4;
    to += 4;
  }
}

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

/** σ(x) = 1 / (1 + e) or e / (1 + e) with e = exp(−|x|), which never overflows; σ(−x) is the other one. */
@inline
function sigmoid(x: v128, work: usize): v128 {
  const e = exp(f32x4.neg(f32x4.abs(x)), work);
  const one = f32x4.splat(ONE);
  const top = v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0)));
  return f32x4.div(top, f32x4.add(one, e));
}

/** d/dx of x σ(x): σ (1 + x (1 − σ)). */
@inline
function siluSlope(x: v128, share: v128): v128 {
  const one = f32x4.splat(ONE);
  return f32x4.mul(share, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, share))));
}

const ROOT_2_OVER_PI: f32 = 0.7978845608028654;
const CUBIC: f32 = 0.044715;

/** The argument of the tanh of GELU's approximation, twice: ½ (1 + tanh u) = σ(2u). */
@inline
function twiceU(x: v128): v128 {
  const inner = f32x4.add(f32x4.splat(ONE), f32x4.mul(f32x4.splat(CUBIC), f32x4.mul(x, x)));
  return f32x4.mul(f32x4.mul(f32x4.splat(2 * ROOT_2_OVER_PI), x), inner);
}

/** Between ±limit, NaN as it is; beyond, GELU is linear to the last bit. */
@inline
function clamp(x: v128, limit: f32): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(-limit)), f32x4.splat(limit));
}

@inline
function geluTanhSlope(x: v128, work: usize): v128 {
  const z = clamp(x, 20);
  const share = sigmoid(twiceU(z), work);
  const square = f32x4.mul(z, z);
  const inner = f32x4.add(f32x4.splat(ONE), f32x4.mul(f32x4.splat(3 * CUBIC), square));
  const change = f32x4.mul(f32x4.splat(2 * ROOT_2_OVER_PI), inner);
  const rest = f32x4.mul(f32x4.mul(z, change), f32x4.sub(f32x4.splat(ONE), share));
  return f32x4.mul(share, f32x4.add(f32x4.splat(ONE), rest));
}

/** exp(−z²/2) */
@inline
function bell(z: v128, work: usize): v128 {
  return exp(f32x4.mul(f32x4.mul(z, z), f32x4.splat(-0.5)), work);
}

/**
 * The normal distribution function Φ(z), from its bell. Φ(−|z|) = bell(z) Q(t) with t = 1 / (1 + 0.3 |z|): the degree-8
 * polynomial Q was fitted to ½ erfcx(|z| / √2) on [0, 15] for the least relative error, which is 6e-8.
 */
@inline
function normal(z: v128, bellOfZ: v128): v128 {
  const one = f32x4.splat(ONE);
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(f32x4.splat(0.3), f32x4.abs(z))));
  let q = f32x4.splat(0.038424987345933914);
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-0.16939294338226318));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.22912821173667908));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-0.0770411416888237));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.1429041177034378));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.09452691674232483));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.12196027487516403));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.1194821149110794));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(7.494288638554281e-06));
  const tail = f32x4.mul(bellOfZ, q);
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(z, f32x4.splat(0)));
}

@inline
function geluErfSlope(x: v128, work: usize): v128 {
  const z = clamp(x, 20);
  const density = bell(z, work);
  return f32x4.add(normal(z, density), f32x4.mul(f32x4.mul(z, f32x4.splat(0.3989422804014327)), density));
}

const SILU: u32 = 0;
const GELU_TANH: u32 = 1;

@inline
function activationOf(kind: u32, x: v128, work: usize): v128 {
  if (kind === SILU) return f32x4.mul(x, sigmoid(x, work));
  if (kind === GELU_TANH) return f32x4.mul(x, sigmoid(twiceU(x), work));
  const z = clamp(x, 20);
  return f32x4.mul(x, normal(z, bell(z, work)));
}

@inline
function slopeOf(kind: u32, x: v128, work: usize): v128 {
  if (kind === SILU) return siluSlope(x, sigmoid(x, work));
  if (kind === GELU_TANH) return geluTanhSlope(x, work);
  return geluErfSlope(x, work);
}

/** y = f(x) over n numbers: SiLU (0), GELU by tanh (1), GELU by erf (2). */
export function activation(kind: u32, x: usize, y: usize, n: usize, work: usize): void {
  const end = x + (n << 2);
  while (x + 16 <= end) {
    v128.store(y, activationOf(kind, v128.load(x), work));
    x += 16;
    y += 16;
  }
  while (x < end) {
    v128.store_lane<f32>(y, activationOf(kind, v128.load32_zero(x), work), 0);
    x += 4;
    y += 4;
  }
}

/** dx = dy f'(x). */
export function activationGradient(kind: u32, x: usize, dy: usize, dx: usize, n: usize, work: usize): void {
  const end = x + (n << 2);
  while (x + 16 <= end) {
    v128.store(dx, f32x4.mul(v128.load(dy), slopeOf(kind, v128.load(x), work)));
    x += 16;
    dy += 16;
    dx += 16;
  }
  while (x < end) {
    v128.store_lane<f32>(dx, f32x4.mul(v128.load32_zero(dy), slopeOf(kind, v128.load32_zero(x), work)), 0);
    x += 4;
    dy += 4;
    dx += 4;
  }
}

/** y = g σ(g) u over n numbers. */
export function swiglu(gate: usize, up: usize, y: usize, n: usize, work: usize): void {
  const end = gate + (n << 2);
  while (gate + 16 <= end) {
    const g = v128.load(gate);
    v128.store(y, f32x4.mul(f32x4.mul(g, sigmoid(g, work)), v128.load(up)));
    gate += 16;
    up += 16;
    y += 16;
  }
  while (gate < end) {
    const g = v128.load32_zero(gate);
    v128.store_lane<f32>(y, f32x4.mul(f32x4.mul(g, sigmoid(g, work)), v128.load32_zero(up)), 0);
    gate += 4;
    up += 4;
    y += 4;
  }
}

/** dg = dy u silu'(g), du = dy silu(g). */
export function swigluGradient(gate: usize, up: usize, dy: usize, dGate: usize, dUp: usize, n: usize, work: usize): void {
  const end = gate + (n << 2);
  while (gate + 16 <= end) {
    const g = v128.load(gate);
    const d = v128.load(dy);
    const share = sigmoid(g, work);
    v128.store(dGate, f32x4.mul(f32x4.mul(d, v128.load(up)), siluSlope(g, share)));
    v128.store(dUp, f32x4.mul(d, f32x4.mul(g, share)));
    gate += 16;
    up += 16;
    dy += 16;
    dGate += 16;
    dUp += 16;
  }
  while (gate < end) {
    const g = v128.load32_zero(gate);
    const d = v128.load32_zero(dy);
    const share = sigmoid(g, work);
    v128.store_lane<f32>(dGate, f32x4.mul(f32x4.mul(d, v128.load32_zero(up)), siluSlope(g, share)), 0);
    v128.store_lane<f32>(dUp, f32x4.mul(d, f32x4.mul(g, share)), 0);
    gate += 4;
    up += 4;
    dy += 4;
    dGate += 4;
    dUp += 4;
  }
}

/**
 * Turns the halves of each head by its position, or back with `sign` −1. x is [rows, heads, size] with row r at position
 * r % length; `table` is [length, 2, size / 2], the cosines of a position before its sines.
 */
export function rotate(
  x: usize,
  table: usize,
  sign: f32,
  y: usize,
  rows: usize,
  length: usize,
  heads: usize,
  size: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const at = table + (((row % length) * size) << 2);
    for (let head: usize = 0; head < heads; head++) {
      rotateHead(x, at, sign, y, size);
      x += size << 2;
      y += size << 2;
    }
  }
}

export function rotateHead(x: usize, table: usize, sign: f32, y: usize, size: usize): void {
  const half = (size >> 1) << 2;
  const turn = f32x4.splat(sign);
  let at: usize = 0;
  for (; at + 16 <= half; at += 16) {
    const c = v128.load(table + at);
    const s = f32x4.mul(v128.load(table + half + at), turn);
    const a = v128.load(x + at);
    const b = v128.load(x + half + at);
    v128.store(y + at, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(y + half + at, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
  }
  for (; at < half; at += 4) {
    const c = load<f32>(table + at);
    const s = load<f32>(table + half + at) * sign;
    const a = load<f32>(x + at);
    const b = load<f32>(x + half + at);
    store<f32>(y + at, a * c - b * s);
    store<f32>(y + half + at, b * c + a * s);
  }
}

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

/** The largest of n ≥ 1 numbers; NaN counts as nothing, and comes back through the exponentials. */
export function top(x: usize, n: usize): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  const end = x + (n << 2);
  while (x + 32 <= end) {
    m0 = f32x4.pmax(m0, v128.load(x));
    m1 = f32x4.pmax(m1, v128.load(x, 16));
    x += 32;
  }
  m0 = f32x4.pmax(m0, m1);
  while (x < end) {
    m0 = f32x4.pmax(m0, v128.load32_splat(x));
    x += 4;
  }
  return max(
    max(f32x4.extract_lane(m0, 0), f32x4.extract_lane(m0, 1)),
    max(f32x4.extract_lane(m0, 2), f32x4.extract_lane(m0, 3)),
  );
}

/** y = exp(x − m) over n numbers, and their sum. The constants of `exp` stay in registers. */
export function exponentials(x: usize, m: f32, y: usize, n: usize, work: usize): f64 {
  const most = f32x4.splat(m);
  const lowest = v128.load(work, LOWEST);
  const slope = v128.load(work, SLOPE);
  const shift = v128.load(work);
  const c1 = v128.load(work, 16);
  const c2 = v128.load(work, 32);
  const c3 = v128.load(work, 48);
  const c4 = v128.load(work, 64);
  const c5 = v128.load(work, 80);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = x + (n << 2);
  while (x + 32 <= end) {
    const z0 = f32x4.pmax(f32x4.sub(v128.load(x), most), lowest);
    const z1 = f32x4.pmax(f32x4.sub(v128.load(x, 16), most), lowest);
    const e0 = exp4(z0, slope, shift, c1, c2, c3, c4, c5);
    const e1 = exp4(z1, slope, shift, c1, c2, c3, c4, c5);
    s0 = f32x4.add(s0, e0);
    s1 = f32x4.add(s1, e1);
    v128.store(y, e0);
    v128.store(y, e1, 16);
    x += 32;
    y += 32;
  }
  let total = lanes(f32x4.add(s0, s1));
  while (x < end) {
    const e = exp(f32x4.sub(v128.load32_splat(x), most), work);
    v128.store_lane<f32>(y, e, 0);
    total += <f64>f32x4.extract_lane(e, 0);
    x += 4;
    y += 4;
  }
  return total;
}

/** x = c x over n numbers. */
export function times(x: usize, factor: f32, n: usize): void {
  const c = f32x4.splat(factor);
  const end = x + (n << 2);
  while (x + 16 <= end) {
    v128.store(x, f32x4.mul(v128.load(x), c));
    x += 16;
  }
  while (x < end) {
    store<f32>(x, load<f32>(x) * factor);
    x += 4;
  }
}
