import { widenBF16, widenF16 } from './half.js';

/** The element types that this package reads. */
export type Dtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

/** What elements become: F16 and BF16 are widened to Float32Array, BOOL is a Uint8Array of 0 and 1. */
export type TensorArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

interface Codec {
  /** Bytes per element. */
  readonly size: number;
  /** `bytes` is a copy of the tensor's own, so that it is aligned and may be kept. The host is little-endian. */
  decode(bytes: ArrayBuffer): TensorArray;
}

export const codecs: Readonly<Record<Dtype, Codec>> = {
  F64: { size: 8, decode: (bytes) => new Float64Array(bytes) },
  F32: { size: 4, decode: (bytes) => new Float32Array(bytes) },
  F16: { size: 2, decode: (bytes) => widenF16(new Uint16Array(bytes)) },
  BF16: { size: 2, decode: (bytes) => widenBF16(new Uint16Array(bytes)) },
  I64: { size: 8, decode: (bytes) => new BigInt64Array(bytes) },
  I32: { size: 4, decode: (bytes) => new Int32Array(bytes) },
  I16: { size: 2, decode: (bytes) => new Int16Array(bytes) },
  I8: { size: 1, decode: (bytes) => new Int8Array(bytes) },
  U64: { size: 8, decode: (bytes) => new BigUint64Array(bytes) },
  U32: { size: 4, decode: (bytes) => new Uint32Array(bytes) },
  U16: { size: 2, decode: (bytes) => new Uint16Array(bytes) },
  U8: { size: 1, decode: (bytes) => new Uint8Array(bytes) },
  BOOL: { size: 1, decode: (bytes) => new Uint8Array(bytes) },
};

export const isDtype = (name: unknown): name is Dtype => typeof name === 'string' && Object.hasOwn(codecs, name);
