import { DataError, show } from '@tsrl/core';
import { codecs, type Dtype, isDtype } from './dtype.js';
import { decodeUtf8, duplicateKey } from './text.js';

/** Where a tensor stands: element type, shape, and its bytes counted from the end of the header. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of the data, in the file. */
  readonly offset: number;
}

/** The limit of the reference implementation: more is a lie, not a model. */
const LONGEST_HEADER = 100_000_000;

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Reads and checks everything that the header claims; no claim is believed before it fits the file. */
export function parseHeader(bytes: Uint8Array, file: string): Header {
  const { offset, json } = headerJson(bytes, file);
  const { __metadata__: metadata = {}, ...tensors } = json;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new DataError(file, `__metadata__ must map strings to strings; got ${show(metadata)}`);
  }
  const entries = new Map(Object.entries(tensors).map(([name, entry]) => [name, checkEntry(name, entry, file)]));
  checkLayout(entries, bytes.length - offset, file);
  return { entries, metadata: metadata as Record<string, string>, offset };
}

function headerJson(bytes: Uint8Array, file: string): { offset: number; json: JsonObject } {
  if (bytes.length < 8) {
    throw new DataError(file, `a safetensors file starts with 8 bytes of header length; this one has ${bytes.length}`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > LONGEST_HEADER) {
    throw new DataError(file, `the header claims ${length} bytes; at most ${LONGEST_HEADER} are allowed`);
  }
  const offset = 8 + Number(length);
  if (offset > bytes.length) {
    throw new DataError(
      file,
      `the header claims ${length} bytes, but the file ends after ${bytes.length - 8} of them: truncated`,
    );
  }
  try {
    const text = decodeUtf8(bytes.subarray(8, offset));
    const json: unknown = JSON.parse(text);
    if (!isObject(json) || !text.startsWith('{')) {
      throw new DataError(file, `the header must be a JSON object; it starts with ${show(text.slice(0, 20))}`);
    }
    const twice = duplicateKey(text);
    if (twice !== undefined) throw new DataError(file, `the header has the key ${show(twice)} twice`);
    return { offset, json };
  } catch (error) {
    if (error instanceof SyntaxError) throw new DataError(file, 'the header is not JSON', { cause: error });
    if (error instanceof TypeError) throw new DataError(file, 'the header is not UTF-8', { cause: error });
    throw error;
  }
}

function checkEntry(name: string, entry: unknown, file: string): TensorEntry {
  const fail = (problem: string): DataError => new DataError(file, `tensor ${show(name)}: ${problem}`);
  if (!isObject(entry)) throw fail(`its entry must be an object; got ${show(entry)}`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    throw fail(`dtype must be one of ${Object.keys(codecs).join(', ')}; got ${show(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw fail(`shape must be a list of whole numbers of at least 0; got ${show(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw fail(`data_offsets must be two whole numbers of at least 0; got ${show(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw fail(`data_offsets must not decrease; got ${show(offsets)}`);
  // A product beyond 2^53 is rounded, but then far larger than any number of bytes it could equal.
  const size = shape.reduce((product, n) => product * n, codecs[dtype].size);
  if (size !== end - begin) {
    throw fail(`${dtype} ${show(shape)} takes ${size} bytes, but data_offsets span ${end - begin}`);
  }
  return { dtype, shape, begin, end };
}

/** The tensors must cover the data exactly: no overlap, no hole, nothing missing, nothing behind. */
function checkLayout(entries: ReadonlyMap<string, TensorEntry>, available: number, file: string): void {
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const [name, { begin, end }] of inOrder) {
    if (begin < covered) throw new DataError(file, `tensor ${show(name)} overlaps the one before it`);
    if (begin > covered) {
      throw new DataError(file, `${begin - covered} bytes before tensor ${show(name)} belong to no tensor`);
    }
    covered = end;
  }
  if (covered > available) throw new DataError(file, `truncated: ${covered - available} bytes are missing`);
  if (covered < available) throw new DataError(file, `${available - covered} bytes behind the last tensor`);
}
