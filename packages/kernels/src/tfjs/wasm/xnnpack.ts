import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend, WasmKernel } from './backend.js';
import type { Product } from './mat-mul.js';

/**
 * A product with a flag or a batch by the kernel that tfjs uses for plain ones, for where ours cannot run.
 *
 * tfjs hands a product to XNNPACK only when it is a plain 2-D one; a transpose flag or a batch takes a naive loop,
 * 12 to 30 times slower, and every gradient of `matMul` has a flag. So: transpose first (the operands or the result,
 * whichever moves less), then one XNNPACK product per matrix of the batch, on views of the operands, without copying
 * them.
 */
export function multiplyByXnnpack(
  backend: WasmBackend,
  { a, b, flipA, flipB, batch, m, k, n }: Product,
): tf.TensorInfo {
  const count = tf.util.sizeFromShape([...batch]);
  const temporary: tf.TensorInfo[] = [];
  const swapped = (x: tf.TensorInfo): tf.TensorInfo => {
    const y = swapLastTwo(x, backend);
    temporary.push(y);
    return y;
  };
  const product = (left: tf.TensorInfo, right: tf.TensorInfo, rows: number, columns: number): tf.TensorInfo => {
    const out = backend.makeOutput([...batch, rows, columns], 'float32');
    multiplyEach(backend, left, right, out, count, rows, k, columns);
    return out;
  };
  // Numbers to move for op(A) op(B), and for the same as (op(B)ᵀ op(A)ᵀ)ᵀ; XNNPACK packs the right operand.
  const direct = (flipA ? m * k : 0) + (flipB ? k * n : 0) + k * n;
  const mirrored = (flipA ? 0 : m * k) + (flipB ? 0 : k * n) + m * k + m * n;
  let out: tf.TensorInfo;
  if (mirrored < direct) {
    const mirror = product(flipB ? b : swapped(b), flipA ? a : swapped(a), n, m);
    temporary.push(mirror);
    out = swapLastTwo(mirror, backend);
  } else {
    out = product(flipA ? swapped(a) : a, flipB ? swapped(b) : b, m, n);
  }
  for (const { dataId } of temporary) backend.disposeData(dataId);
  return out;
}

function swapLastTwo(x: tf.TensorInfo, backend: WasmBackend): tf.TensorInfo {
  const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc as unknown as WasmKernel;
  const rank = x.shape.length;
  const perm = [...Array(rank - 2).keys(), rank - 1, rank - 2];
  return transpose({ inputs: { x }, backend, attrs: { perm } } satisfies KernelArguments);
}

function multiplyEach(
  backend: WasmBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  out: tf.TensorInfo,
  count: number,
  m: number,
  k: number,
  n: number,
): void {
  const { wasm, dataIdMap } = backend;
  const address = (x: tf.TensorInfo): number => dataIdMap.get(x.dataId).memoryOffset;
  const [aAt, bAt, outAt] = [address(a), address(b), address(out)];
  // Three ids of the C++ side, pointed at one matrix of the batch after the other. Disposing of the id also drops
  // the packed copy of `b` that XNNPACK keeps under it.
  const [aId, bId, outId] = [backend.dataIdNextNumber++, backend.dataIdNextNumber++, backend.dataIdNextNumber++];
  const shapes = wasm._malloc(24) >>> 0;
  new Int32Array(wasm.HEAPU8.buffer, shapes, 6).set([1, m, k, 1, k, n]);
  for (let i = 0; i < count; i++) {
    wasm.tfjs.registerTensor(aId, m * k, aAt + 4 * i * m * k);
    wasm.tfjs.registerTensor(bId, k * n, bAt + 4 * i * k * n);
    wasm.tfjs.registerTensor(outId, m * n, outAt + 4 * i * m * n);
    wasm._BatchMatMul(aId, shapes, 3, bId, shapes + 12, 3, 0, 0, outId);
    wasm.tfjs.disposeData(aId);
    wasm.tfjs.disposeData(bId);
    wasm.tfjs.disposeData(outId);
  }
  wasm._free(shapes);
}
