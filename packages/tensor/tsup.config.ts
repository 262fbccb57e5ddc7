import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

export default defineConfig([
  {
    ...library,
    entry: { index: 'src/index.ts', gradients: 'src/runtime/gradients.ts' },
    external: ['#gradients', /^@tensorflow\//],
  },
  {
    ...library,
    // Node cannot import tfjs-core's own gradient modules (their imports lack extensions): they are inlined here.
    entry: { 'gradients.node': 'src/runtime/gradients.ts' },
    sourcemap: false,
    noExternal: [/^@tensorflow\/tfjs-core\/dist\//],
    external: ['node-fetch', 'util', 'crypto', 'worker_threads', 'long', 'seedrandom'],
  },
]);
