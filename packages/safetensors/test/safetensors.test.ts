import { DataError } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSafetensors, type TensorArray, type TensorToWrite, writeSafetensors } from '../src/index.ts';

/** A file with this header, byte for byte, whatever it claims. */
function raw(header: string | Uint8Array, dataBytes = 0, claimed?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
const entry = (dtype: string, shape: number[], begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const header = (tensors: object): string => JSON.stringify(tensors);
const parse = (bytes: Uint8Array) => parseSafetensors(bytes, 'm.safetensors');
const one = (shape: number[], data: TensorArray): Map<string, TensorToWrite> => new Map([['x', { shape, data }]]);

/** binary16 from its definition, field by field. */
function half(h: number): number {
  const sign = h >> 15 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
function brain(b: number): number {
  const sign = b >> 15 ? -1 : 1;
  const exponent = (b >> 7) & 255;
  const fraction = b & 127;
  if (exponent === 255) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -133 : sign * (1 + fraction / 128) * 2 ** (exponent - 127);
}
const every16 = Uint16Array.from({ length: 65_536 }, (_, i) => i);
const file16 = (dtype: string): Uint8Array => {
  const bytes = raw(header({ x: entry(dtype, [65_536], 0, 131_072) }), 131_072);
  bytes.set(new Uint8Array(every16.buffer), bytes.length - 131_072);
  return bytes;
};

describe('reading', () => {
  test('the example of the format, with an odd header length', () => {
    const bytes = raw('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}', 8);
    new DataView(bytes.buffer).setFloat32(bytes.length - 8, 1.5, true);
    const file = parse(bytes);
    expect(file.metadata).toEqual({ format: 'pt' });
    expect([...file.tensors]).toEqual([['a', { dtype: 'F32', shape: [2] }]]);
    expect(file.read('a')).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(1.5, 0) });
  });

  test.each([
    ['F16', half],
    ['BF16', brain],
  ])('all 65536 values of %s widen exactly', (dtype, define) => {
    const { data } = parse(file16(dtype)).read('x');
    expect(data).toBeInstanceOf(Float32Array);
    for (let i = 0; i < 65_536; i++) if (!Object.is(data[i], define(i))) expect([i, data[i]]).toEqual([i, define(i)]);
  });

  test('reads what a larger buffer holds, and gives away copies', () => {
    const file = writeSafetensors(one([2], Float32Array.of(1, 2)));
    const within = new Uint8Array(file.length + 3);
    within.set(file, 3);
    const read = parse(within.subarray(3));
    (read.read('x').data as Float32Array)[0] = 9;
    expect(read.read('x').data).toEqual(Float32Array.of(1, 2));
    expect(parse(Buffer.from(file)).read('x').data).toEqual(Float32Array.of(1, 2));
  });

  test('names that look like numbers or prototypes are only names', () => {
    const names = ['10', '9', '__proto__', 'constructor', 'toString', 'ä "quoted" \\'];
    const tensors = new Map(names.map((name, i) => [name, { shape: [], data: Float32Array.of(i) }]));
    const file = parse(writeSafetensors(tensors));
    expect([...file.tensors.keys()].sort()).toEqual([...names].sort());
    for (const [i, name] of names.entries()) expect(file.read(name).data[0]).toBe(i);
    expect(() => file.read('hasOwnProperty')).toThrow('m.safetensors: there is no tensor "hasOwnProperty"');
  });
});

describe('writing', () => {
  test('the bytes are fixed: aligned header padded with spaces, wide elements first, names in order', () => {
    const tensors = new Map<string, TensorToWrite>([
      ['b', { shape: [1], data: Float32Array.of(2) }],
      ['a', { shape: [1, 1], data: Float32Array.of(1) }],
      ['c', { shape: [1], data: BigInt64Array.of(-1n) }],
      ['d', { shape: [0, 3], data: new Uint8Array(0) }],
    ]);
    const bytes = writeSafetensors(tensors, { metadata: { z: '1', format: 'pt' } });
    const text =
      '{"__metadata__":{"format":"pt","z":"1"},"c":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
      '"a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},' +
      '"d":{"dtype":"U8","shape":[0,3],"data_offsets":[16,16]}}';
    const padded = text.padEnd(Math.ceil(text.length / 8) * 8, ' ');
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + padded.length))).toBe(padded);
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(BigInt(padded.length));
    expect([...bytes.subarray(8 + padded.length)]).toEqual([...Array(8).fill(255), 0, 0, 128, 63, 0, 0, 0, 64]);
    expect(writeSafetensors(new Map([...tensors].reverse()), { metadata: { format: 'pt', z: '1' } })).toEqual(bytes);
  });

  test('no tensors at all', () => {
    expect([...parse(writeSafetensors(new Map())).tensors]).toEqual([]);
  });

  test.each(['F16', 'BF16'] as const)('%s: every value survives narrowing bit for bit, NaN payloads too', (dtype) => {
    const wide = parse(file16(dtype)).read('x');
    const bytes = writeSafetensors(one([65_536], wide.data), { dtype });
    expect(new Uint16Array(bytes.slice(-131_072).buffer)).toEqual(every16);
  });

  test.each([
    ['F16', half, 65_504],
    ['BF16', brain, brain(0x7f7f)],
  ] as const)('%s rounds to the nearest, ties to even', (dtype, define, largest) => {
    const narrowed = (values: Float32Array): Uint16Array => {
      const bytes = writeSafetensors(one([values.length], values), { dtype });
      return new Uint16Array(bytes.slice(bytes.length - 2 * values.length).buffer);
    };
    // Half-way between neighbours, and one float32 to either side, for every finite positive pair.
    const pairs = [...every16.subarray(0, 0x7fff)].filter((h) => Number.isFinite(define(h + 1)));
    const middle = Float32Array.from(pairs, (h) => (define(h) + define(h + 1)) / 2);
    const step = (by: number): Float32Array =>
      new Float32Array(Uint32Array.from(new Uint32Array(middle.buffer), (bits) => bits + by).buffer);
    expect([...narrowed(middle)]).toEqual(pairs.map((h) => h + (h & 1)));
    expect([...narrowed(step(-1))]).toEqual(pairs);
    expect([...narrowed(step(1))]).toEqual(pairs.map((h) => h + 1));
    expect([...narrowed(middle.map((x) => -x))]).toEqual(pairs.map((h) => 0x8000 | (h + (h & 1))));
    expect(narrowed(Float32Array.of(largest))[0]).toBe(pairs.at(-1)! + 1);
  });

  test('says what it cannot write', () => {
    expect(() => writeSafetensors(one([1], Float32Array.of(65_520)), { dtype: 'F16' })).toThrow(
      'writeSafetensors: dtype must be able to hold 65520 of tensor "x"; got "F16"',
    );
    expect(() => writeSafetensors(one([1], Float32Array.of(3.4e38)), { dtype: 'BF16' })).toThrow('able to hold');
    expect(() => writeSafetensors(one([1], Float32Array.of(Infinity)), { dtype: 'F16' })).not.toThrow();
    expect(() => writeSafetensors(one([2, 2], new Float32Array(3)))).toThrow(
      'writeSafetensors: x must be 3 numbers, as its data has; got [2,2]',
    );
    expect(() => writeSafetensors(one([-1, -3], new Float32Array(3)))).toThrow('got [-1,-3]');
    expect(() => writeSafetensors(new Map([['__metadata__', { shape: [0], data: new Float32Array() }]]))).toThrow(
      'tensors must be named otherwise than the metadata',
    );
    expect(() => writeSafetensors(new Map(), { dtype: 'F8' as 'F16' })).toThrow(
      'dtype must be F32, F16 or BF16; got "F8"',
    );
  });
});

