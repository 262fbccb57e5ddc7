import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend, WasmKernel } from './backend.js';

/** `Slice` by moving runs within the heap; the kernel of tfjs copies all of x out of it first. */
export function fastSlice(original: WasmKernel): WasmKernel {
  return (args) => {
    const x = args.inputs['x'] as tf.TensorInfo;
    if (x.dtype === 'string') return original(args);
    const { begin, size } = args.attrs as { begin: number | number[]; size: number | number[] };
    const [from, sizes] = tf.slice_util.parseSliceParams(x, begin, size);
    tf.slice_util.assertParamsValid(x as tf.Tensor, from as number[], sizes as number[]);
    return sliceOf(x, from as number[], sizes as number[], args.backend);
  };
}

/** `SplitV`, which in tfjs copies all of x once for every part. */
export function fastSplit(original: WasmKernel<tf.TensorInfo[]>): WasmKernel<tf.TensorInfo[]> {
  return (args) => {
    const x = args.inputs['x'] as tf.TensorInfo;
    if (x.dtype === 'string') return original(args);
    const { numOrSizeSplits, axis } = args.attrs as { numOrSizeSplits: number | number[]; axis: number };
    const along = tf.util.parseAxisParam(axis, x.shape)[0] as number;
    let done = 0;
    return tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along).map((part) => {
      const begin = x.shape.map((_, d) => (d === along ? done : 0));
      done += part;
      return sliceOf(
        x,
        begin,
        x.shape.map((whole, d) => (d === along ? part : whole)),
        args.backend,
      );
    });
  };
}

function sliceOf(x: tf.TensorInfo, begin: number[], size: number[], backend: WasmBackend): tf.TensorInfo {
  const out = backend.makeOutput(size, x.dtype);
  if (tf.util.sizeFromShape(size) === 0) return out;
  const bytes = tf.util.bytesPerElement(x.dtype);
  const strides = [...tf.util.computeStrides(x.shape), 1].map((stride) => stride * bytes);
  // What is contiguous: the innermost axis, and every further one inside which all is taken.
  let inner = size.length - 1;
  while (inner > 0 && size[inner] === x.shape[inner]) inner--;
  const { heap, from, to } = move(backend, x, out);
  const run = inner < 0 ? bytes : (size[inner] as number) * (strides[inner] as number);
  let target = to;
  const copy = (axis: number, at: number): void => {
    const stride = strides[axis] as number;
    const start = at + (begin[axis] ?? 0) * stride;
    if (axis >= inner) {
      heap.copyWithin(target, start, start + run);
      target += run;
      return;
    }
    for (let i = 0; i < (size[axis] as number); i++) copy(axis + 1, start + i * stride);
  };
  copy(0, from);
  return out;
}

/** `GatherV2` by moving rows within the heap; the kernel of tfjs computes the place of every single number. */
export function fastGather(original: WasmKernel): WasmKernel {
  return (args: KernelArguments) => {
    const { backend, attrs } = args;
    const { x, indices } = args.inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
    if (x.dtype === 'string' || indices.dtype !== 'int32') return original(args);
    const axis = tf.util.parseAxisParam(attrs['axis'] as number, x.shape)[0] as number;
    const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
      tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        axis,
        attrs['batchDims'] as number,
      );
    const wrong = (backend.typedArrayFromHeap(indices) as Int32Array).find((index) => !(index >= 0 && index < dimSize));
    tf.util.assert(wrong === undefined, () => `GatherV2: the index value ${wrong} is not in [0, ${dimSize - 1}]`);
    const out = backend.makeOutput(outputShape, x.dtype);
    const each = tf.util.sizeFromShape(indices.shape) / batchSize;
    const run = sliceSize * tf.util.bytesPerElement(x.dtype);
    const { heap, from, to } = move(backend, x, out);
    const ids = backend.typedArrayFromHeap(indices);
    let target = to;
    for (let row = 0; row < batchSize * outerSize; row++) {
      const start = from + row * dimSize * run;
      const first = Math.floor(row / outerSize) * each;
      for (let i = first; i < first + each; i++) {
        const at = start + (ids[i] as number) * run;
        heap.copyWithin(target, at, at + run);
        target += run;
      }
    }
    return out;
  };
}

/** The heap, and where two tensors lie in it; valid until the next allocation. */
function move(backend: WasmBackend, x: tf.TensorInfo, out: tf.TensorInfo) {
  const address = ({ dataId }: tf.TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset;
  // A tensor of another backend is brought here when it is asked for, and the heap may grow: it is looked at last.
  const [from, to] = [address(x), address(out)];
  return { heap: backend.wasm.HEAPU8, from, to };
}
