import * as tf from '@tensorflow/tfjs-core';
import { BackendError, OptionError } from '@tsrl/core';
import { installFastKernels } from '@tsrl/kernels/tfjs';

/** The backends that tsrl is meant for, in the order in which `auto` tries those that install anywhere. */
export const backendNames = ['tensorflow', 'wasm', 'cpu', 'webgpu'] as const;

export type BackendName = (typeof backendNames)[number];

/**
 * Imports a backend, makes it the current one, waits until it is ready, and calls `installFastKernels()` of
 * @tsrl/kernels/tfjs, which is for the whole process and can be undone by `uninstallFastKernels()`.
 *
 * - `tensorflow`: `@tensorflow/tfjs-node-gpu`, else `@tensorflow/tfjs-node`, whichever the application has installed.
 * - `wasm`: installs anywhere; without the fast kernels it cannot train at speed.
 * - `cpu`: plain JavaScript, slow; the reference of the tests.
 * - `webgpu`: where `navigator.gpu` exists. Browsers bring it; in Node the npm package `webgpu` does, once the application
 *   has put it there:
 *   `Object.assign(globalThis, globals); Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } })`.
 *   Only `await tensor.data()` can read there, `dataSync()` cannot.
 * - `auto`: `tensorflow` where it is installed and works, else `wasm`, else `cpu`.
 *
 * After plain `tf.setBackend` everything is computed by tfjs's own kernels: slowly, and with the errors of tfjs 4.22
 * that docs/performance.md names.
 *
 * @returns the name of the backend now in use
 * @throws OptionError for an unknown name; BackendError, which says what to install, when the backend is not there
 */
export async function useBackend(name: BackendName | 'auto' = 'auto'): Promise<BackendName> {
  if (name !== 'auto') {
    if (!backendNames.includes(name)) {
      throw new OptionError('useBackend', 'name', `one of auto, ${backendNames.join(', ')}`, name);
    }
    await start[name]();
    return name;
  }
  for (const candidate of ['tensorflow', 'wasm'] as const) {
    try {
      await start[candidate]();
      return candidate;
    } catch {
      // Not installed or not working here: the next one is slower, and no less right.
    }
  }
  await start.cpu();
  return 'cpu';
}

/** The part of `navigator.gpu` that is asked before tfjs, which reports a missing driver on the console only. */
interface Gpu {
  requestAdapter(): Promise<object | null>;
}

const start: Record<BackendName, () => Promise<void>> = {
  async tensorflow() {
    const tried: string[] = [];
    for (const optional of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
      try {
        await import(/* @vite-ignore */ optional);
        return await select('tensorflow');
      } catch (error) {
        tried.push(`${optional}: ${firstLine(error)}`);
      }
    }
    throw new BackendError(
      'useBackend',
      'the tensorflow backend needs `npm install @tensorflow/tfjs-node` (or `@tensorflow/tfjs-node-gpu` with CUDA) ' +
        'on Node 20 to 22, with its install script allowed, because that fetches the native library; ' +
        `got ${tried.join('; ')}`,
    );
  },
  async wasm() {
    await imported('wasm', () => import('@tensorflow/tfjs-backend-wasm'));
    await select('wasm');
  },
  async cpu() {
    await imported('cpu', () => import('@tensorflow/tfjs-backend-cpu'));
    await select('cpu');
  },
  async webgpu() {
    const { gpu } = (globalThis as { navigator?: { gpu?: Gpu } }).navigator ?? {};
    if (!gpu) {
      throw new BackendError(
        'useBackend',
        'the webgpu backend needs navigator.gpu, which this environment lacks; in Node, `npm install webgpu`, and before ' +
          "this call `import { create, globals } from 'webgpu'`, `Object.assign(globalThis, globals)`, " +
          "`Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } })`",
      );
    }
    if (!(await gpu.requestAdapter())) {
      const problem =
        'the webgpu backend needs a graphics driver (Vulkan, Metal or Direct3D 12); navigator.gpu finds none';
      throw new BackendError('useBackend', problem);
    }
    const optional = '@tensorflow/tfjs-backend-webgpu';
    await imported('webgpu', () => import(/* @vite-ignore */ optional));
    if (tf.findBackendFactory('webgpu') === null) {
      throw new BackendError('useBackend', `${optional} was imported before navigator.gpu was there; import it later`);
    }
    await select('webgpu');
  },
};

async function imported(name: string, load: () => Promise<unknown>): Promise<void> {
  if (tf.findBackendFactory(name) !== null) return;
  try {
    await load();
  } catch (error) {
    const problem = `the ${name} backend needs \`npm install @tensorflow/tfjs-backend-${name}\`; ${firstLine(error)}`;
    throw new BackendError('useBackend', problem, { cause: error });
  }
}

async function select(name: string): Promise<void> {
  const ready = await tf.setBackend(name);
  if (!ready) throw new BackendError('useBackend', `the ${name} backend did not start`);
  await tf.ready();
  installFastKernels();
}

const firstLine = (error: unknown): string => String((error as Error).message ?? error).split('\n')[0] as string;
