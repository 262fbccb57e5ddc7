import { serveWorker } from '@tsrl/training/node';
import { startBackend } from '../backend.js';
import { build } from './model.js';
import type { ModelName } from './sizes.js';

// A thread beside the main one: the same policy and method.
await serveWorker(async (data) => {
  await startBackend('wasm');
  return build(data as ModelName, 0);
});
