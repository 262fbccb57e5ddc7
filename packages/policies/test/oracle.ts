import type { Rng } from '@tsrl/core';
import type { Tolerance } from '@tsrl/testing';
import { type LlamaConfig, llamaShapes } from '../src/index.ts';

/** Weights of a model by Hugging Face name, row-major, in float64. */
export type Weights = Record<string, Float64Array>;

/** Weights that float32 holds exactly, large enough that every part of the model matters. */
export function randomWeights(config: LlamaConfig, rng: Rng, std = 0.4): Weights {
  return Object.fromEntries(
    [...llamaShapes(config)].map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const center = shape.length === 1 ? 1 : 0;
      return [name, Float64Array.from({ length: size }, () => Math.fround(center + std * rng.normal()))];
    }),
  );
}

/** W x for W [out, in]. */
function apply(matrix: Float64Array, x: Float64Array): Float64Array {
  const rows = matrix.length / x.length;
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < x.length; j++) y[i]! += matrix[i * x.length + j]! * x[j]!;
  return y;
}

function normalize(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const root = Math.sqrt(squares / x.length + epsilon);
  return x.map((value, i) => (weight[i]! * value) / root);
}

/** Turns the pairs (x_i, x_{i + d/2}) of one head by position · θ^(−2i/d). */
function rotate(x: Float64Array, position: number, theta: number): Float64Array {
  const half = x.length / 2;
  const y = new Float64Array(x.length);
  for (let i = 0; i < half; i++) {
    const angle = position / theta ** ((2 * i) / x.length);
    y[i] = x[i]! * Math.cos(angle) - x[i + half]! * Math.sin(angle);
    y[i + half] = x[i + half]! * Math.cos(angle) + x[i]! * Math.sin(angle);
  }
  return y;
}

/** The hidden state of every token of one sequence after the final norm, one token at a time, as in generation. */
export function oracleHidden(config: LlamaConfig, weights: Weights, ids: readonly number[]): Float64Array[] {
  const { hiddenSize: H, heads, keyValueHeads, headSize: d, rmsNormEpsilon: epsilon } = config;
  const keys: Float64Array[][] = Array.from({ length: config.layers }, () => []);
  const values: Float64Array[][] = Array.from({ length: config.layers }, () => []);
  return ids.map((id, position) => {
    let x = weights['model.embed_tokens.weight']!.slice(id * H, (id + 1) * H);
    for (let layer = 0; layer < config.layers; layer++) {
      const w = (name: string): Float64Array => weights[`model.layers.${layer}.${name}.weight`]!;
      const normed = normalize(x, w('input_layernorm'), epsilon);
      const query = apply(w('self_attn.q_proj'), normed);
      keys[layer]!.push(apply(w('self_attn.k_proj'), normed));
      values[layer]!.push(apply(w('self_attn.v_proj'), normed));
      const mixed = new Float64Array(heads * d);
      for (let head = 0; head < heads; head++) {
        const shared = Math.floor((head * keyValueHeads) / heads);
        const q = rotate(query.slice(head * d, (head + 1) * d), position, config.ropeTheta);
        const scores = keys[layer]!.map((all, at) => {
          const k = rotate(all.slice(shared * d, (shared + 1) * d), at, config.ropeTheta);
          return q.reduce((sum, value, i) => sum + value * k[i]!, 0) / Math.sqrt(d);
        });
        const top = Math.max(...scores);
        const total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
        for (const [at, score] of scores.entries()) {
          const share = Math.exp(score - top) / total;
          for (let i = 0; i < d; i++) mixed[head * d + i]! += share * values[layer]![at]![shared * d + i]!;
        }
      }
      const attended = apply(w('self_attn.o_proj'), mixed);
      x = x.map((value, i) => value + attended[i]!);
      const wide = normalize(x, w('post_attention_layernorm'), epsilon);
      const gate = apply(w('mlp.gate_proj'), wide);
      const up = apply(w('mlp.up_proj'), wide);
      const fed = apply(
        w('mlp.down_proj'),
        gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!),
      );
      x = x.map((value, i) => value + fed[i]!);
    }
    return normalize(x, weights['model.norm.weight']!, epsilon);
  });
}

/** The output projection of the model on one hidden state. */
export function oracleLogits(config: LlamaConfig, weights: Weights, hidden: Float64Array): Float64Array {
  return apply(weights[config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight']!, hidden);
}

/** Sums of up to 20 float32 products of order one, each rounded at about 1e-7 of its terms rather than of its value. */
export const tolerance: Tolerance = { absolute: 1.2e-5, relative: 2e-5 };

/**
 * How far a result of the oracle moves when every weight moves by one rounding of float32, and what it rounds on the way
 * by the second argument; the largest of eight draws, and eight roundings for all else that is computed on the way: a
 * norm that divides by a state near 0 enlarges them all.
 */
export function roundings(
  weights: Weights,
  rng: Rng,
  f: (weights: Weights, rounding: () => number) => readonly number[],
): number {
  const here = f(weights, () => 0);
  const rounding = (): number => (rng.uniform() < 0.5 ? -1 : 1) * 2 ** -24;
  const moves = Array.from({ length: 8 }, () => {
    const nudged = Object.entries(weights).map(([name, w]) => [name, w.map((x) => x * (1 + rounding()))]);
    return Math.max(...f(Object.fromEntries(nudged), rounding).map((y, i) => Math.abs(y - (here[i] as number))));
  });
  return 8 * Math.max(...moves);
}
