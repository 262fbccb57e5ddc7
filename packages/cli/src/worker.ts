import { serveGradients } from '@tsrl/training/node';
import { buildShare } from './workers.js';

// A thread of `--threads`: the same policy and method as the main thread's, answering with gradients.
await serveGradients(buildShare);
