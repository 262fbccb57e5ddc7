import { OptionError, ShapeError } from '@tsrl/core';
import { instantiateSoftmax, type TokenSlopes } from '../softmax.js';
import { floatsAt, integersAt, onPrivateHeap, withRoom } from './heap.js';

/** How logits become distributions, and which. */
export interface SoftmaxOptions {
  /** [R, V], row by row. */
  readonly logits: Float32Array;
  /** V. */
  readonly size: number;
  /** τ > 0, default 1: the distribution is softmax(logits / τ). */
  readonly temperature?: number;
  /** An id that asks for nothing: its log-prob is 0, without gradient. Default −100. */
  readonly ignoreId?: number;
  /** Whether to have the entropy too; false. */
  readonly entropy?: boolean;
}

export interface SelectiveLogSoftmaxArrays extends SoftmaxOptions {
  /** [R, K], K at least 0. An id outside [0, V) has log-prob NaN, without gradient. */
  readonly ids: Int32Array;
}

export interface SelectiveLogSoftmaxGradientArrays extends SelectiveLogSoftmaxArrays, RowStatistics {
  /** Shaped like the statistics. */
  readonly dy: Float32Array;
}

export interface TokenGradientArrays extends SoftmaxOptions {
  /** [R] */
  readonly ids: Int32Array;
  /** [R, C], C at least 1: what `slopes` knows of a row. */
  readonly columns: Float32Array;
  readonly slopes: TokenSlopes;
}

/** What a forward pass leaves for its gradient. */
export interface RowStatistics {
  /** [R, K + 1 (+ 1)]: the log-probs, the log-normalizer and, if asked for, the entropy in nats. */
  readonly statistics: Float32Array;
  /** [R, 2]: M = max x, and log Σ exp((x − M) / τ). */
  readonly top: Float32Array;
}

/** So many numbers pass through the private memory at a time: they and their gradient stay in the cache. */
const TILE = 131072;

const softmax = onPrivateHeap(instantiateSoftmax);

/**
 * Log-probs of chosen ids, the logarithm of the normalizer and the entropy of softmax(logits / τ), row by row; formulas
 * and edge cases are those of `Softmax`.
 *
 * @throws ShapeError, OptionError unless the temperature is positive, BackendError without SIMD WebAssembly
 */
export function selectiveLogSoftmax(options: SelectiveLogSoftmaxArrays): RowStatistics {
  const { logits, size, ids } = options;
  const { rows, rest } = expectRows('selectiveLogSoftmax', options);
  const chosen = perRow('selectiveLogSoftmax', 'ids', ids, rows, 0);
  const columns = chosen + 1 + Number(rest.entropy);
  const [statistics, top] = [new Float32Array(rows * columns), new Float32Array(rows * 2)];
  inTiles(rows, size, [size, chosen, columns, 2], (from, count, [x, idsAt, statisticsAt, topAt]) => {
    floatsAt(x, count * size).set(rowsOf(logits, from, count, size));
    integersAt(idsAt, count * chosen).set(ids.subarray(from * chosen, (from + count) * chosen));
    const at = { logits: x, ids: idsAt, statistics: statisticsAt, top: topAt };
    softmax().selectiveLogSoftmax({ ...rest, ...at, rows: count, size, chosen });
    statistics.set(floatsAt(statisticsAt, count * columns), from * columns);
    top.set(floatsAt(topAt, count * 2), from * 2);
  });
  return { statistics, top };
}

/**
 * The gradient of Σ dy statistics in the logits, [R, V].
 *
 * @throws ShapeError, OptionError unless the temperature is positive, BackendError without SIMD WebAssembly
 */
export function selectiveLogSoftmaxGradient(options: SelectiveLogSoftmaxGradientArrays): Float32Array {
  const who = 'selectiveLogSoftmaxGradient';
  const { logits, size, ids, statistics, top, dy } = options;
  const { rows, rest } = expectRows(who, options);
  const chosen = perRow(who, 'ids', ids, rows, 0);
  const columns = chosen + 1 + Number(rest.entropy);
  for (const [name, array] of [
    ['statistics', statistics],
    ['dy', dy],
  ] as const) {
    expectLength(who, name, array, rows, columns);
  }
  expectLength(who, 'top', top, rows, 2);
  const result = new Float32Array(logits.length);
  inTiles(rows, size, [size, chosen, columns, 2, columns, size], (from, count, addresses) => {
    const [x, idsAt, statisticsAt, topAt, dyAt, gradient] = addresses;
    floatsAt(x, count * size).set(rowsOf(logits, from, count, size));
    integersAt(idsAt, count * chosen).set(ids.subarray(from * chosen, (from + count) * chosen));
    floatsAt(statisticsAt, count * columns).set(rowsOf(statistics, from, count, columns));
    floatsAt(topAt, count * 2).set(rowsOf(top, from, count, 2));
    floatsAt(dyAt, count * columns).set(rowsOf(dy, from, count, columns));
    const at = { logits: x, ids: idsAt, statistics: statisticsAt, top: topAt, dy: dyAt, gradient };
    softmax().selectiveLogSoftmaxGradient({ ...rest, ...at, rows: count, size, chosen });
    result.set(floatsAt(gradient, count * size), from * size);
  });
  return result;
}

