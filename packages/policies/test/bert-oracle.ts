import type { BertConfig } from '../src/index.ts';
import type { Weights } from './oracle.ts';

/** The error function: its power series for small x, the continued fraction of erfc for large. */
function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x < 2.5) {
    let sum = 0;
    for (let n = 0, term = x; n < 80; n++, term *= -(x * x) / n) sum += term / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = x;
  for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction;
  return 1 - Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

function affine(x: Float64Array, weights: Weights, name: string): Float64Array {
  const matrix = weights[`${name}.weight`]!;
  return weights[`${name}.bias`]!.map(
    (bias, i) => bias + x.reduce((sum, value, j) => sum + matrix[i * x.length + j]! * value, 0),
  );
}

/** `rounding` is that of the mean: states that all but equal it are what is left of a difference. */
function layerNorm(
  x: Float64Array,
  weights: Weights,
  name: string,
  { epsilon, rounding }: { readonly epsilon: number; readonly rounding: () => number },
): Float64Array {
  const mean = (x.reduce((sum, value) => sum + value, 0) / x.length) * (1 + rounding());
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const [scale, shift] = [weights[`${name}.weight`]!, weights[`${name}.bias`]!];
  return x.map((value, i) => (scale[i]! * (value - mean)) / Math.sqrt(variance + epsilon) + shift[i]!);
}

const plus = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]!);

/** The last hidden state of every token of one sequence, without padding, in float64. */
export function oracleStates(
  config: BertConfig,
  weights: Weights,
  ids: readonly number[],
  types: readonly number[] = ids.map(() => 0),
  rounding = (): number => 0,
): Float64Array[] {
  const { hiddenSize: H, heads } = config;
  const how = { epsilon: config.layerNormEpsilon, rounding };
  const d = H / heads;
  const row = (name: string, at: number): Float64Array =>
    weights[`embeddings.${name}_embeddings.weight`]!.slice(at * H, (at + 1) * H);
  const activate = (x: number): number =>
    config.geluApproximate === 'none'
      ? (x * (1 + erf(x / Math.SQRT2))) / 2
      : (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2;

  let states = ids.map((id, at) => {
    const sum = plus(plus(row('word', id), row('position', at)), row('token_type', types[at]!));
    return layerNorm(sum, weights, 'embeddings.LayerNorm', how);
  });
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `encoder.layer.${layer}`;
    const part = (name: string): Float64Array[] =>
      states.map((x) => affine(x, weights, `${at}.attention.self.${name}`));
    const [queries, keys, values] = [part('query'), part('key'), part('value')];
    states = states.map((x, i) => {
      const mixed = new Float64Array(H);
      for (let head = 0; head < heads; head++) {
        const own = (v: Float64Array): Float64Array => v.slice(head * d, (head + 1) * d);
        const q = own(queries[i]!);
        const powers = keys.map((k) => Math.exp(own(k).reduce((sum, y, n) => sum + y * q[n]!, 0) / Math.sqrt(d)));
        const total = powers.reduce((a, b) => a + b);
        for (const [j, power] of powers.entries()) {
          for (const [n, y] of own(values[j]!).entries()) mixed[head * d + n]! += (power / total) * y;
        }
      }
      const attended = plus(x, affine(mixed, weights, `${at}.attention.output.dense`));
      const middle = layerNorm(attended, weights, `${at}.attention.output.LayerNorm`, how);
      const wide = affine(middle, weights, `${at}.intermediate.dense`).map(activate);
      return layerNorm(
        plus(middle, affine(wide, weights, `${at}.output.dense`)),
        weights,
        `${at}.output.LayerNorm`,
        how,
      );
    });
  }
  return states;
}

/** What the encoder pools of one sequence. */
export function oraclePooled(
  config: BertConfig,
  weights: Weights,
  ids: readonly number[],
  rounding?: () => number,
): Float64Array {
  const states = oracleStates(config, weights, ids, undefined, rounding);
  const pooled = config.pooling === 'first' ? states[0]! : states.reduce(plus).map((x) => x / ids.length);
  return config.normalize ? pooled.map((x) => x / Math.hypot(...pooled)) : pooled;
}
