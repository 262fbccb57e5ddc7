import type { Rng } from '@tsrl/core';
import type { PeerArray } from './server.js';

type Floats = PeerArray & { readonly data: Float32Array<ArrayBuffer> };
type Ints = PeerArray & { readonly data: Int32Array<ArrayBuffer> };

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Normal numbers times `scale`. */
export function normals(shape: readonly number[], rng: Rng, scale = 1): Floats {
  return { data: Float32Array.from({ length: sizeOf(shape) }, () => scale * rng.normal()), shape };
}

export function ones(shape: readonly number[]): Floats {
  return { data: new Float32Array(sizeOf(shape)).fill(1), shape };
}

/** From 0 to `count` − 1. */
export function tokenIds(shape: readonly number[], count: number, rng: Rng): Ints {
  return { data: Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(count * rng.uniform())), shape };
}

/** Numbers near given ones, as the log-probs of an earlier policy are. */
export function near({ data, shape }: PeerArray, rng: Rng, distance: number): Floats {
  return { data: Float32Array.from(data, (x) => x + distance * rng.normal()), shape };
}
