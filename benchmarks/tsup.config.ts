import { defineConfig } from 'tsup';
import { library } from '../tsup.base.ts';

/** The packages go in from their sources: what is measured is what stands in the tree, built or not. */
export default defineConfig({
  ...library,
  entry: {
    main: 'src/main.ts',
    report: 'src/report/main.ts',
    lab: 'src/lab/main.ts',
    'kernel-crew-member': 'src/kernels/crew-member.ts',
    'training-process': 'src/training/process.ts',
    'training-worker': 'src/training/worker.ts',
  },
  platform: 'node',
  clean: true,
  sourcemap: false,
  // tfjs-core's own gradient modules cannot be imported by Node, their imports lack extensions: see packages/tensor.
  noExternal: [/^@tsrl\//, /^#/, /^@tensorflow\/tfjs-core\/dist\//],
  esbuildOptions: (options) => {
    options.conditions = ['@tsrl/source'];
  },
});
