// What a mask lets through. It is 0 or a positive weight; where it is 0, whatever stands there does not matter.

/** Numbers that are added in float32 before they meet the total in float64. */
const BLOCK: usize = 1024;

@inline
function through(x: v128, mask: v128): v128 {
  return v128.and(x, f32x4.gt(mask, f32x4.splat(0)));
}

@inline
function lanes(v: v128): f64 {
  const low = <f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1);
  return low + (<f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3));
}

/** y[i] = x[i] where the mask is positive, 0 elsewhere. */
export function zeroMasked(x: usize, mask: usize, y: usize, n: usize): void {
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(y + at, through(v128.load(x + at), v128.load(mask + at)));
  for (; at < bytes; at += 4) {
    v128.store_lane<f32>(y + at, through(v128.load32_zero(x + at), v128.load32_zero(mask + at)), 0);
  }
}

/** Of each row Σ m x, and Σ m, or 1 where that is not positive. */
export function maskedSums(x: usize, mask: usize, sums: usize, counts: usize, rows: usize, width: usize): void {
  for (; rows > 0; rows--) {
    let sum: f64 = 0;
    let count: f64 = 0;
    for (let rest = width; rest > 0; ) {
      const size = min(rest, BLOCK);
      sum += blockOfProducts(x, mask, size);
      count += blockOfWeights(mask, size);
      x += size << 2;
      mask += size << 2;
      rest -= size;
    }
    store<f32>(sums, <f32>sum);
    store<f32>(counts, count > 0 ? <f32>count : 1);
    sums += 4;
    counts += 4;
  }
}

export function blockOfProducts(x: usize, mask: usize, n: usize): f64 {
  const end = x + (n << 2);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  while (x + 32 <= end) {
    const m0 = v128.load(mask);
    const m1 = v128.load(mask, 16);
    s0 = f32x4.add(s0, f32x4.mul(through(v128.load(x), m0), m0));
    s1 = f32x4.add(s1, f32x4.mul(through(v128.load(x, 16), m1), m1));
    x += 32;
    mask += 32;
  }
  while (x < end) {
    const m = v128.load32_zero(mask);
    s0 = f32x4.add(s0, f32x4.mul(through(v128.load32_zero(x), m), m));
    x += 4;
    mask += 4;
  }
  return lanes(f32x4.add(s0, s1));
}

export function blockOfWeights(mask: usize, n: usize): f64 {
  const end = mask + (n << 2);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  while (mask + 32 <= end) {
    s0 = f32x4.add(s0, v128.load(mask));
    s1 = f32x4.add(s1, v128.load(mask, 16));
    mask += 32;
  }
  while (mask < end) {
    s0 = f32x4.add(s0, v128.load32_zero(mask));
    mask += 4;
  }
  return lanes(f32x4.add(s0, s1));
}
