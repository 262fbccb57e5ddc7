// The sum of float32 arrays that threads have left in a memory they share. Nothing here allocates, holds data or keeps
// state. There is nothing atomic either: whoever calls has waited for the threads.

/** Bytes of an array at a time: a call of `block` is short, so that the engine optimises it soon. */
const BLOCK: usize = 16384;

/**
 * out[i] = ((p0[i] + p1[i]) + p2[i]) + ... for i below `count`, where part j begins at `first + j * stride` bytes and
 * there is at least one. `out` may be the first part.
 */
export function sum(out: usize, first: usize, stride: usize, parts: usize, count: usize): void {
  const bytes = count << 2;
  for (let at: usize = 0; at < bytes; at += BLOCK) block(out + at, first + at, stride, parts, min(BLOCK, bytes - at));
}

export function block(out: usize, first: usize, stride: usize, parts: usize, bytes: usize): void {
  const vectors = bytes & ~63;
  let at: usize = 0;
  for (; at < vectors; at += 64) {
    let from = first + at;
    let a = v128.load(from);
    let b = v128.load(from, 16);
    let c = v128.load(from, 32);
    let d = v128.load(from, 48);
    for (let part: usize = 1; part < parts; part++) {
      from += stride;
      a = f32x4.add(a, v128.load(from));
      b = f32x4.add(b, v128.load(from, 16));
      c = f32x4.add(c, v128.load(from, 32));
      d = f32x4.add(d, v128.load(from, 48));
    }
    v128.store(out + at, a);
    v128.store(out + at, b, 16);
    v128.store(out + at, c, 32);
    v128.store(out + at, d, 48);
  }
  for (; at < bytes; at += 4) {
    let from = first + at;
    let total = load<f32>(from);
    for (let part: usize = 1; part < parts; part++) {
      from += stride;
      total += load<f32>(from);
    }
    store<f32>(out + at, total);
  }
}
