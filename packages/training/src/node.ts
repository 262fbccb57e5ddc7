export { fileStore, writeFileAtomically } from './file-store.js';
export { serveWorker } from './serve-worker.js';
export { type ScoringPool, startScorers, startWorkers, type WorkerPool, type WorkerPoolOptions } from './workers.js';
