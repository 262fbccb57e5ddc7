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

/** Constants by configuration and length: kept on the host, because a cached tensor would belong to nobody. */
const cache = new WeakMap<LlamaConfig, Map<number, AttentionTables>>();

export function attentionTables(config: LlamaConfig, length: number): AttentionTables {
  const byLength = cache.get(config) ?? new Map<number, AttentionTables>();
  cache.set(config, byLength);
  const tables = byLength.get(length) ?? build(config, length);
  byLength.set(length, tables);
  return tables;
}

function build({ heads, keyValueHeads, headSize, ropeTheta }: LlamaConfig, length: number): AttentionTables {
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
  const causal = new Float32Array(length * length);
  for (let from = 0; from < length; from++) causal.fill(-1e9, from * length + from + 1, (from + 1) * length);
  return { cos, sin, rotateHalf, causal };
}
