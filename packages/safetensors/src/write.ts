import { OptionError, ShapeError, show } from '@tsrl/core';
import { codecs, type Dtype, type TensorArray } from './dtype.js';
import { narrowBF16, narrowF16 } from './half.js';
import { encodeUtf8 } from './text.js';

/** A tensor to be written: row-major elements and their shape. */
export interface TensorToWrite {
  readonly shape: readonly number[];
  readonly data: TensorArray;
}

export interface WriteOptions {
  /** How Float32Array data is stored; every other array keeps its own type. Default `F32`, which loses nothing. */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
  readonly metadata?: Readonly<Record<string, string>>;
}

const dtypeOf = new Map<unknown, Dtype>([
  [Float64Array, 'F64'],
  [BigInt64Array, 'I64'],
  [Int32Array, 'I32'],
  [Int16Array, 'I16'],
  [Int8Array, 'I8'],
  [BigUint64Array, 'U64'],
  [Uint32Array, 'U32'],
  [Uint16Array, 'U16'],
  [Uint8Array, 'U8'],
]);

interface Part {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly stored: TensorArray;
}

/**
 * Writes a safetensors file. The same tensors give the same bytes: wide elements stand first, so that every tensor is
 * aligned, then names are in order of code units. F16 and BF16 round to nearest, ties to even.
 *
 * @throws OptionError when a name is `__metadata__` or a finite number would become infinite in `dtype`,
 *   ShapeError when a shape does not fit its data
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  { dtype = 'F32', metadata = {} }: WriteOptions = {},
): Uint8Array<ArrayBuffer> {
  if (!['F32', 'F16', 'BF16'].includes(dtype)) {
    throw new OptionError('writeSafetensors', 'dtype', 'F32, F16 or BF16', dtype);
  }
  const parts = [...tensors].map(([name, tensor]) => toPart(name, tensor, dtype)).sort(byWidthAndName);

  const fields = layOut(parts);
  const labels = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (labels.length > 0) fields.unshift(`"__metadata__":${JSON.stringify(Object.fromEntries(labels))}`);
  const header = encodeUtf8(`{${fields.join(',')}}`);
  const headerLength = Math.ceil(header.length / 8) * 8;

  const bytes = new Uint8Array(8 + headerLength + parts.reduce((total, { stored }) => total + stored.byteLength, 0));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, 8, 8 + headerLength); // the format pads the header with spaces
  bytes.set(header, 8);
  let at = 8 + headerLength;
  for (const { stored } of parts) {
    bytes.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength), at);
    at += stored.byteLength;
  }
  return bytes;
}

function toPart(name: string, { shape, data }: TensorToWrite, dtype: 'F32' | 'F16' | 'BF16'): Part {
  if (name === '__metadata__') {
    throw new OptionError('writeSafetensors', 'tensors', 'named otherwise than the metadata', name);
  }
  const size = shape.reduce((product, n) => product * n, 1);
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0) || size !== data.length) {
    throw new ShapeError('writeSafetensors', name, `${data.length} numbers, as its data has`, show(shape));
  }
  if (!(data instanceof Float32Array)) {
    return { name, dtype: dtypeOf.get(data.constructor) as Dtype, shape, stored: data };
  }
  if (dtype === 'F32') return { name, dtype, shape, stored: data };
  const stored = dtype === 'F16' ? narrowF16(data) : narrowBF16(data);
  const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
  const lost = stored.findIndex((bits, i) => (bits & 0x7fff) === infinity && Number.isFinite(data[i]));
  if (lost >= 0) {
    throw new OptionError('writeSafetensors', 'dtype', `able to hold ${data[lost]} of tensor ${show(name)}`, dtype);
  }
  return { name, dtype, shape, stored };
}

function byWidthAndName(a: Part, b: Part): number {
  return codecs[b.dtype].size - codecs[a.dtype].size || (a.name < b.name ? -1 : 1);
}

/** The header's fields, as JSON text: an object would sort names that look like numbers. */
function layOut(parts: readonly Part[]): string[] {
  let begin = 0;
  return parts.map(({ name, dtype, shape, stored }) => {
    const end = begin + stored.byteLength;
    const entry = JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
    begin = end;
    return `${JSON.stringify(name)}:${entry}`;
  });
}
