import { DataError, show } from '@tsrl/core';
import { codecs, type Dtype, type TensorArray } from './dtype.js';
import { parseHeader } from './header.js';

/** A tensor as it stands in a file, without its elements. */
export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor with its elements, row-major. */
export interface StoredTensor extends TensorInfo {
  readonly data: TensorArray;
}

/** A checked file whose tensors are decoded one by one, when they are asked for. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Decodes one tensor into an array of its own. F16 and BF16 are widened to float32 exactly (subnormals, infinities
   * and NaN payloads included), F64 stays float64, 64-bit integers are BigInt arrays, BOOL is a Uint8Array.
   *
   * @throws DataError when there is no tensor of that name
   */
  read(name: string): StoredTensor;
}

/**
 * Reads a safetensors file: 8 bytes of little-endian header length, a JSON header, the data.
 *
 * The whole header is checked against the file before anything is allocated; elements are decoded by `read`.
 *
 * @param bytes the file; kept by the result, not copied
 * @param file  its name, for errors
 * @throws DataError when the file is cut short or its header is not JSON, lies about sizes, leaves holes, overlaps,
 *   repeats a key or has an unsupported dtype
 * @see https://github.com/huggingface/safetensors#format
 */
export function parseSafetensors(bytes: Uint8Array, file: string): Safetensors {
  const { entries, metadata, offset } = parseHeader(bytes, file);
  return {
    tensors: new Map([...entries].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    metadata,
    read(name) {
      const entry = entries.get(name);
      if (!entry) throw new DataError(file, `there is no tensor ${show(name)}`);
      const { dtype, shape, begin, end } = entry;
      const own = new Uint8Array(bytes.subarray(offset + begin, offset + end)); // copies, also from a Buffer
      return { dtype, shape, data: codecs[dtype].decode(own.buffer) };
    },
  };
}
