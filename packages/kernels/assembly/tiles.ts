// Parts of a matrix product, for the kernels that make one. They are exported, and exported again by the families that
// call them, so that the compiler leaves them functions of their own: the engine then optimises each as soon as it is hot
// (it does not replace a running one), and keeps the sums of a tile in registers.
// The tile is 4 x 8: eight sums, two vectors of B and one of A fit the 16 registers of x64; a larger tile spills.

import { madd } from './exp';

/**
 * A tile of C from a packed panel of A and one of B: four numbers, one of each row, and eight, one of each column. The
 * sums of every row begin at the eight numbers of `from`, or at 0 where that is 0.
 *
 * Four steps a turn, each with a way out. Without it the engine would gather the sums of a row over the four steps, and
 * have no registers for what they need; with it, one step stays behind the other. The address of A moves at each step
 * because loads with a splat compute address and offset by an instruction of their own, which so is the same one for
 * all. The masks tell the engine that the upper halves of the registers are 0, in the loop too.
 */
export function tile(a: usize, b: usize, k: usize, from: usize, c: usize, cRow: usize, add: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  if (from !== 0) {
    c00 = v128.load(from);
    c01 = v128.load(from, 16);
  }
  let c10 = c00;
  let c11 = c01;
  let c20 = c00;
  let c21 = c01;
  let c30 = c00;
  let c31 = c01;
  a &= ~3;
  b &= ~3;
  const end = a + (k << 4);
  if (k > 0) {
    do {
      let b0 = v128.load(b);
      let b1 = v128.load(b, 16);
      let x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a += 16;
      if (a >= end) break;

      b0 = v128.load(b, 32);
      b1 = v128.load(b, 48);
      x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a += 16;
      if (a >= end) break;

      b0 = v128.load(b, 64);
      b1 = v128.load(b, 80);
      x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a += 16;
      if (a >= end) break;

      b0 = v128.load(b, 96);
      b1 = v128.load(b, 112);
      x = v128.load32_splat(a);
      c00 = madd(x, b0, c00);
      c01 = madd(x, b1, c01);
      x = v128.load32_splat(a, 4);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      x = v128.load32_splat(a, 8);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      x = v128.load32_splat(a, 12);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a += 16;
      b += 128;
    } while (a < end);
  }
  storeRow(c, c00, c01, add);
  storeRow(c + cRow, c10, c11, add);
  storeRow(c + (cRow << 1), c20, c21, add);
  storeRow(c + cRow * 3, c30, c31, add);
}

/** Part of a row of C from a row of A and the rows of B, which lie `bRow` bytes apart; the sums begin as in `tile`. */
export function strip(
  a: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  k: usize,
  from: usize,
  c: usize,
  add: bool,
): void {
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  let c6 = c0;
  let c7 = c0;
  if (from !== 0) {
    c0 = v128.load(from);
    c1 = v128.load(from, 16);
    c2 = v128.load(from, 32);
    c3 = v128.load(from, 48);
    c4 = v128.load(from, 64);
    c5 = v128.load(from, 80);
    c6 = v128.load(from, 96);
    c7 = v128.load(from, 112);
  }
  for (; k > 0; k--) {
    const x = v128.load32_splat(a);
    c0 = madd(x, v128.load(b), c0);
    c1 = madd(x, v128.load(b, 16), c1);
    c2 = madd(x, v128.load(b, 32), c2);
    c3 = madd(x, v128.load(b, 48), c3);
    c4 = madd(x, v128.load(b, 64), c4);
    c5 = madd(x, v128.load(b, 80), c5);
    c6 = madd(x, v128.load(b, 96), c6);
    c7 = madd(x, v128.load(b, 112), c7);
    a += aColumn;
    b += bRow;
  }
  storeRow(c, c0, c1, add);
  storeRow(c + 32, c2, c3, add);
  storeRow(c + 64, c4, c5, add);
  storeRow(c + 96, c6, c7, add);
}

function storeRow(c: usize, low: v128, high: v128, add: bool): void {
  if (add) {
    v128.store(c, f32x4.add(v128.load(c), low));
    v128.store(c, f32x4.add(v128.load(c, 16), high), 16);
  } else {
    v128.store(c, low);
    v128.store(c, high, 16);
  }
}
