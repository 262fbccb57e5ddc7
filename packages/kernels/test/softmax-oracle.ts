/** Rows of logits and what is asked of them, as the kernels take it. */
export interface Rows {
  readonly x: ArrayLike<number>;
  readonly size: number;
  readonly ids: ArrayLike<number>;
  readonly temperature: number;
  readonly ignoreId: number;
  readonly entropy: boolean;
}

/** Log-probs, log-normalizer and entropy of every row, by their definitions in float64. */
export function statisticsOf({ x, size, ids, temperature, ignoreId, entropy }: Rows): number[] {
  const rows = x.length / size;
  const chosen = rows === 0 ? 0 : ids.length / rows;
  const result: number[] = [];
  for (let r = 0; r < rows; r++) {
    const { logP, logNormalizer, h } = rowOf(x, r, size, temperature);
    for (let k = 0; k < chosen; k++) {
      const id = ids[r * chosen + k]!;
      result.push(id === ignoreId ? 0 : id >= 0 && id < size ? logP[id]! : Number.NaN);
    }
    result.push(logNormalizer);
    if (entropy) result.push(h);
  }
  return result;
}

/**
 * d Σ dy statistics / dx, and for each number the size of the terms that it is the sum of. Terms of small p count more:
 * x − M and (x − M) / τ are rounded to float32, by up to 2⁻²⁴ of themselves each, and that much is the error of log p.
 */
export function gradientOf({ x, size, ids, temperature, ignoreId, entropy }: Rows, dy: ArrayLike<number>) {
  const rows = x.length / size;
  const chosen = ids.length / rows;
  const columns = chosen + (entropy ? 2 : 1);
  const values = new Float64Array(x.length);
  const sizes = new Float64Array(x.length);
  for (let r = 0; r < rows; r++) {
    const { logP, h, hSize } = rowOf(x, r, size, temperature);
    const slope = dy[r * columns + chosen]!;
    const slopeOfEntropy = entropy ? dy[r * columns + chosen + 1]! : 0;
    let [taken, size1] = [0, Math.abs(slope)];
    for (let k = 0; k < chosen; k++) {
      const id = ids[r * chosen + k]!;
      if (id === ignoreId || id < 0 || id >= size) continue;
      const g = dy[r * columns + k]!;
      taken += g;
      size1 += Math.abs(g);
      values[r * size + id]! += g / temperature;
      sizes[r * size + id]! += Math.abs(g) / temperature;
    }
    for (let j = 0; j < size; j++) {
      const p = Math.exp(logP[j]!);
      if (p === 0) continue;
      values[r * size + j]! += (p * (slope - taken - slopeOfEntropy * (logP[j]! + h))) / temperature;
      const weight = 1 - logP[j]! / 8;
      sizes[r * size + j]! +=
        (p / temperature) * (size1 * weight + Math.abs(slopeOfEntropy) * (hSize - logP[j]! * weight));
    }
  }
  return { values, sizes };
}

/** A row of nothing but −∞ has log-probs −∞ and, by decree, entropy 0 and p = 0. */
function rowOf(x: ArrayLike<number>, r: number, size: number, temperature: number) {
  let top = -Infinity;
  for (let j = 0; j < size; j++) top = Math.max(top, x[r * size + j]!);
  let sum = 0;
  for (let j = 0; j < size; j++) sum += Math.exp((x[r * size + j]! - top) / temperature);
  const logP = new Float64Array(size);
  let [h, hSize] = [0, 0];
  for (let j = 0; j < size; j++) {
    logP[j] = top === -Infinity ? -Infinity : (x[r * size + j]! - top) / temperature - Math.log(sum);
    if (logP[j] === -Infinity) continue;
    h -= Math.exp(logP[j]!) * logP[j]!;
    hSize -= Math.exp(logP[j]!) * logP[j]! * (1 - logP[j]! / 8);
  }
  return { logP, logNormalizer: top === -Infinity ? -Infinity : top / temperature + Math.log(sum), h, hSize };
}
