// Log-probs of chosen tokens, normalizer, entropy and their gradients, row by row: a row of logits is read from memory
// once, and again from the cache. With M = max x, z = x − M and temperature τ:
//
//   e = exp(z / τ),  S = Σ e,  W = Σ z e,  log p = z / τ − log S,  entropy = log S − W / (τ S)
//
// A block of 1024 numbers is summed in float32, in four sums; everything of a row is float64. The parts are exported so
// that the compiler leaves them functions of their own, which the engine optimises after a few calls.

import { EXP_CONSTANTS, exp4, expOf, LEAST, logOf, madd, storeExpConstants, total } from './exp';

/** Numbers in a step of the loops, and in a block. */
const STEP: usize = 16;
const BLOCK: usize = 1024;

/** Below every row maximum that matters, and finite: rows of −∞ have z = −∞ and not NaN. */
const FLOOR: f32 = -3e38;

// The workspace: vectors that the loops keep in registers, then the numbers of a row, then two steps for the rest of a
// row that is no whole step.
const SLOPE: usize = EXP_CONSTANTS;
const LOWEST: usize = SLOPE + 16;
const TOP: usize = LOWEST + 16;
const CONSTANT: usize = TOP + 16;
const LINEAR: usize = CONSTANT + 16;
const SUM: usize = LINEAR + 16;
const WEIGHTED: usize = SUM + 8;
const LOG_PROB: usize = WEIGHTED + 8;
const ENTROPY: usize = LOG_PROB + 8;
const REST: usize = ENTROPY + 8;
const REST_OUT: usize = REST + STEP * 4;

/** How many bytes the other functions need at `work`, a multiple of 16. */
export function workBytes(): usize {
  return REST_OUT + STEP * 4;
}

/** Where `beginRow` leaves the log-prob and, behind it, the entropy, as float64. */
export function resultsAt(work: usize): usize {
  return work + LOG_PROB;
}

/** Must precede the calls for rows with this temperature. */
export function prepare(temperature: f64, work: usize): void {
  const slope = <f32>(Math.LOG2E / temperature);
  storeExpConstants(work);
  v128.store(work, f32x4.splat(slope), SLOPE);
  v128.store(work, f32x4.splat(max<f32>(LEAST / slope, FLOOR)), LOWEST);
}

/** For each row: the log-probs of its `chosen` ids, the log-normalizer, the entropy if asked for; M and log S. */
export function forward(
  logits: usize,
  ids: usize,
  statistics: usize,
  top: usize,
  rows: usize,
  size: usize,
  chosen: usize,
  temperature: f64,
  ignoreId: i32,
  entropy: bool,
  work: usize,
): void {
  prepare(temperature, work);
  for (; rows > 0; rows--) {
    const m = maximum(logits, size, work);
    sums(logits, size, 0, entropy, work);
    const sum = load<f64>(work, SUM);
    const logSum = logSumOf(sum);
    store<f32>(top, m);
    store<f32>(top, <f32>logSum, 4);
    top += 8;
    for (let k: usize = 0; k < chosen; k++) {
      const id = load<i32>(ids);
      store<f32>(statistics, id === ignoreId ? 0 : <f32>(logitOf(logits, id, size, <f64>m, temperature) - logSum));
      ids += 4;
      statistics += 4;
    }
    store<f32>(statistics, sum === 0 ? -Infinity : <f32>(<f64>m / temperature + logSum));
    statistics += 4;
    if (entropy) {
      store<f32>(statistics, <f32>entropyOf(sum, load<f64>(work, WEIGHTED), temperature, logSum));
      statistics += 4;
    }
    logits += size << 2;
  }
}

