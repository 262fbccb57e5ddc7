// Causal attention of grouped queries, forward and backward, over query, key and value rows that lie inside a packed
// projection. Scores exist for one block of queries of one head at a time: memory grows with the length, not with its
// square, and the way back computes them again (Dao et al. 2022). A query whose position is p sees the keys 0 to p.
// What lies behind is never read into a sum, so that not even NaN comes from the future.

import { packA, packB, packTransposed } from './gemm';
import { rotateHead } from './rotary';
import { tile } from './tiles';
import { dot, exponentials, prepare, top, workBytes } from './vectors';

// Functions of their own, for the reason that tiles.ts gives.
export { dot, exponentials, packA, packB, packTransposed, prepare, rotateHead, tile, top, workBytes };

/** Queries of one block. */
const BLOCK: usize = 64;

@inline
function eights(n: usize): usize {
  return (n + 7) & ~7;
}

/** Floats from one row of scores to the next: no power of two, which would crowd a few sets of the cache. */
@inline
function scoreStep(length: usize): usize {
  return eights(length) + 8;
}

/** Floats of four rows of scores, or of four columns of a block. */
@inline
function panelSize(length: usize): usize {
  return max(eights(length), BLOCK) << 2;
}

/** How many bytes `attention` needs at `workspace`. */
export function workspaceBytes(length: usize, size: usize): usize {
  const rows = eights(length);
  const wide = eights(size);
  return (rows * wide * 2 + rows * size + BLOCK * (scoreStep(length) + 2 * size) + wide * 4 + panelSize(length)) << 2;
}

/** How many bytes `attentionGradient` needs at `workspace`. */
export function gradientWorkspaceBytes(length: usize, size: usize): usize {
  const rows = eights(length);
  const wide = eights(size);
  return (
    (rows * wide * 5 + rows * size + BLOCK * (scoreStep(length) * 2 + 3 * size + 2 * wide) + wide * 4 + panelSize(length)) << 2
  );
}

/** Rows of one head side by side, turned by their positions where there is a table, times `scale`. */
export function gather(
  from: usize,
  step: usize,
  table: usize,
  sign: f32,
  scale: f32,
  to: usize,
  rows: usize,
  size: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    moveRow(from, table, sign, scale, to, size);
    from += step;
    to += size << 2;
    if (table !== 0) table += size << 2;
  }
}

export function moveRow(from: usize, table: usize, sign: f32, scale: f32, to: usize, size: usize): void {
  if (table !== 0) {
    rotateHead(from, table, sign, to, size);
    from = to;
  }
  scaleRow(from, scale, to, size);
}

/** to = scale · from over n numbers. */
@inline
function scaleRow(from: usize, scale: f32, to: usize, n: usize): void {
  const factor = f32x4.splat(scale);
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, f32x4.mul(v128.load(from + at), factor));
  for (; at < bytes; at += 4) store<f32>(to + at, load<f32>(from + at) * scale);
}

/** to += factor · from over n numbers. */
@inline
function add(factor: f32, from: usize, to: usize, n: usize): void {
  const c = f32x4.splat(factor);
  const bytes = n << 2;
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    v128.store(to + at, f32x4.add(v128.load(to + at), f32x4.mul(c, v128.load(from + at))));
  }
  for (; at < bytes; at += 4) store<f32>(to + at, load<f32>(to + at) + factor * load<f32>(from + at));
}

/** The tiles of A Bᵀ, [rows, size] by [length, size], that hold a visible key; the first row stands at `first`. */
export function scoreTiles(
  panelsA: usize,
  panelsB: usize,
  to: usize,
  step: usize,
  rows: usize,
  first: usize,
  length: usize,
  size: usize,
): void {
  const last = min(length, first + rows);
  for (let j: usize = 0; j < last; j += 8) {
    for (let i: usize = 0; i < rows; i += 4) {
      if (j > first + i + 3) continue;
      tile(panelsA + ((i * size) << 2), panelsB + ((j * size) << 2), size, 0, to + ((i * step + j) << 2), step << 2, false);
    }
  }
}

/**
 * Four rows of to = W X, where row i of W counts up to column `first` + i. `w` has rows of `step` floats, X [length, size]
 * lies in panels, and again in rows of `xStep` bytes; `to` has four rows of `wide` floats. What stands in rows of W from
 * `rows` on does not matter. `panel` is room for four rows of W.
 */