/**
 * Log-prob (and entropy) of a token in each row, [R, 1 (+ 1)], and the gradient in the logits, [R, V], of a loss whose
 * slopes in them the caller knows: in one pass, with one exponential for each logit. See `Softmax.tokenGradients`.
 *
 * @throws ShapeError, OptionError unless the temperature is positive, BackendError without SIMD WebAssembly
 */
export function tokenGradients(options: TokenGradientArrays): {
  readonly statistics: Float32Array;
  readonly gradient: Float32Array;
} {
  const { logits, size, ids, columns, slopes } = options;
  const { rows, rest } = expectRows('tokenGradients', options);
  expectLength('tokenGradients', 'ids', ids, rows, 1);
  const width = perRow('tokenGradients', 'columns', columns, rows, 1);
  const outputs = 1 + Number(rest.entropy);
  const [statistics, result] = [new Float32Array(rows * outputs), new Float32Array(logits.length)];
  inTiles(rows, size, [size, 1, width, outputs, size], (from, count, addresses) => {
    const [x, idsAt, columnsAt, statisticsAt, gradient] = addresses;
    floatsAt(x, count * size).set(rowsOf(logits, from, count, size));
    integersAt(idsAt, count).set(ids.subarray(from, from + count));
    floatsAt(columnsAt, count * width).set(rowsOf(columns, from, count, width));
    const at = { logits: x, ids: idsAt, columns: columnsAt, statistics: statisticsAt, gradient };
    softmax().tokenGradients({ ...rest, ...at, rows: count, size, width, slopes });
    statistics.set(floatsAt(statisticsAt, count * outputs), from * outputs);
    result.set(floatsAt(gradient, count * size), from * size);
  });
  return { statistics, gradient: result };
}

/** Calls `use` for one tile of rows after the other, with the address of room for each of its arrays. */
function inTiles<Widths extends readonly number[]>(
  rows: number,
  size: number,
  widths: readonly [...Widths],
  use: (from: number, count: number, addresses: { [I in keyof Widths]: number }) => void,
): void {
  if (rows === 0) return;
  softmax(); // its workspace first: what grows the memory detaches views
  const count = Math.min(rows, Math.max(1, Math.floor(TILE / size)));
  withRoom(4 * count * widths.reduce((sum, width) => sum + width, 0), (start) => {
    let next = start;
    const addresses = widths.map((width) => {
      next += 4 * count * width;
      return next - 4 * count * width;
    }) as { [I in keyof Widths]: number };
    for (let from = 0; from < rows; from += count) use(from, Math.min(count, rows - from), addresses);
  });
}

const rowsOf = (array: Float32Array, from: number, count: number, width: number): Float32Array =>
  array.subarray(from * width, (from + count) * width);

function expectRows(who: string, options: SoftmaxOptions) {
  const { logits, size, temperature = 1, ignoreId = -100, entropy = false } = options;
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'temperature', 'positive and finite', temperature);
  }
  if ((ignoreId | 0) !== ignoreId) throw new OptionError(who, 'ignoreId', 'an int32', ignoreId);
  if (!(Number.isInteger(size) && size > 0)) throw new OptionError(who, 'size', 'a positive integer', size);
  const rows = logits.length / size;
  if (!Number.isInteger(rows)) {
    throw new ShapeError(who, 'logits', `rows of ${size} numbers`, `${logits.length} numbers`);
  }
  return { rows, rest: { temperature, ignoreId, entropy } };
}

function expectLength(who: string, name: string, { length }: ArrayLike<number>, rows: number, width: number): void {
  if (length !== rows * width) throw new ShapeError(who, name, `[${rows}, ${width}]`, `${length} numbers`);
}

/** How many numbers each row has. */
function perRow(who: string, name: string, { length }: ArrayLike<number>, rows: number, least: number): number {
  const width = rows === 0 ? least : length / rows;
  if (!(Number.isInteger(width) && width >= least && width * rows === length)) {
    throw new ShapeError(who, name, `${rows} rows of ${least} or more numbers each`, `${length} numbers`);
  }
  return width;
}
