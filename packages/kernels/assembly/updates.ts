// What an optimizer does to all parameters, each in one pass over memory.

/** Squares that are added in float32 before they meet the total in float64. */
const BLOCK: usize = 1024;

/**
 * For the gradient g of a parameter w:
 *
 *   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   update = scale m / (root √v + ε) + shrink w
 *
 * The moments before and after may be the same numbers. w is not read where shrink is 0.
 */
export function adamW(
  m: usize,
  v: usize,
  g: usize,
  w: usize,
  toM: usize,
  toV: usize,
  update: usize,
  n: usize,
  beta1: f32,
  take1: f32,
  beta2: f32,
  take2: f32,
  scale: f32,
  root: f32,
  epsilon: f32,
  shrink: f32,
): void {
  const whole = (n & ~3) << 2;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const grad = v128.load(g + at);
    const mean = f32x4.add(f32x4.mul(v128.load(m + at), f32x4.splat(beta1)), f32x4.mul(grad, f32x4.splat(take1)));
    const square = f32x4.add(
      f32x4.mul(v128.load(v + at), f32x4.splat(beta2)),
      f32x4.mul(f32x4.mul(grad, grad), f32x4.splat(take2)),
    );
    v128.store(toM + at, mean);
    v128.store(toV + at, square);
    const below = f32x4.add(f32x4.mul(f32x4.sqrt(square), f32x4.splat(root)), f32x4.splat(epsilon));
    let step = f32x4.div(f32x4.mul(mean, f32x4.splat(scale)), below);
    if (shrink !== 0) step = f32x4.add(step, f32x4.mul(v128.load(w + at), f32x4.splat(shrink)));
    v128.store(update + at, step);
  }
  for (; at < n << 2; at += 4) {
    const grad = load<f32>(g + at);
    const mean = load<f32>(m + at) * beta1 + grad * take1;
    const square = load<f32>(v + at) * beta2 + grad * grad * take2;
    store<f32>(toM + at, mean);
    store<f32>(toV + at, square);
    let step = (mean * scale) / (sqrt<f32>(square) * root + epsilon);
    if (shrink !== 0) step += load<f32>(w + at) * shrink;
    store<f32>(update + at, step);
  }
}

/** out[0] = Σ x² of n numbers. */
export function sumOfSquares(x: usize, n: usize, out: usize): void {
  let total: f64 = 0;
  for (; n >= BLOCK; n -= BLOCK) {
    total += blockOfSquares(x);
    x += BLOCK << 2;
  }
  for (; n > 0; n--) {
    const value = load<f32>(x);
    total += <f64>(value * value);
    x += 4;
  }
  store<f32>(out, <f32>total);
}

export function blockOfSquares(x: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = x + (BLOCK << 2);
  do {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    s0 = f32x4.add(s0, f32x4.mul(x0, x0));
    s1 = f32x4.add(s1, f32x4.mul(x1, x1));
    s2 = f32x4.add(s2, f32x4.mul(x2, x2));
    s3 = f32x4.add(s3, f32x4.mul(x3, x3));
    x += 64;
  } while (x < end);
  const low = f64x2.add(f64x2.promote_low_f32x4(s0), f64x2.promote_low_f32x4(s1));
  const rest = f64x2.add(f64x2.promote_low_f32x4(s2), f64x2.promote_low_f32x4(s3));
  return pair(f64x2.add(low, rest)) + pair(highs(s0, s1)) + pair(highs(s2, s3));
}

function highs(a: v128, b: v128): v128 {
  return f64x2.add(
    f64x2.promote_low_f32x4(v128.shuffle<f64>(a, a, 1, 1)),
    f64x2.promote_low_f32x4(v128.shuffle<f64>(b, b, 1, 1)),
  );
}

function pair(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}
