// The estimate k3 of KL(π ‖ π_ref) at a token, exp(−d) − 1 + d for d = log π − log π_ref, with its slope 1 − exp(−d).

/** How many bytes `prepareK3` fills. */
export function k3Bytes(): usize {
  return 240;
}

/** The vectors that every step needs: the engine would rebuild a literal one, by three instructions, in each. */
export function prepareK3(work: usize): void {
  // 1.5 · 2²³ + 126: adding it rounds to the nearest integer n, and leaves the exponent of 2ⁿ⁻¹ in the lowest bits.
  v128.store(work, f32x4.splat(12583038));
  v128.store(work, f32x4.splat(-1.4426950408889634), 16);
  // ln 2 in two parts; n times the first is exact.
  v128.store(work, f32x4.splat(0.693359375), 32);
  v128.store(work, f32x4.splat(-0.00021219444005469057), 48);
  // Where exp(−d) is Infinity, and where 1 − exp(−d) has become 1.
  v128.store(work, f32x4.splat(-89), 64);
  v128.store(work, f32x4.splat(87), 80);
  // P from its highest power down.
  v128.store(work, f32x4.splat(2.4878479871042277e-5), 96);
  v128.store(work, f32x4.splat(-0.0002007346081321274), 112);
  v128.store(work, f32x4.splat(0.001388944958389721), 128);
  v128.store(work, f32x4.splat(-0.008332777472419893), 144);
  v128.store(work, f32x4.splat(0.0416666499243527), 160);
  v128.store(work, f32x4.splat(-0.16666669978216275), 176);
  v128.store(work, f32x4.splat(0.5), 192);
  // A little less than (ln 2)², and all bits but the sign.
  v128.store(work, f32x4.splat(0.4804), 208);
  v128.store(work, i32x4.splat(0x7fffffff), 224);
}

/**
 * For n numbers d: the estimate at min(max(d, −clamp), clamp), itself at most `ceiling`, and its slope, which is 0 beyond
 * either bound. NaN gives NaN twice.
 */
export function k3(d: usize, value: usize, slope: usize, n: usize, clamp: f32, ceiling: f32, work: usize): void {
  const end = d + (n << 2);
  const least = f32x4.splat(-clamp);
  const bound = f32x4.splat(clamp);
  const most = f32x4.splat(ceiling);
  while (d + 16 <= end) {
    few(d, value, slope, least, bound, most, true, work);
    d += 16;
    value += 16;
    slope += 16;
  }
  while (d < end) {
    few(d, value, slope, least, bound, most, false, work);
    d += 4;
    value += 4;
    slope += 4;
  }
}

/**
 * Four numbers, or one. With d = u − n ln 2 and q = exp(−u) − 1 + u = u² P(u):
 *
 *   1 − exp(−d) = (1 − 2ⁿ) − 2ⁿ (q − u),  and the estimate is d less that
 *
 * n is 0 for |d| < ln 2: there the estimate is q, and nothing cancels where it is small. P is the minimax polynomial for
 * |u| <= ln 2, within 7e-9 relatively. Elsewhere the estimate is 0.19 or more.
 */
@inline
function few(
  at: usize,
  value: usize,
  slope: usize,
  least: v128,
  bound: v128,
  most: v128,
  four: bool,
  work: usize,
): void {
  const given = four ? v128.load(at) : v128.load32_zero(at);
  const d = f32x4.pmin(f32x4.pmax(given, least), bound);
  const near = f32x4.lt(f32x4.mul(d, d), v128.load(work, 208));
  const z = f32x4.pmin(f32x4.pmax(d, v128.load(work, 64)), v128.load(work, 80));
  const shift = v128.load(work);
  const t = f32x4.add(v128.andnot(f32x4.mul(z, v128.load(work, 16)), near), shift);
  const n = f32x4.sub(t, shift);
  const u = f32x4.add(f32x4.add(z, f32x4.mul(n, v128.load(work, 32))), f32x4.mul(n, v128.load(work, 48)));
  // By pairs, which wait less for each other than one coefficient after the other.
  const square = f32x4.mul(u, u);
  const high = f32x4.add(f32x4.mul(u, v128.load(work, 112)), v128.load(work, 128));
  const middle = f32x4.add(f32x4.mul(u, v128.load(work, 144)), v128.load(work, 160));
  const low = f32x4.add(f32x4.mul(u, v128.load(work, 176)), v128.load(work, 192));
  const top = f32x4.add(f32x4.mul(square, v128.load(work, 96)), high);
  const p = f32x4.add(f32x4.mul(square, f32x4.add(f32x4.mul(square, top), middle)), low);
  const q = f32x4.mul(p, square);
  // By 2ⁿ⁻¹, which is finite where 2ⁿ need not be.
  const half = i32x4.shl(t, 23);
  const part = f32x4.sub(f32x4.sub(v128.load(work, 192), half), f32x4.mul(half, f32x4.sub(q, u)));
  const rise = f32x4.add(part, part);
  const free = v128.bitselect(q, f32x4.sub(d, rise), near);
  // By "above", which NaN is not: it stays.
  const beyond = v128.or(f32x4.gt(v128.and(given, v128.load(work, 224)), bound), f32x4.gt(free, most));
  const y = f32x4.pmin(free, most);
  const s = v128.andnot(rise, beyond);
  if (four) {
    v128.store(value, y);
    v128.store(slope, s);
  } else {
    v128.store_lane<f32>(value, y, 0);
    v128.store_lane<f32>(slope, s, 0);
  }
}
