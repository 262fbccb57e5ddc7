export { fileStore, writeFileAtomically } from './file-store.js';
export { serveGradients } from './serve-gradients.js';
export { startWorkers, type WorkerPool, type WorkerPoolOptions } from './workers.js';