/** The gradient of Σ dy statistics in the logits. */
export function backward(
  logits: usize,
  ids: usize,
  statistics: usize,
  top: usize,
  dy: usize,
  out: usize,
  rows: usize,
  size: usize,
  chosen: usize,
  temperature: f64,
  ignoreId: i32,
  entropy: bool,
  work: usize,
): void {
  prepare(temperature, work);
  const columns = chosen + 1 + (entropy ? 1 : 0);
  for (; rows > 0; rows--) {
    let slope = <f64>load<f32>(dy + (chosen << 2));
    const slopeOfEntropy = entropy ? <f64>load<f32>(dy + (chosen << 2), 4) : 0;
    const h = entropy ? <f64>load<f32>(statistics + (chosen << 2), 4) : 0;
    for (let k: usize = 0; k < chosen; k++) {
      if (counts(load<i32>(ids + (k << 2)), size, ignoreId)) slope -= <f64>load<f32>(dy + (k << 2));
    }
    v128.store(work, f32x4.splat(load<f32>(top)), TOP);
    const logSum = <f64>load<f32>(top, 4);
    setLine(slope, slopeOfEntropy, h, logSum, expOf(-logSum) / temperature, temperature, work);
    if (slope === 0 && slopeOfEntropy === 0) {
      memory.fill(out, 0, size << 2);
    } else {
      gradient(logits, size, out, entropy, work);
    }
    for (let k: usize = 0; k < chosen; k++) {
      const id = load<i32>(ids + (k << 2));
      if (counts(id, size, ignoreId)) addAt(out, id, <f64>load<f32>(dy + (k << 2)) / temperature);
    }
    ids += chosen << 2;
    statistics += columns << 2;
    dy += columns << 2;
    top += 8;
    logits += size << 2;
    out += size << 2;
  }
}

/** e into `to`, which may be x, and the log-prob of the id and the entropy into the workspace. */
export function beginRow(
  x: usize,
  id: i32,
  to: usize,
  size: usize,
  temperature: f64,
  entropy: bool,
  work: usize,
): void {
  const m = <f64>maximum(x, size, work);
  // Before `sums`, which may write over it.
  const logit = logitOf(x, id, size, m, temperature);
  sums(x, size, to, entropy, work);
  const sum = load<f64>(work, SUM);
  const logSum = logSumOf(sum);
  store<f64>(work, logit - logSum, LOG_PROB);
  if (entropy) store<f64>(work, entropyOf(sum, load<f64>(work, WEIGHTED), temperature, logSum), ENTROPY);
}

/**
 * The gradient from what `beginRow` left in `e`, given d loss / d log-prob and d loss / d entropy. It may take the place of
 * e or of x; only with a slope of the entropy is x read, which then must not be e.
 */
export function endRow(
  x: usize,
  id: i32,
  e: usize,
  out: usize,
  size: usize,
  temperature: f64,
  ignoreId: i32,
  slope: f64,
  slopeOfEntropy: f64,
  work: usize,
): void {
  if (!counts(id, size, ignoreId)) slope = 0;
  if (slope === 0 && slopeOfEntropy === 0) {
    memory.fill(out, 0, size << 2);
    return;
  }
  const sum = load<f64>(work, SUM);
  // A row of −∞ has e = 0 everywhere; its S must not make NaN of that.
  const factor = 1 / (temperature * (sum === 0 ? 1 : sum));
  const entropy = slopeOfEntropy === 0 ? 0 : load<f64>(work, ENTROPY);
  setLine(-slope, slopeOfEntropy, entropy, logSumOf(sum), factor, temperature, work);
  if (slopeOfEntropy === 0) {
    scale(e, out, size, work);
  } else {
    scaleByLine(x, e, out, size, work);
  }
  if (slope !== 0) addAt(out, id, slope / temperature);
}

/** Whether an id asks for a token of the row; any other reads nothing. */
function counts(id: i32, size: usize, ignoreId: i32): bool {
  return id !== ignoreId && <u32>id < <u32>size;
}

/** z / τ of the id, which is the log-prob but for log S. */
function logitOf(x: usize, id: i32, size: usize, m: f64, temperature: f64): f64 {
  if (<u32>id >= <u32>size) return NaN;
  return (<f64>load<f32>(x + ((<usize>id) << 2)) - m) / temperature;
}

/** log S; S is at least exp(0) = 1, but for rows of −∞, whose log-probs are then −∞. */
function logSumOf(sum: f64): f64 {
  return sum === 0 ? 0 : logOf(sum);
}

function entropyOf(sum: f64, weighted: f64, temperature: f64, logSum: f64): f64 {
  return sum === 0 ? 0 : logSum - weighted / (sum * temperature);
}

/**
 * The line a + b z of which e times it is the gradient: with n the slope of the normalizer, h that of the entropy H and
 * `factor` 1 / (τ S), it is (n − h (log p + H)) / (τ S).
 */
