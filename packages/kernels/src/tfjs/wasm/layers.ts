import { instantiateAttention } from '../../attention.js';
import { instantiateLayers } from '../../layers.js';
import { onWasm } from '../addressed-kernel.js';
import { attentionKernels } from '../attention.js';
import type { FastKernel } from '../fast-kernel.js';
import { layerKernels } from '../layers.js';
import { onHeap } from './on-heap.js';

/** The layers of a transformer, over tensors where they lie. */
export const transformerKernels: readonly FastKernel[] = [
  ...onWasm(layerKernels, onHeap(instantiateLayers)),
  ...onWasm(attentionKernels, onHeap(instantiateAttention)),
];
