import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';

type Values = Float32Array | Int32Array | Uint8Array;
type DataId = object;
interface Entry {
  /** Under which the worker knows it; those that begin here are positive. */
  readonly id: number;
  refCount: number;
}
interface Remote {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: tf.DataType;
}
interface Program {
  getUserCode(): string;
}

/**
 * Registers the webgpu backend as one that can be read at once, which in Node it cannot: the tests of the other backends
 * read that way. The backend itself runs in a worker; this side passes on every kernel and program, and waits.
 */
export function registerSynchronousWebgpu(): void {
  const remote = connect();
  tf.registerBackend('webgpu', () => new Synchronous(remote));
  for (const kernelName of remote.ask('kernels') as string[]) {
    tf.registerKernel({
      kernelName,
      backendName: 'webgpu',
      kernelFunc: ({ inputs, attrs, backend }) => (backend as Synchronous).run(kernelName, inputs, attrs),
    });
  }
}

type Connection = ReturnType<typeof connect>;

function connect() {
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./webgpu-worker.mjs', import.meta.url), {
    workerData: { signal, port: port2 },
    transferList: [port2],
  });
  worker.unref();
  port1.unref();
  const tell = (name: string, order: object = {}): void => port1.postMessage({ name, ...order });
  const ask = (name: string, question: object = {}): unknown => {
    Atomics.store(signal, 0, 0);
    tell(name, question);
    // The notification of the last answer may come after the wait for this one has begun.
    while (Atomics.load(signal, 0) === 0) {
      if (Atomics.wait(signal, 0, 0, 60_000) === 'timed-out') throw new Error(`webgpu: no answer to ${name}`);
    }
    const answer = receiveMessageOnPort(port1)?.message as { value: unknown; error?: string } | undefined;
    if (answer?.error !== undefined) throw new Error(`webgpu: ${answer.error}`);
    return answer?.value;
  };
  return { tell, ask };
}

class Synchronous extends tf.KernelBackend {
  readonly #data: tf.DataStorage<Entry>;
  readonly #remote: Connection;
  #count = 0;

  constructor(remote: Connection) {
    super();
    this.#remote = remote;
    this.#data = new tf.DataStorage<Entry>(this, tf.engine());
  }

  run(kernelName: string, inputs: tf.NamedTensorInfoMap, attrs: unknown): tf.TensorInfo | tf.TensorInfo[] {
    const sent = Object.entries(inputs).map(([name, input]) => [name, input && this.#toRemote(input)] as const);
    const outputs = this.#remote.ask('run', {
      kernelName,
      inputs: Array.isArray(inputs) ? sent.map(([, input]) => input) : Object.fromEntries(sent),
      attrs,
    });
    const own = (output: Remote): tf.TensorInfo => {
      const shared = Object.values(inputs).find((input) => input && this.#data.get(input.dataId).id === output.id);
      if (!shared) return this.#own(output);
      this.incRef(shared.dataId);
      return { dataId: shared.dataId, shape: output.shape, dtype: output.dtype };
    };
    return Array.isArray(outputs) ? outputs.map(own) : own(outputs as Remote);
  }

  runWebGPUProgram(program: Program, inputs: tf.TensorInfo[], dtype: tf.DataType, uniforms?: object[]): tf.TensorInfo {
    const { getUserCode, ...rest } = program;
    const sent = inputs.map((input) => this.#toRemote(input));
    const code = getUserCode();
    return this.#own(this.#remote.ask('program', { program: rest, code, inputs: sent, dtype, uniforms }) as Remote);
  }

  makeTensorInfo(shape: number[], dtype: tf.DataType, values: Values = new Float32Array(0)): tf.TensorInfo {
    return { dataId: this.write(values, shape, dtype), shape, dtype };
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(dataId: DataId, values: tf.BackendValues, shape: number[], dtype: tf.DataType, refCount: number): void {
    this.#count += 1;
    this.#data.set(dataId, { id: this.#count, refCount });
    this.#remote.tell('write', { id: this.#count, values, shape, dtype });
  }

  override readSync(dataId: DataId): Values {
    return this.#remote.ask('read', { id: this.#data.get(dataId).id }) as Values;
  }

  override async read(dataId: DataId): Promise<Values> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const entry = this.#data.get(dataId);
    entry.refCount = force ? 0 : entry.refCount - 1;
    if (entry.refCount > 0) return false;
    this.#data.delete(dataId);
    this.#remote.tell('dispose', { id: entry.id });
    return true;
  }

  override incRef(dataId: DataId): void {
    this.#data.get(dataId).refCount += 1;
  }

  override refCount(dataId: DataId): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override async time(run: () => void): Promise<tf.BackendTimingInfo> {
    run();
    return { kernelMs: { error: 'not measured' } };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {}

  #toRemote({ dataId, shape, dtype }: tf.TensorInfo): Remote {
    return { id: this.#data.get(dataId).id, shape, dtype };
  }

  #own({ id, shape, dtype }: Remote): tf.TensorInfo {
    const dataId = {};
    this.#data.set(dataId, { id, refCount: 1 });
    return { dataId, shape, dtype };
  }
}
