// What one thread of SIMD128 WebAssembly can do at most. Addresses and sizes in bytes; sizes are multiples of 128.

/** Sum of the float32 numbers of an array: the rate at which memory can be read. */
export function read(address: i32, bytes: i32): f32 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let f = a;
  let g = a;
  let h = a;
  const end = address + bytes;
  for (; address < end; address += 128) {
    a = f32x4.add(a, v128.load(address));
    b = f32x4.add(b, v128.load(address, 16));
    c = f32x4.add(c, v128.load(address, 32));
    d = f32x4.add(d, v128.load(address, 48));
    e = f32x4.add(e, v128.load(address, 64));
    f = f32x4.add(f, v128.load(address, 80));
    g = f32x4.add(g, v128.load(address, 96));
    h = f32x4.add(h, v128.load(address, 112));
  }
  return lanes(f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h))));
}

/** to = factor · from, the "scale" of STREAM. */
export function scale(from: i32, to: i32, bytes: i32, factor: f32): void {
  const s = f32x4.splat(factor);
  const end = from + bytes;
  while (from < end) {
    v128.store(to, f32x4.mul(s, v128.load(from)));
    v128.store(to, f32x4.mul(s, v128.load(from, 16)), 16);
    v128.store(to, f32x4.mul(s, v128.load(from, 32)), 32);
    v128.store(to, f32x4.mul(s, v128.load(from, 48)), 48);
    v128.store(to, f32x4.mul(s, v128.load(from, 64)), 64);
    v128.store(to, f32x4.mul(s, v128.load(from, 80)), 80);
    v128.store(to, f32x4.mul(s, v128.load(from, 96)), 96);
    v128.store(to, f32x4.mul(s, v128.load(from, 112)), 112);
    from += 128;
    to += 128;
  }
}

/** Twelve independent chains of x ← x · s + t, 96 operations a turn: enough to hide that each waits for itself. */
export function multiplyAdd(turns: i32, factor: f32, term: f32): f32 {
  const s = f32x4.splat(factor);
  const t = f32x4.splat(term);
  let a = t;
  let b = t;
  let c = t;
  let d = t;
  let e = t;
  let f = t;
  let g = t;
  let h = t;
  let i = t;
  let j = t;
  let k = t;
  let l = t;
  for (; turns > 0; turns--) {
    a = f32x4.add(f32x4.mul(a, s), t);
    b = f32x4.add(f32x4.mul(b, s), t);
    c = f32x4.add(f32x4.mul(c, s), t);
    d = f32x4.add(f32x4.mul(d, s), t);
    e = f32x4.add(f32x4.mul(e, s), t);
    f = f32x4.add(f32x4.mul(f, s), t);
    g = f32x4.add(f32x4.mul(g, s), t);
    h = f32x4.add(f32x4.mul(h, s), t);
    i = f32x4.add(f32x4.mul(i, s), t);
    j = f32x4.add(f32x4.mul(j, s), t);
    k = f32x4.add(f32x4.mul(k, s), t);
    l = f32x4.add(f32x4.mul(l, s), t);
  }
  const abcdef = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(e, f));
  return lanes(f32x4.add(abcdef, f32x4.add(f32x4.add(f32x4.add(g, h), f32x4.add(i, j)), f32x4.add(k, l))));
}

function lanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3);
}
