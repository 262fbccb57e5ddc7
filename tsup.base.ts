import type { Options } from 'tsup';

/** How every library package becomes JavaScript; declarations come from `tsc -b`. */
export const library: Options = {
  entry: ['src/index.ts'],
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  sourcemap: true,
  dts: false,
  silent: true,
};