function setLine(n: f64, h: f64, entropy: f64, logSum: f64, factor: f64, temperature: f64, work: usize): void {
  v128.store(work, f32x4.splat(<f32>((n - h * (entropy - logSum)) * factor)), CONSTANT);
  v128.store(work, f32x4.splat(<f32>((-h / temperature) * factor)), LINEAR);
}

function addAt(out: usize, id: i32, value: f64): void {
  const at = out + ((<usize>id) << 2);
  store<f32>(at, <f32>(<f64>load<f32>(at) + value));
}

/** M, also as the vector TOP. NaN is passed over: the sums tell. */
export function maximum(x: usize, size: usize, work: usize): f32 {
  const end = x + (size << 2);
  let a = f32x4.splat(FLOOR);
  let b = a;
  for (; x + 32 <= end; x += 32) {
    a = f32x4.pmax(a, v128.load(x));
    b = f32x4.pmax(b, v128.load(x, 16));
  }
  a = f32x4.pmax(a, b);
  let m = max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1));
  m = max(m, max(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)));
  for (; x < end; x += 4) {
    const value = load<f32>(x);
    if (value > m) m = value;
  }
  v128.store(work, f32x4.splat(m), TOP);
  return m;
}

/** S and, if `weighted`, W of a row into the workspace; e into `out` unless that is 0. */
function sums(x: usize, size: usize, out: usize, weighted: bool, work: usize): void {
  store<f64>(work, 0, SUM);
  store<f64>(work, 0, WEIGHTED);
  const whole = size & ~(STEP - 1);
  for (let i: usize = 0; i < whole; i += BLOCK) {
    const count = min(BLOCK, whole - i);
    sumBlock(x + (i << 2), count, out === 0 ? 0 : out + (i << 2), weighted, work);
  }
  if (whole === size) return;
  takeRest(x + (whole << 2), (size - whole) << 2, work);
  sumBlock(work + REST, STEP, out === 0 ? 0 : work + REST_OUT, weighted, work);
  if (out !== 0) memory.copy(out + (whole << 2), work + REST_OUT, (size - whole) << 2);
}

/** e (a + b z) of a row, the line of `setLine`; without `sloped` b is 0. */
function gradient(x: usize, size: usize, out: usize, sloped: bool, work: usize): void {
  const whole = size & ~(STEP - 1);
  for (let i: usize = 0; i < whole; i += BLOCK) {
    gradientBlock(x + (i << 2), min(BLOCK, whole - i), out + (i << 2), sloped, work);
  }
  if (whole === size) return;
  takeRest(x + (whole << 2), (size - whole) << 2, work);
  gradientBlock(work + REST, STEP, work + REST_OUT, sloped, work);
  memory.copy(out + (whole << 2), work + REST_OUT, (size - whole) << 2);
}

/** A part of a step, filled up with −∞, which adds nothing: so that there is no other arithmetic for it. */
function takeRest(x: usize, bytes: usize, work: usize): void {
  for (let i: usize = 0; i < STEP * 4; i += 16) v128.store(work + i, f32x4.splat(-Infinity), REST);
  memory.copy(work + REST, x, bytes);
}

export function sumBlock(x: usize, count: usize, out: usize, weighted: bool, work: usize): void {
  const shift = v128.load(work);
  const c1 = v128.load(work, 16);
  const c2 = v128.load(work, 32);
  const c3 = v128.load(work, 48);
  const c4 = v128.load(work, 64);
  const c5 = v128.load(work, 80);
  const slope = v128.load(work, SLOPE);
  const lowest = v128.load(work, LOWEST);
  const top = v128.load(work, TOP);
  let sum = f32x4.splat(0);
  let weightedSum = sum;
  const end = x + (count << 2);
  for (; x < end; x += 64) {
    const z0 = f32x4.pmax(f32x4.sub(v128.load(x), top), lowest);
    const z1 = f32x4.pmax(f32x4.sub(v128.load(x, 16), top), lowest);
    const e0 = exp4(z0, slope, shift, c1, c2, c3, c4, c5);
    const e1 = exp4(z1, slope, shift, c1, c2, c3, c4, c5);
    const z2 = f32x4.pmax(f32x4.sub(v128.load(x, 32), top), lowest);
    const z3 = f32x4.pmax(f32x4.sub(v128.load(x, 48), top), lowest);
    const e2 = exp4(z2, slope, shift, c1, c2, c3, c4, c5);
    const e3 = exp4(z3, slope, shift, c1, c2, c3, c4, c5);
    sum = f32x4.add(sum, f32x4.add(f32x4.add(e0, e1), f32x4.add(e2, e3)));
    if (weighted) {
      const first = madd(e1, z1, f32x4.mul(e0, z0));
      const second = madd(e3, z3, f32x4.mul(e2, z2));
      weightedSum = f32x4.add(weightedSum, f32x4.add(first, second));
    }
    if (out !== 0) {
      v128.store(out, e0);
      v128.store(out, e1, 16);
      v128.store(out, e2, 32);
      v128.store(out, e3, 48);
      out += 64;
    }
  }
  store<f64>(work, load<f64>(work, SUM) + total(sum), SUM);
  store<f64>(work, load<f64>(work, WEIGHTED) + total(weightedSum), WEIGHTED);
}

