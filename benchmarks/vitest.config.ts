import { defineConfig } from 'vitest/config';

const conditions = ['@tsrl/source'];

/** As vitest.config.ts of the repository has it for the packages, which are private to it. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  cacheDir: '../node_modules/.vite',
  test: {
    name: '@tsrl/benchmarks',
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    deps: {
      optimizer: {
        ssr: {
          enabled: true,
          include: [
            '@tensorflow/tfjs-core/dist/register_all_gradients.js',
            '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js',
          ],
        },
      },
    },
  },
});