describe('lying headers', () => {
  const huge = 2n ** 63n + 5n;
  const twice = (key: string) => `{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"shape":[]},"b":{${key}}}`;
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'starts with 8 bytes of header length; this one has 0'],
    ['seven bytes', new Uint8Array(7), 'starts with 8 bytes of header length; this one has 7'],
    ['a header of many gigabytes', raw('{}', 0, huge), `claims ${huge} bytes; at most 100000000 are allowed`],
    ['a header behind the end', raw('{}', 0, 3n), 'the header claims 3 bytes, but the file ends after 2 of them'],
    ['an empty header', raw(''), 'the header is not JSON'],
    ['no JSON', raw('{"a":'), 'the header is not JSON'],
    ['no UTF-8', raw(Uint8Array.of(0x7b, 0xff, 0x7d)), 'the header is not UTF-8'],
    ['a list', raw('[]'), 'the header must be a JSON object; it starts with "[]"'],
    ['null', raw('null'), 'the header must be a JSON object'],
    ['leading space', raw(' {}'), 'the header must be a JSON object'],
    ['metadata of numbers', raw('{"__metadata__":{"a":1}}'), '__metadata__ must map strings to strings'],
    ['metadata list', raw('{"__metadata__":[]}'), '__metadata__ must map strings to strings'],
    ['entry null', raw('{"a":null}'), 'tensor "a": its entry must be an object; got null'],
    ['dtype', raw(header({ a: entry('F8_E4M3', [1], 0, 1) }), 1), 'dtype must be one of F64, F32, F16'],
    ['dtype of a prototype', raw(header({ a: entry('toString', [1], 0, 1) }), 1), 'got "toString"'],
    ['negative shape', raw(header({ a: entry('U8', [-1, -1], 0, 1) }), 1), 'shape must be a list of whole numbers'],
    ['fractional shape', raw(header({ a: entry('U8', [0.5, 2], 0, 1) }), 1), 'got [0.5,2]'],
    ['shape as text', raw('{"a":{"dtype":"U8","shape":"1","data_offsets":[0,1]}}', 1), 'shape must be a list'],
    ['no offsets', raw('{"a":{"dtype":"U8","shape":[1]}}', 1), 'data_offsets must be two whole numbers'],
    ['three offsets', raw('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', 1), 'data_offsets must be two'],
    ['negative offset', raw(header({ a: entry('U8', [1], -1, 0) }), 1), 'got [-1,0]'],
    ['fractional offset', raw(header({ a: entry('U8', [1], 0.5, 1.5) }), 2), 'got [0.5,1.5]'],
    ['offset of 2^53', raw(header({ a: entry('U8', [1], 0, 2 ** 53) }), 1), 'data_offsets must be two whole numbers'],
    ['backwards', raw(header({ a: entry('U8', [1], 1, 0) }), 1), 'data_offsets must not decrease; got [1,0]'],
    [
      'wrong size',
      raw(header({ a: entry('F32', [2, 3], 0, 20) }), 20),
      'F32 [2,3] takes 24 bytes, but data_offsets span 20',
    ],
    ['overflowing size', raw(header({ a: entry('U8', [2 ** 52, 2 ** 52], 0, 1) }), 1), 'but data_offsets span 1'],
    ['truncated', raw(header({ a: entry('F32', [2], 0, 8) }), 5), 'truncated: 3 bytes are missing'],
    ['trailing', raw(header({ a: entry('F32', [2], 0, 8) }), 10), '2 bytes behind the last tensor'],
    ['overlap', raw(header({ a: entry('U8', [2], 0, 2), b: entry('U8', [2], 1, 3) }), 3), 'tensor "b" overlaps'],
    ['the same place', raw(header({ a: entry('U8', [2], 0, 2), b: entry('U8', [2], 0, 2) }), 2), 'tensor "b" overlaps'],
    [
      'hole',
      raw(header({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 3, 4) }), 4),
      '2 bytes before tensor "b" belong to no',
    ],
    ['hole in front', raw(header({ a: entry('U8', [1], 1, 2) }), 2), '1 bytes before tensor "a"'],
    [
      'tensor twice',
      raw(
        '{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a" :{"dtype":"U8","shape":[],"data_offsets":[0,1]}}',
        1,
      ),
      'the header has the key "a" twice',
    ],
    ['escaped twin', raw('{"\\u0061\\"":{},"a\\"":{}}'), 'the header has the key "a\\"" twice'],
    ['field twice', raw(twice('"dtype":"U8"'), 1), 'the header has the key "shape" twice'],
  ])('%s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(DataError);
    expect(() => parse(bytes)).toThrow(message);
    expect(() => parse(bytes)).toThrow(/^m\.safetensors: /);
  });
});

