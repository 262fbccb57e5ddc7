// SiLU, GELU and SwiGLU, forward and backward.

import { exp } from './vectors';

const ONE: f32 = 1;

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
