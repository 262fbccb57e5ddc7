import * as tf from '@tensorflow/tfjs-core';
import { BackendError } from '@tsrl/core';
import { cpuKernels } from './cpu/index.js';
import type { FastKernel } from './fast-kernel.js';
import { passes } from './run-probe.js';
import { guardHeap, unguardHeap } from './wasm/guard-heap.js';
import { wasmKernels } from './wasm/index.js';
import { webgpuKernels } from './webgpu/index.js';

/** Marks a kernel as ours, across duplicate installs of this package; its value is the kernel of tfjs, or null. */
const mark = Symbol.for('@tsrl/kernels');

/** Which have been left out and named; a warning is read once. */
const told = new Set<string>();

// Present in every environment that the package runs in, but part of no ECMAScript library.
declare const console: { warn(text: string): void };

const kernelsOf: Readonly<Record<string, readonly FastKernel[]>> = {
  wasm: wasmKernels,
  cpu: cpuKernels,
  webgpu: webgpuKernels,
};

/**
 * Puts the kernels of tsrl over those of the current tfjs backend, for the whole process, until
 * `uninstallFastKernels()`. Models need no change: what they compute stays, but for rounding and for the errors of tfjs
 * 4.22 that the kernels correct.
 *
 * - `wasm`: matrix products, sums, moves of rows, comparisons and choices, and what tfjs lacks or gets wrong (the tables
 *   of README.md and docs/performance.md), as well as fused operations that `@tsrl/tensor` uses.
 * - `cpu`, `webgpu`: the fused operations alone.
 * - other backends: nothing; `@tsrl/tensor` composes there.
 *
 * Each kernel is first run on tiny inputs, which also warms it up (but on webgpu, which cannot be read at once). One that
 * does not give the right numbers, because a release of tfjs moved its internals or WebAssembly SIMD is missing, is left
 * out, and a warning names it once. A second call installs nothing.
 *
 * @returns the names of the kernels that are in place now
 * @throws BackendError before a backend is active
 */
export function installFastKernels(): readonly string[] {
  const backendName = tf.getBackend();
  if (!backendName) {
    const problem = 'no tfjs backend is active yet; await tf.setBackend(…) or tf.ready() first';
    throw new BackendError('installFastKernels', problem);
  }
  if (backendName === 'wasm') guardHeap(tf.backend());
  const installed: string[] = [];
  const failed: string[] = [];
  for (const { kernelName, make, probes } of kernelsOf[backendName] ?? []) {
    const original = registered(kernelName, backendName);
    if (original && mark in original.kernelFunc) {
      installed.push(kernelName);
      continue;
    }
    const kernelFunc = make(original?.kernelFunc);
    if (kernelFunc) {
      Object.assign(kernelFunc, { [mark]: original ?? null });
      register({ ...original, kernelName, backendName, kernelFunc });
    }
    if (kernelFunc && probes.every((probe) => passes(kernelName, probe))) {
      installed.push(kernelName);
    } else {
      if (kernelFunc) restore(kernelName, backendName, original);
      failed.push(kernelName);
    }
  }
  const news = failed.filter((name) => !told.has(`${backendName}/${name}`));
  if (news.length > 0) {
    for (const name of news) told.add(`${backendName}/${name}`);
    console.warn(
      `installFastKernels: ${news.join(', ')} cannot run on this ${backendName} backend; slower operations stand in`,
    );
  }
  return installed;
}

/** Puts the kernels of tfjs back, on every backend that has been used. */
export function uninstallFastKernels(): void {
  for (const [backendName, kernels] of Object.entries(kernelsOf)) {
    for (const { kernelName } of kernels) {
      const current = registered(kernelName, backendName);
      const original = (current?.kernelFunc as Marked | undefined)?.[mark];
      if (original !== undefined) restore(kernelName, backendName, original ?? undefined);
    }
  }
  const wasm = tf.engine().registry['wasm'];
  if (wasm) unguardHeap(wasm);
}

/** A kernel of ours, and the registration that it replaced. */
type Marked = tf.KernelFunc & { readonly [mark]?: tf.KernelConfig | null };

const registered = (kernelName: string, backendName: string): tf.KernelConfig | undefined =>
  tf.getKernel(kernelName, backendName) as tf.KernelConfig | undefined;

function register(config: tf.KernelConfig): void {
  if (registered(config.kernelName, config.backendName)) tf.unregisterKernel(config.kernelName, config.backendName);
  tf.registerKernel(config);
}

function restore(kernelName: string, backendName: string, original: tf.KernelConfig | undefined): void {
  tf.unregisterKernel(kernelName, backendName);
  if (original) tf.registerKernel(original);
}
