import type * as tf from '@tensorflow/tfjs-core';
import { floatsAt, integersAt, privateHeap } from '../arrays/heap.js';
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
      kernel.run(family, tensors.map(address), results.map(address), shapes, attrs);
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
      const sizes = kernel.outputs(shapes, attrs);
      const numbers = tensors.map(({ dataId }) => cpu.readSync(dataId));
      const borrowed: number[] = [];
      const allocate = (size: number): number => {
        const address = privateHeap().allocate(4 * size);
        borrowed.push(address);
        return address;
      };
      try {
        const from = numbers.map(({ length }) => allocate(length));
        const to = sizes.map((shape) => allocate(sizeOf(shape)));
        for (const [i, values] of numbers.entries()) {
          const view = tensors[i]?.dtype === 'int32' ? integersAt : floatsAt;
          view(from[i] as number, values.length).set(values);
        }
        kernel.run(family(), from, to, shapes, attrs);
        return sizes.map((shape, i) =>
          cpu.makeTensorInfo([...shape], 'float32', floatsAt(to[i] as number, sizeOf(shape)).slice()),
        );
      } finally {
        for (const address of borrowed) privateHeap().free(address);
      }
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