export function mixTile(
  w: usize,
  step: usize,
  panels: usize,
  x: usize,
  xStep: usize,
  to: usize,
  rows: usize,
  first: usize,
  length: usize,
  size: usize,
  wide: usize,
  panel: usize,
): void {
  const shared = first + 1;
  packTransposed(w, step << 2, shared, panel, 16);
  for (let c: usize = 0; c < wide; c += 8) {
    tile(panel, panels + ((c * length) << 2), shared, 0, to + (c << 2), wide << 2, false);
  }
  for (let i: usize = 1; i < rows; i++) {
    for (let j = shared; j <= first + i; j++) {
      add(load<f32>(w + ((i * step + j) << 2)), x + j * xStep, to + ((i * wide) << 2), size);
    }
  }
}

/**
 * to += Wᵀ X: W [rows, length] lies in rows of `step` floats, its row i counts up to column `first` + i; X [rows, size]
 * lies in panels, and again in rows of `xStep` bytes; `to` has rows of `wide` floats. `panel` is room for four columns
 * of W.
 */
export function addTransposed(
  w: usize,
  step: usize,
  panels: usize,
  x: usize,
  xStep: usize,
  to: usize,
  rows: usize,
  first: usize,
  length: usize,
  size: usize,
  wide: usize,
  panel: usize,
): void {
  const last = min(length, first + rows);
  for (let j: usize = 0; j < last; j += 4) {
    // From the first row that sees all four columns.
    const start = j + 3 > first ? min(rows, j + 3 - first) : 0;
    if (start < rows) {
      packColumns(w + ((start * step + j) << 2), step << 2, rows - start, panel);
      for (let c: usize = 0; c < wide; c += 8) {
        const at = panels + ((c * rows + (start << 3)) << 2);
        tile(panel, at, rows - start, 0, to + ((j * wide + c) << 2), wide << 2, true);
      }
    }
    for (let i: usize = j > first ? j - first : 0; i < start; i++) {
      for (let jj = j; jj <= first + i && jj < j + 4; jj++) {
        add(load<f32>(w + ((i * step + jj) << 2)), x + i * xStep, to + ((jj * wide) << 2), size);
      }
    }
  }
}

/** Four columns of each row side by side. */
export function packColumns(w: usize, step: usize, rows: usize, to: usize): void {
  for (; rows > 0; rows--) {
    v128.store(to, v128.load(w));
    w += step;
    to += 16;
  }
}

/**
 * out = softmax(scale · Q Kᵀ) V. Rows of q are `qStep` floats apart, those of kv `kvStep`; at each, heads of `size`
 * numbers, in kv the keys and then the values. `table` as in `rotate` of layers.ts, [length, 2, size / 2], or 0.
 * Query i of a batch row stands at `positions`[row] + i, without positions at i.
 * out is [batch, queries, heads, size]; `stats` keeps the maximum and 1 / Σ exp of each [batch, queries, heads].
 * The output of a query whose position lies outside the length is NaN. `work` as in layers.ts.
 */
export function attention(
  q: usize,
  qStep: usize,
  kv: usize,
  kvStep: usize,
  positions: usize,
  table: usize,
  scale: f32,
  out: usize,
  stats: usize,
  batch: usize,
  queries: usize,
  length: usize,
  heads: usize,
  keyValueHeads: usize,
  size: usize,
  work: usize,
  workspace: usize,
): void {
  const rows = eights(length);
  const wide = eights(size);
  const step = scoreStep(length);
  const turned = workspace;
  const keys = turned + ((rows * size) << 2);
  const values = keys + ((rows * wide) << 2);
  const scores = values + ((rows * wide) << 2);
  const block = scores + ((BLOCK * step) << 2);
  const blockPanels = block + ((BLOCK * size) << 2);
  const mixed = blockPanels + ((BLOCK * size) << 2);
  const panel = mixed + (wide << 4);
  const group = heads / keyValueHeads;
  const outStep = (heads * size) << 2;
  qStep <<= 2;
  kvStep <<= 2;
  for (let b: usize = 0; b < batch; b++) {
    const start = positions === 0 ? 0 : load<i32>(positions + (b << 2));
    if (start < 0 || <usize>start + queries > length) {
      fillNaN(out, queries * heads * size);
      fillNaN(stats, queries * heads * 2);
    } else {
      for (let shared: usize = 0; shared < keyValueHeads; shared++) {
        const key = kv + ((shared * size) << 2);
        const value = key + ((keyValueHeads * size) << 2);
        const seen = <usize>start + queries;
        gather(key, kvStep, table, 1, 1, turned, seen, size);
        packB(turned, 4, size << 2, size, seen, keys);
        packB(value, kvStep, 4, seen, size, values);
        for (let head = shared * group; head < (shared + 1) * group; head++) {
          for (let i: usize = 0; i < queries; i += BLOCK) {
            const count = min(BLOCK, queries - i);
            const first = <usize>start + i;
            const place = table === 0 ? <usize>0 : table + ((first * size) << 2);
            gather(q + i * qStep + ((head * size) << 2), qStep, place, 1, scale, block, count, size);
            packA(block, size << 2, 4, count, size, blockPanels);
            scoreTiles(blockPanels, keys, scores, step, count, first, seen, size);
            softmaxRows(scores, step, count, first, stats + ((i * heads + head) << 3), heads << 3, work);
            for (let ii: usize = 0; ii < count; ii += 4) {
              const height = min<usize>(4, count - ii);
              mixTile(scores + ((ii * step) << 2), step, values, value, kvStep, mixed, height, first + ii, seen, size, wide, panel);
              for (let row: usize = 0; row < height; row++) {
                const at = (i + ii + row) * heads + head;
                const inverse = load<f32>(stats + (at << 3), 4);
                scaleRow(mixed + ((row * wide) << 2), inverse, out + ((at * size) << 2), size);
              }
            }
          }
        }
      }
    }
    q += queries * qStep;
    kv += length * kvStep;
    out += queries * outStep;
    stats += (queries * heads) << 3;
  }
}

