import { onPrivateHeap } from '../../arrays/heap.js';
import { instantiateAttention } from '../../attention.js';
import { instantiateLayers } from '../../layers.js';
import { onCpu } from '../addressed-kernel.js';
import { attentionKernels } from '../attention.js';
import type { FastKernel } from '../fast-kernel.js';
import { layerKernels } from '../layers.js';

/** The layers of a transformer, whose numbers pass through the private memory. */
export const transformerKernels: readonly FastKernel[] = [
  ...onCpu(layerKernels, onPrivateHeap(instantiateLayers)),
  ...onCpu(attentionKernels, onPrivateHeap(instantiateAttention)),
];
