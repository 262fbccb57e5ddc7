/** binary16 and bfloat16 against float32, on bit patterns, so that NaN payloads and signed zeros survive. */

const NO_HALF = 0x477ff000; // 65520: what lies here or above rounds to the infinity of binary16

/** Widens binary16 exactly: subnormals, infinities and NaN payloads included. */
export function widenF16(half: Uint16Array): Float32Array {
  const values = new Float32Array(half.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < half.length; i++) {
    const h = half[i] as number;
    const sign = (h & 0x8000) << 16;
    const exponent = (h >>> 10) & 0x1f;
    const mantissa = h & 0x3ff;
    if (exponent === 0) values[i] = (sign === 0 ? mantissa : -mantissa) * 2 ** -24;
    else bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
  }
  return values;
}

/** Rounds to binary16, ties to even; from 65520 on to an infinity. */
export function narrowF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, i) => {
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff || 0x200);
    if (magnitude >= NO_HALF) return sign | 0x7c00;
    if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(values[i] as number) * 2 ** 24);
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  });
}

/** Widens bfloat16, the upper half of a float32, exactly. */
export function widenBF16(half: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(half, (h) => h << 16).buffer);
}

/** Rounds to bfloat16, ties to even. */
export function narrowBF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) => {
    if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | ((word >>> 16) & 0x7f ? 0 : 0x40);
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  });
}

/** Of a number below 2^10, so that the fraction is exact. */
function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