export function fillNaN(at: usize, n: usize): void {
  for (let i: usize = 0; i < n; i++) store<f32>(at + (i << 2), NaN);
}

/**
 * The numbers of a row behind those that are seen become −∞ up to the next eighth, so that the row has no rest: their
 * exponential is 0. By whole vectors, which the loads that follow can take from where stores wait.
 */
@inline
function hide(scores: usize, seen: usize): usize {
  const at = scores + ((seen & ~7) << 2);
  const left = i32x4.splat(<i32>(seen & 7));
  const behind = f32x4.splat(-Infinity);
  v128.store(at, v128.bitselect(v128.load(at), behind, i32x4.gt_s(left, i32x4(0, 1, 2, 3))));
  v128.store(at, v128.bitselect(v128.load(at, 16), behind, i32x4.gt_s(left, i32x4(4, 5, 6, 7))), 16);
  return eights(seen);
}

/** exp(x − maximum) of what each row sees, in place; the maximum and 1 / Σ go to `stats`. */
export function softmaxRows(
  scores: usize,
  step: usize,
  rows: usize,
  first: usize,
  stats: usize,
  statStep: usize,
  work: usize,
): void {
  for (let i: usize = 0; i < rows; i++) {
    const whole = hide(scores, first + i + 1);
    const largest = top(scores, whole);
    const total = exponentials(scores, largest, scores, whole, work);
    store<f32>(stats, largest);
    store<f32>(stats, <f32>(1 / total), 4);
    scores += step << 2;
    stats += statStep;
  }
}

/** With e = exp(s − m): P = e / Σ in the place of s, and P (dP − D) in the place of dP, over n numbers and a rest. */
export function scoreGradientRow(s: usize, m: f32, inverse: f32, d: f32, dp: usize, n: usize, work: usize): void {
  const whole = hide(s, n);
  exponentials(s, m, s, whole, work);
  const factor = f32x4.splat(inverse);
  const mean = f32x4.splat(d);
  const bytes = whole << 2;
  for (let at: usize = 0; at < bytes; at += 16) {
    const p = f32x4.mul(v128.load(s + at), factor);
    v128.store(s + at, p);
    v128.store(dp + at, f32x4.mul(p, f32x4.sub(v128.load(dp + at), mean)));
  }
}

/**
 * The gradients of `attention`: dq in rows of `dqStep` floats and dkv in rows of `dkvStep`, as q and kv lie. With
 * D = Σ dO O of a query: dS = P (dO Vᵀ − D), dQ = scale · dS K, dK = scale · dSᵀ Q, dV = Pᵀ dO, turned back.
 */
