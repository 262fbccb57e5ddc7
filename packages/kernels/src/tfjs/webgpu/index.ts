import type { FastKernel } from '../fast-kernel.js';

/** The fused operations in WGSL; one line each. */
export const webgpuKernels: readonly FastKernel[] = [];
