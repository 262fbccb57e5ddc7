import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

export default defineConfig({
  ...library,
  entry: {
    index: 'src/index.ts',
    main: 'src/main.ts',
    worker: 'src/worker.ts',
    'vector-worker': 'src/vector-worker.ts',
    'study-worker': 'src/study/worker.ts',
  },
  platform: 'node',
});