export function attentionGradient(
  q: usize,
  qStep: usize,
  kv: usize,
  kvStep: usize,
  positions: usize,
  table: usize,
  scale: f32,
  out: usize,
  stats: usize,
  dOut: usize,
  dq: usize,
  dqStep: usize,
  dkv: usize,
  dkvStep: usize,
  batch: usize,
  queries: usize,
  length: usize,
  heads: usize,
  keyValueHeads: usize,
  size: usize,
  work: usize,
  workspace: usize,
): void {
  const rows = eights(length);
  const wide = eights(size);
  const step = scoreStep(length);
  const turned = workspace;
  const keys = turned + ((rows * size) << 2);
  const keyRows = keys + ((rows * wide) << 2);
  const values = keyRows + ((rows * wide) << 2);
  const dKeys = values + ((rows * wide) << 2);
  const dValues = dKeys + ((rows * wide) << 2);
  const scores = dValues + ((rows * wide) << 2);
  const dScores = scores + ((BLOCK * step) << 2);
  const block = dScores + ((BLOCK * step) << 2);
  const blockPanels = block + ((BLOCK * size) << 2);
  const dOutPanels = blockPanels + ((BLOCK * size) << 2);
  const blockColumns = dOutPanels + ((BLOCK * size) << 2);
  const dOutColumns = blockColumns + ((BLOCK * wide) << 2);
  const mixed = dOutColumns + ((BLOCK * wide) << 2);
  const panel = mixed + (wide << 4);
  const group = heads / keyValueHeads;
  const outStep = (heads * size) << 2;
  qStep <<= 2;
  kvStep <<= 2;
  dqStep <<= 2;
  dkvStep <<= 2;
  for (let b: usize = 0; b < batch; b++) {
    const start = positions === 0 ? 0 : load<i32>(positions + (b << 2));
    const inside = start >= 0 && <usize>start + queries <= length;
    const seen = inside ? <usize>start + queries : 0;
    if (!inside) for (let i: usize = 0; i < queries; i++) memory.fill(dq + i * dqStep, 0, outStep);
    for (let shared: usize = 0; shared < keyValueHeads; shared++) {
      const key = kv + ((shared * size) << 2);
      const value = key + ((keyValueHeads * size) << 2);
      memory.fill(dKeys, 0, (rows * wide) << 3);
      gather(key, kvStep, table, 1, 1, turned, seen, size);
      packB(turned, 4, size << 2, size, seen, keys);
      packB(turned, size << 2, 4, seen, size, keyRows);
      packB(value, 4, kvStep, size, seen, values);
      for (let head = shared * group; inside && head < (shared + 1) * group; head++) {
        const column = (head * size) << 2;
        for (let i: usize = 0; i < queries; i += BLOCK) {
          const count = min(BLOCK, queries - i);
          const first = <usize>start + i;
          const place = table === 0 ? <usize>0 : table + ((first * size) << 2);
          const d = dOut + i * outStep + column;
          gather(q + i * qStep + column, qStep, place, 1, scale, block, count, size);
          packA(block, size << 2, 4, count, size, blockPanels);
          packB(block, size << 2, 4, count, size, blockColumns);
          packA(d, outStep, 4, count, size, dOutPanels);
          packB(d, outStep, 4, count, size, dOutColumns);
          scoreTiles(blockPanels, keys, scores, step, count, first, seen, size);
          scoreTiles(dOutPanels, values, dScores, step, count, first, seen, size);
          for (let row: usize = 0; row < count; row++) {
            const stat = stats + (((i + row) * heads + head) << 3);
            const mean = <f32>dot(d + row * outStep, out + (i + row) * outStep + column, size);
            const s = scores + ((row * step) << 2);
            scoreGradientRow(s, load<f32>(stat), load<f32>(stat, 4), mean, dScores + ((row * step) << 2), first + row + 1, work);
          }
          addTransposed(scores, step, dOutColumns, d, outStep, dValues, count, first, seen, size, wide, panel);
          addTransposed(dScores, step, blockColumns, block, size << 2, dKeys, count, first, seen, size, wide, panel);
          for (let ii: usize = 0; ii < count; ii += 4) {
            const height = min<usize>(4, count - ii);
            mixTile(dScores + ((ii * step) << 2), step, keyRows, turned, size << 2, mixed, height, first + ii, seen, size, wide, panel);
            for (let row: usize = 0; row < height; row++) {
              const back = place === 0 ? <usize>0 : place + (((ii + row) * size) << 2);
              moveRow(mixed + ((row * wide) << 2), back, -1, scale, dq + (i + ii + row) * dqStep + column, size);
            }
          }
        }
      }
      const dKey = dkv + ((shared * size) << 2);
      const dValue = dKey + ((keyValueHeads * size) << 2);
      for (let j: usize = 0; j < length; j++) {
        const back = table === 0 ? <usize>0 : table + ((j * size) << 2);
        moveRow(dKeys + ((j * wide) << 2), back, -1, 1, dKey + j * dkvStep, size);
        moveRow(dValues + ((j * wide) << 2), 0, 1, 1, dValue + j * dkvStep, size);
      }
    }
    q += queries * qStep;
    kv += length * kvStep;
    out += queries * outStep;
    dOut += queries * outStep;
    stats += (queries * heads) << 3;
    dq += queries * dqStep;
    dkv += length * dkvStep;
  }
}
