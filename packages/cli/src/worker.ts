import { serveWorker } from '@tsrl/training/node';
import { buildShare } from './workers.js';

// A thread of `--threads`: the same policy and method as the main thread's, answering with gradients and scores.
await serveWorker(buildShare);