const float = fc.float({ noNaN: true });
const arrays: fc.Arbitrary<TensorArray> = fc.oneof(
  fc.float32Array({ maxLength: 12 }),
  fc.float64Array({ maxLength: 12 }),
  fc.int32Array({ maxLength: 12 }),
  fc.int16Array({ maxLength: 12 }),
  fc.int8Array({ maxLength: 12 }),
  fc.uint32Array({ maxLength: 12 }),
  fc.uint16Array({ maxLength: 12 }),
  fc.uint8Array({ maxLength: 12 }),
  fc.bigInt64Array({ maxLength: 12 }),
  fc.bigUint64Array({ maxLength: 12 }),
);
const name = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text !== '__metadata__');
const tensors = fc
  .dictionary(name, arrays, { maxKeys: 5, noNullPrototype: true })
  .map((record) => new Map(Object.entries(record).map(([key, data]) => [key, { shape: [1, data.length], data }])));

describe('laws', () => {
  test('what is written is read', () => {
    forAll([tensors, fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true })], (map, metadata) => {
      const file = parse(writeSafetensors(map, { metadata }));
      expect(file.metadata).toEqual(metadata);
      expect(new Set(file.tensors.keys())).toEqual(new Set(map.keys()));
      for (const [key, { shape, data }] of map) {
        const read = file.read(key);
        expect(read.shape).toEqual(shape);
        expect(read.data).toEqual(data);
      }
    });
  });

  test('narrowing is the nearest value: monotone, odd, and within half a unit', () => {
    const narrow = (x: number, dtype: 'F16' | 'BF16'): number =>
      parse(writeSafetensors(one([1], Float32Array.of(x)), { dtype })).read('x').data[0] as number;
    forAll([float, float, fc.constantFrom('F16', 'BF16')], (a, b, dtype) => {
      const limit = dtype === 'F16' ? 65_504 : 3.3e38;
      const [x, y] = [a, b].map((v) => Math.min(limit, Math.max(-limit, v))).sort((p, q) => p - q) as [number, number];
      expect(narrow(x, dtype)).toBeLessThanOrEqual(narrow(y, dtype));
      expect(narrow(-x, dtype)).toBe(-narrow(x, dtype));
      const [digits, smallest] = dtype === 'F16' ? [11, 2 ** -25] : [8, 2 ** -134];
      expect(Math.abs(narrow(x, dtype) - Math.fround(x))).toBeLessThanOrEqual(
        Math.max(Math.abs(x) * 2 ** -digits, smallest),
      );
    });
  });

  test('a damaged file is read or refused with a DataError, and never outgrows itself', () => {
    const mutation = fc.oneof(
      fc.record({ kind: fc.constant('byte' as const), at: fc.nat(), value: fc.nat(255) }),
      fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.nat(40) }),
      fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), value: fc.nat(255) }),
      fc.record({ kind: fc.constant('digit' as const), at: fc.nat(), value: fc.nat(9) }),
    );
    let refused = 0;
    forAll(
      [tensors, fc.array(mutation, { minLength: 1, maxLength: 4 })],
      (map, mutations) => {
        let bytes = [...writeSafetensors(map)];
        for (const { kind, at, value } of mutations) {
          const place = at % (bytes.length + 1);
          if (kind === 'byte') bytes[place % bytes.length] = value;
          else if (kind === 'cut') bytes.splice(place, value);
          else if (kind === 'insert') bytes.splice(place, 0, value);
          else {
            const digits = bytes.flatMap((byte, i) => (i >= 8 && byte >= 48 && byte <= 57 ? [i] : []));
            if (digits.length > 0) bytes[digits[at % digits.length]!] = 48 + value;
          }
          if (bytes.length === 0) bytes = [0];
        }
        try {
          const file = parse(Uint8Array.from(bytes));
          let total = 0;
          for (const key of file.tensors.keys()) total += file.read(key).data.byteLength;
          expect(total).toBeLessThanOrEqual(2 * bytes.length); // 2: F16 widens
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
          refused++;
        }
      },
      { runs: 2_000 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  test('random bytes behind a plausible length', () => {
    forAll([fc.uint8Array({ maxLength: 64 })], (body) => {
      try {
        parse(raw(body));
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
    });
  });
});
