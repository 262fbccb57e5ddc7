import * as tf from '@tensorflow/tfjs-core';
import { BackendError } from '@tsrl/core';
import type { WasmBackend, WasmKernel } from './wasm-backend.js';
import { repairedFusedMatMul } from './wasm-fused-mat-mul.js';
import { createGemmOf } from './wasm-gemm.js';
import { repairedMatMul } from './wasm-mat-mul.js';
import { repairedGather, repairedSlice, repairedSplit } from './wasm-moves.js';
import { repairedSum } from './wasm-sum.js';

/** Marks a kernel as repaired, across duplicate installs of this package; its value is the kernel of tfjs. */
const repaired = Symbol.for('@tsrl/tensor/repaired');

/** Replaces a kernel of the wasm backend by what `repair` makes of it; once, however often it is called. */
function replace<Result = tf.TensorInfo>(
  kernelName: string,
  repair: (original: WasmKernel<Result>) => WasmKernel<Result>,
): void {
  const config = tf.getKernel(kernelName, 'wasm') as tf.KernelConfig | undefined;
  if (config === undefined || repaired in config.kernelFunc) return;
  const kernel = repair(config.kernelFunc as unknown as WasmKernel<Result>);
  tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({
    ...config,
    kernelFunc: Object.assign(kernel, { [repaired]: config.kernelFunc }) as unknown as tf.KernelFunc,
  });
}

/**
 * Repairs what the wasm backend of tfjs 4.22 gets wrong or does slowly. The repairs hold for the whole process, so
 * they happen in `useBackend('wasm')`, never by importing.
 *
 * - `BatchMatMul`: by the kernel of @tsrl/kernels, transposed and batched products too (`wasm-mat-mul.ts`); products
 *   over nothing are 0.
 * - `_FusedMatMul`: the same, and the bias in its right place for a batch (`wasm-fused-mat-mul.ts`).
 * - `Identity`: shares the data instead of copying it, as the other backends do; `clone`, `keep` and whatever the
 *   tape saves go through it.
 * - `OneHot`: with dtype float32 it writes the bits of the integer 1, which is 1.4e-45.
 * - `ClipByValue`: turns NaN into the lower bound, which hides a diverged ratio, and clips the bits of integers.
 * - `Log1p`: computes log(1 + x), which is 0 at 1e-8.
 * - `Sum`: over an empty axis it returns whatever stood in memory; over the first axes it transposes (`wasm-sum.ts`).
 * - A heap that is full: tfjs takes address 0 for memory and writes there, over the oldest tensors; now it is an error.
 * - `Slice`, `SplitV`, `GatherV2`: without a copy of the whole, by rows instead of by numbers (`wasm-moves.ts`).
 */
export function repairWasm(): void {
  guardHeap(tf.backend() as unknown as WasmBackend);
  const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc as unknown as WasmKernel;
  const gemmOf = createGemmOf();
  replace('BatchMatMul', (original) => repairedMatMul(original, transpose, gemmOf));
  replace('_FusedMatMul', (original) => repairedFusedMatMul(original, gemmOf));
  replace('Identity', () => identity);
  replace('OneHot', (original) => oneHot(original));
  replace('ClipByValue', () => clipByValue);
  replace('Log1p', (original) => log1p(original));
  replace('Sum', (original) => repairedSum(original, gemmOf));
  replace('Slice', (original) => repairedSlice(original));
  replace('SplitV', (original: WasmKernel<tf.TensorInfo[]>) => repairedSplit(original));
  replace('GatherV2', (original) => repairedGather(original));
}

/** Turns "no memory", which tfjs does not look for, into an error. */
function guardHeap({ wasm }: WasmBackend): void {
  if (repaired in wasm._malloc) return;
  wasm._free(wasm._malloc(1)); // the first call puts the real function into its place
  const allocate = wasm._malloc;
  const guarded = (bytes: number): number => {
    const address = allocate(bytes);
    if (address !== 0 || bytes === 0) return address;
    throw new BackendError('wasm', `its memory, which ends at 4 GiB, has no ${bytes} bytes left; use smaller batches`);
  };
  wasm._malloc = Object.assign(guarded, { [repaired]: true });
}

const identity: WasmKernel = ({ inputs, backend }) => {
  const { dataId, shape, dtype } = inputs['x'] as tf.TensorInfo;
  backend.incRef(dataId);
  return { dataId, shape, dtype };
};

const oneHot =
  (original: WasmKernel): WasmKernel =>
  (args) => {
    const { inputs, backend, attrs } = args;
    if (attrs['dtype'] !== 'float32') return original(args);
    const indices = inputs['indices'] as tf.TensorInfo;
    const depth = attrs['depth'] as number;
    const out = backend.makeOutput([...indices.shape, depth], 'float32');
    const at = backend.typedArrayFromHeap(indices);
    const values = backend.typedArrayFromHeap(out).fill(attrs['offValue'] as number);
    for (let i = 0; i < at.length; i++) {
      const index = at[i] as number;
      if (index >= 0 && index < depth) values[i * depth + index] = attrs['onValue'] as number;
    }
    return out;
  };

const clipByValue: WasmKernel = ({ inputs, backend, attrs }) => {
  const least = attrs['clipValueMin'] as number;
  const most = attrs['clipValueMax'] as number;
  // Unlike the wasm comparison, Math.min and Math.max pass NaN on.
  return elementwise(inputs['x'] as tf.TensorInfo, backend, (value) => Math.max(least, Math.min(value, most)));
};

const log1p =
  (original: WasmKernel): WasmKernel =>
  (args) => {
    const x = args.inputs['x'] as tf.TensorInfo;
    return x.dtype === 'float32' ? elementwise(x, args.backend, Math.log1p) : original(args);
  };

function elementwise(
  x: tf.TensorInfo,
  backend: Parameters<WasmKernel>[0]['backend'],
  f: (value: number) => number,
): tf.TensorInfo {
  const out = backend.makeOutput(x.shape, x.dtype);
  const from = backend.typedArrayFromHeap(x);
  const to = backend.typedArrayFromHeap(out);
  for (let i = 0; i < from.length; i++) to[i] = f(from[i] as number);
  return out;
}
