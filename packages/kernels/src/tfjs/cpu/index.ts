import { onPrivateHeap } from '../../arrays/heap.js';
import { instantiateElements } from '../../elements.js';
import { instantiateLinearTokenGradients } from '../../linear-token-gradients.js';
import { instantiateUpdates } from '../../updates.js';
import { onCpu } from '../addressed-kernel.js';
import type { FastKernel } from '../fast-kernel.js';
import { k3 } from '../k3.js';
import { linearTokenGradients } from '../linear-token-gradients.js';
import { maskedKernels } from '../masked.js';
import { scaleBy } from '../scale-by.js';
import { updateKernels } from '../updates.js';
import { transformerKernels } from './layers.js';
import { softmaxKernels } from './softmax.js';

/** The fused operations by the same WebAssembly, whose memory the rows pass through; one line each. */
export const cpuKernels: readonly FastKernel[] = [
  scaleBy,
  ...onCpu([k3, ...maskedKernels], onPrivateHeap(instantiateElements)),
  ...softmaxKernels,
  ...onCpu([linearTokenGradients], onPrivateHeap(instantiateLinearTokenGradients)),
  ...transformerKernels,
  ...onCpu(updateKernels, onPrivateHeap(instantiateUpdates)),
];
