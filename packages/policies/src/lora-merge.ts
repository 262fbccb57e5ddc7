import type { Lora } from './lora.js';

/**
 * The weight of this name as it stands for itself and its adapter, W + (alpha / rank) B A; as it is, where it has none.
 * Sums are in float64 and rounded once, so that an element is off by at most half a step of float32.
 *
 * PEFT's `merge_and_unload` computes in the dtype of the model.
 *
 * @param weight W [out, in], row-major; not changed
 */
export async function mergeLora(lora: Lora, name: string, weight: Float32Array): Promise<Float32Array> {
  const module = name.replace(/\.weight$/, '');
  const [a, b] = ['A', 'B'].map((matrix) => lora.weights.get(`${module}.lora_${matrix}.weight`));
  if (!a || !b) return weight;
  const [down, up] = [await a.data(), await b.data()];
  const width = a.shape[1] as number;
  return weight.map((w, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    let sum = 0;
    for (let r = 0; r < lora.rank; r++) {
      sum += (up[row * lora.rank + r] as number) * (down[r * width + column] as number);
    }
    return w + (lora.alpha / lora.rank) * sum;
  });
}
