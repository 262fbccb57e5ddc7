import { inFloat64, ulp32 } from './float64.js';
import { type GoldenCase, type GoldenTensor, type GoldenValue, isTensor } from './golden.js';
import { type Allowances, compare } from './judge.js';
import type { Computed, Family, Values } from './outcome.js';

/**
 * What float32 cannot do better: how far each entry of the float64 result moves when each input moves by one float32
 * ulp (decisions.md, 5):
 *
 *   Σ_i max(|f(x + uᵢ eᵢ) − f(x)|, |f(x − uᵢ eᵢ) − f(x)|),  uᵢ = ulp₃₂(xᵢ)
 *
 * Computed by our own function in float64 (`inFloat64`). The golden decides only whether there is a bound at all:
 * where that function is off in float64 too, it is wrong, not badly conditioned, and the answer is undefined.
 */
export function conditionOf(golden: GoldenCase, family: Family): Promise<Allowances | undefined> {
  return inFloat64(async () => {
    const exact = await evaluate(golden, family);
    if (compare(golden, exact).length > 0) return undefined;
    const base = partsOf(exact);
    const sums = mapValues(base, ({ data }) => new Float64Array(data.length));
    for (const [name, tensor] of Object.entries(golden.inputs)) {
      if (!isTensor(tensor) || !tensor.dtype.startsWith('float')) continue;
      for (let i = 0; i < tensor.data.length; i++) {
        const step = ulp32(tensor.data[i] as number);
        const moved = [step, -step].map((by) => withInput(golden, name, nudged(tensor, i, by)));
        const [above, below] = [
          partsOf(await evaluate(moved[0] as GoldenCase, family)),
          partsOf(await evaluate(moved[1] as GoldenCase, family)),
        ];
        for (const [part, sum] of Object.entries(sums)) {
          const at = base[part] as Values;
          const change = (to: Readonly<Record<string, Values>>, j: number): number =>
            Math.abs((to[part]?.data[j] as number) - (at.data[j] as number));
          sum.forEach((_, j) => {
            sum[j] = (sum[j] as number) + Math.max(change(above, j), change(below, j));
          });
        }
      }
    }
    return mapValues(sums, (sum) => sum.map((room) => (Number.isFinite(room) ? room : 0)));
  });
}

async function evaluate(golden: GoldenCase, family: Family): Promise<Computed> {
  const outcome = await family.run(golden);
  if (outcome.kind !== 'computed') throw new Error(`${golden.name} is not mapped any more`);
  return outcome;
}

/** Outputs and gradients under the names that `compare` gives them. */
function partsOf({ outputs, gradients }: Computed): Record<string, Values> {
  const named = Object.entries(gradients).map(([name, gradient]) => [`gradients.${name}`, gradient]);
  return { ...outputs, ...Object.fromEntries(named) };
}

function nudged(tensor: GoldenTensor, at: number, by: number): GoldenTensor {
  return { ...tensor, data: tensor.data.with(at, (tensor.data[at] as number) + by) };
}

const withInput = (golden: GoldenCase, name: string, value: GoldenValue): GoldenCase => ({
  ...golden,
  inputs: { ...golden.inputs, [name]: value },
});

function mapValues<A, B>(record: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]));
}
