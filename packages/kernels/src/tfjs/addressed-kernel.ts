import type * as tf from '@tensorflow/tfjs-core';
import { pass } from '../arrays/pass.js';
import type { FastKernel, Probe } from './fast-kernel.js';
import type { WasmKernel } from './wasm/backend.js';
import type { OnHeap } from './wasm/on-heap.js';

/** A new kernel as arithmetic over addresses, for every backend whose numbers can be brought into some heap. */
export interface AddressedKernel<Family> {
  readonly kernelName: string;
  /** Their names, in the order of shapes and addresses; float32 and int32. */
  readonly inputs: readonly string[];
  /** The shapes of the results, which are float32. */
  outputs(shapes: Shapes, attrs: Attrs): readonly (readonly number[])[];
  run(family: Family, from: readonly number[], to: readonly number[], shapes: Shapes, attrs: Attrs): void;
  readonly probe: Probe;
}

export type Shapes = readonly (readonly number[])[];
export type Attrs = Readonly<Record<string, unknown>>;

/** In the heap of the wasm backend, without copying. */
export function onWasm<Family>(
  kernels: readonly AddressedKernel<Family>[],
  familyOf: OnHeap<Family>,
): readonly FastKernel[] {
  return kernels.map((kernel) =>
    installable(kernel, ({ inputs, backend, attrs }) => {
      const family = familyOf(backend);
      if (family === undefined) throw new Error(`${kernel.kernelName} cannot run here`);
      const tensors = kernel.inputs.map((name) => inputs[name] as tf.TensorInfo);
      const shapes = tensors.map(({ shape }) => shape);
      const results = kernel.outputs(shapes, attrs).map((shape) => backend.makeOutput([...shape], 'float32'));
      const address = ({ dataId }: tf.TensorInfo): number => backend.dataIdMap.get(dataId).memoryOffset;
      try {
        kernel.run(family, tensors.map(address), results.map(address), shapes, attrs);
      } catch (error) {
        for (const { dataId } of results) backend.disposeData(dataId); // tfjs knows nothing of them yet
        throw error;
      }
      return results;
    }),
  );
}

/** For the cpu backend, whose numbers pass through the private memory. */
export function onCpu<Family>(
  kernels: readonly AddressedKernel<Family>[],
  family: () => Family,
): readonly FastKernel[] {
  return kernels.map((kernel) =>
    installable(kernel, ({ inputs, backend, attrs }) => {
      const cpu = backend as unknown as CpuBackend;
      const tensors = kernel.inputs.map((name) => inputs[name] as tf.TensorInfo);
      const shapes = tensors.map(({ shape }) => shape);
      const numbers = tensors.map(({ dataId }) => cpu.readSync(dataId));
      const results = kernel.outputs(shapes, attrs);
      return pass(numbers, results.map(sizeOf), (from, to) => kernel.run(family(), from, to, shapes, attrs)).map(
        (values, i) => cpu.makeTensorInfo([...(results[i] ?? [])], 'float32', values),
      );
    }),
  );
}

function installable<Family>(
  { kernelName, probe }: AddressedKernel<Family>,
  kernelFunc: WasmKernel<tf.TensorInfo[]>,
): FastKernel {
  return {
    kernelName,
    make: () => ((args: Parameters<typeof kernelFunc>[0]) => kernelFunc(args)) as unknown as tf.KernelFunc,
    probes: [probe],
  };
}

/** What is public of the cpu backend in fact, like {@link WasmKernel}'s backend. */
interface CpuBackend {
  readSync(dataId: object): Float32Array | Int32Array;
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
