// The webgpu backend of tfjs in a worker thread, driven by webgpu-synchronous.ts: it runs kernels and programs on
// tensors that it knows by number, and answers what is waited for.

import { workerData } from 'node:worker_threads';
import { create, globals } from 'webgpu';

const { signal, port } = workerData;
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
const tf = await import('@tensorflow/tfjs-core');
await import('@tensorflow/tfjs-backend-webgpu');
tf.enableProdMode();
await tf.setBackend('webgpu');
const backend = tf.backend();

/** By number; each number holds one reference to its data. */
const known = new Map();
let count = 0;
/** What the device says of shaders and buffers, which tfjs does not hear. */
let complaint;
backend.device.addEventListener('uncapturederror', ({ error }) => {
  complaint ??= error.message;
});

const infoOf = ({ id, shape, dtype }) => ({ dataId: known.get(id), shape, dtype });
const numbered = ({ dataId, shape, dtype }) => {
  count -= 1;
  known.set(count, dataId);
  return { id: count, shape, dtype };
};

const answers = {
  kernels: () => tf.getKernelsForBackend('webgpu').map(({ kernelName }) => kernelName),
  run({ kernelName, inputs, attrs }) {
    const tensors = Array.isArray(inputs)
      ? inputs.map(infoOf)
      : Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input && infoOf(input)]));
    const outputs = tf.getKernel(kernelName, 'webgpu').kernelFunc({ inputs: tensors, backend, attrs });
    const number = (output) => {
      const shared = Object.values(inputs).find((input) => input && known.get(input.id) === output.dataId);
      if (!shared) return numbered(output);
      backend.disposeData(output.dataId); // the other side counts who shares
      return { ...output, dataId: undefined, id: shared.id };
    };
    return Array.isArray(outputs) ? outputs.map(number) : number(outputs);
  },
  program({ program, code, inputs, dtype, uniforms }) {
    return numbered(
      backend.runWebGPUProgram({ ...program, getUserCode: () => code }, inputs.map(infoOf), dtype, uniforms),
    );
  },
  async read({ id }) {
    const values = await backend.read(known.get(id));
    if (complaint) throw new Error(complaint);
    return values;
  },
};

const orders = {
  write({ id, values, shape, dtype }) {
    known.set(id, backend.write(values, shape, dtype));
  },
  dispose({ id }) {
    backend.disposeData(known.get(id));
    known.delete(id);
  },
};

const reply = (message) => {
  port.postMessage(message);
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
};

port.on('message', async ({ name, ...rest }) => {
  if (name in orders) {
    orders[name](rest);
    return;
  }
  try {
    reply({ value: await answers[name](rest) });
  } catch (error) {
    reply({ error: String(error.message ?? error) });
  }
});
