import type { Suite } from '../suite.js';
import { algorithms } from './algorithms.js';
import { kernels } from './kernels.js';
import { peers } from './peers.js';
import { training } from './training.js';

export const suites: readonly Suite[] = [kernels, algorithms, training, peers];