export function gradientBlock(x: usize, count: usize, out: usize, sloped: bool, work: usize): void {
  const shift = v128.load(work);
  const c1 = v128.load(work, 16);
  const c2 = v128.load(work, 32);
  const c3 = v128.load(work, 48);
  const c4 = v128.load(work, 64);
  const c5 = v128.load(work, 80);
  const slope = v128.load(work, SLOPE);
  const lowest = v128.load(work, LOWEST);
  const top = v128.load(work, TOP);
  const constant = v128.load(work, CONSTANT);
  const linear = v128.load(work, LINEAR);
  const end = x + (count << 2);
  for (; x < end; x += 32) {
    const z0 = f32x4.pmax(f32x4.sub(v128.load(x), top), lowest);
    const z1 = f32x4.pmax(f32x4.sub(v128.load(x, 16), top), lowest);
    const e0 = exp4(z0, slope, shift, c1, c2, c3, c4, c5);
    const e1 = exp4(z1, slope, shift, c1, c2, c3, c4, c5);
    if (sloped) {
      v128.store(out, f32x4.mul(e0, madd(z0, linear, constant)));
      v128.store(out, f32x4.mul(e1, madd(z1, linear, constant)), 16);
    } else {
      v128.store(out, f32x4.mul(e0, constant));
      v128.store(out, f32x4.mul(e1, constant), 16);
    }
    out += 32;
  }
}

/** e a, which may take the place of e. */
export function scale(e: usize, out: usize, size: usize, work: usize): void {
  const constant = v128.load(work, CONSTANT);
  const end = out + (size << 2);
  for (; out + 32 <= end; out += 32) {
    v128.store(out, f32x4.mul(v128.load(e), constant));
    v128.store(out, f32x4.mul(v128.load(e, 16), constant), 16);
    e += 32;
  }
  for (; out < end; out += 4) {
    store<f32>(out, load<f32>(e) * f32x4.extract_lane(constant, 0));
    e += 4;
  }
}

/** e (a + b z), which may take the place of e or of x. */
export function scaleByLine(x: usize, e: usize, out: usize, size: usize, work: usize): void {
  const lowest = v128.load(work, LOWEST);
  const top = v128.load(work, TOP);
  const constant = v128.load(work, CONSTANT);
  const linear = v128.load(work, LINEAR);
  const end = out + (size << 2);
  for (; out + 32 <= end; out += 32) {
    const z0 = f32x4.pmax(f32x4.sub(v128.load(x), top), lowest);
    const z1 = f32x4.pmax(f32x4.sub(v128.load(x, 16), top), lowest);
    v128.store(out, f32x4.mul(v128.load(e), madd(z0, linear, constant)));
    v128.store(out, f32x4.mul(v128.load(e, 16), madd(z1, linear, constant)), 16);
    x += 32;
    e += 32;
  }
  for (; out < end; out += 4) {
    // `max` of two scalars passes NaN on.
    const z = max(load<f32>(x) - f32x4.extract_lane(top, 0), f32x4.extract_lane(lowest, 0));
    const line = f32x4.extract_lane(constant, 0) + z * f32x4.extract_lane(linear, 0);
    store<f32>(out, load<f32>(e) * line);
    x += 4;
    e += 4;
  }
}
