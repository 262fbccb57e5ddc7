import type { LlamaConfig } from './llama-config.js';

export interface AttentionTables {
  /**
   * [S, heads + 2 keyValueHeads, d] for queries, keys and values: the angle of position s and pair i is s · θ^(−2i/d).
   * Those of the queries carry the factor 1/√d, and values do not turn: cos = 1, sin = 0.
   */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  /** [d, d] with x R = (−second half of x, first half of x). */
  readonly rotateHalf: Float32Array;
  /** [S, S]: 0 where a position (row) may look, a large negative number in its future. */
  readonly causal: Float32Array;
}

/**
 * By configuration, those of the longest batch so far and the mask of the last: kept on the host, because a cached
 * tensor would belong to nobody.
 */
const cache = new WeakMap<LlamaConfig, AttentionTables & { readonly positions: number }>();

export function attentionTables(config: LlamaConfig, length: number): AttentionTables {
  const known = cache.get(config);
  const fits = known !== undefined && known.positions >= length;
  const tables = fits ? known : { ...build(config, length), positions: length, causal: new Float32Array(0) };
  const causal = tables.causal.length === length * length ? tables.causal : causalMask(length);
  cache.set(config, { ...tables, causal });
  const used = length * (config.heads + 2 * config.keyValueHeads) * config.headSize;
  return { ...tables, causal, cos: tables.cos.subarray(0, used), sin: tables.sin.subarray(0, used) };
}

function build(
  { heads, keyValueHeads, headSize, ropeTheta }: LlamaConfig,
  length: number,
): Omit<AttentionTables, 'causal'> {
  const half = headSize / 2;
  const all = heads + 2 * keyValueHeads;
  const cos = new Float32Array(length * all * headSize);
  const sin = new Float32Array(cos.length);
  let at = 0;
  for (let position = 0; position < length; position++) {
    for (let head = 0; head < all; head++) {
      const scale = head < heads ? 1 / Math.sqrt(headSize) : 1;
      const turns = head < heads + keyValueHeads;
      for (let i = 0; i < headSize; i++, at++) {
        const angle = turns ? position * ropeTheta ** (-(i % half) / half) : 0;
        cos[at] = scale * Math.cos(angle);
        sin[at] = scale * Math.sin(angle);
      }
    }
  }
  const rotateHalf = new Float32Array(headSize * headSize);
  for (let i = 0; i < half; i++) {
    rotateHalf[(i + half) * headSize + i] = -1;
    rotateHalf[i * headSize + i + half] = 1;
  }
  return { cos, sin, rotateHalf };
}

function causalMask(length: number): Float32Array {
  const causal = new Float32Array(length * length);
  for (let from = 0; from < length; from++) causal.fill(-1e9, from * length + from + 1, (from + 1) * length);
  return causal;
}
