import { DataError } from '@tsrl/core';

/** The bits of a base64 text, least significant first, as 0 and 1. */
export function bits(base64: string, count: number, where: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== Math.ceil(count / 8)) {
    throw new DataError(where, `${count} bits are ${Math.ceil(count / 8)} bytes in base64; got ${bytes.length} bytes`);
  }
  return Uint8Array.from({ length: count }, (_, i) => ((bytes[i >> 3] as number) >> (i & 7)) & 1);
}
