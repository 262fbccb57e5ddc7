import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const conditions = ['@tsrl/source'];
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const gradientModules = [
  '@tensorflow/tfjs-core/dist/register_all_gradients.js',
  '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js',
];

/** A longer search (FC_RUNS, see @tsrl/testing) gets longer. */
const patience = Math.max(1, Number(process.env['FC_RUNS'] ?? 100) / 100);

/** Packages without a tensor: their tests skip loading tfjs. */
const hostOnly = new Set([
  'core',
  'safetensors',
  'rewards',
  'verifiers',
  'data',
  'evaluation',
  'linear',
  'advantages',
  'testing',
]);

/** The packages whose numbers depend on the backend run on both. */
const backends = process.env['TSRL_BACKEND'] ? [process.env['TSRL_BACKEND']] : ['wasm', 'cpu'];
const onEveryBackend: Readonly<Record<string, string[] | undefined>> = {
  kernels: ['test/*tfjs.test.ts', 'test/install.test.ts'], // the others know no backend
  tensor: undefined,
  losses: undefined,
  optim: undefined,
  policies: undefined,
  'binary-ppo': undefined,
};

/**
 * What runs on webgpu by default where a device is: the software one of Debian's chromium, which is slow, through
 * libvulkan1. The rest of a package runs there by `TSRL_BACKEND=webgpu`.
 */
const libraries = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
const device = ['/usr/lib/chromium/vk_swiftshader_icd.json', `${libraries}/libvulkan.so.1`];
const onWebgpu: Readonly<Record<string, string[]>> = device.every(existsSync)
  ? Object.fromEntries(['kernels', 'tensor', 'losses'].map((name) => [name, ['test/webgpu.test.ts']]))
  : {};

/** A package as a project; `root` is where it stands. */
export const projectOf = (directory: string, backend: string, root: string): object => ({
  ...project(directory, backend, ''),
  root,
});

const project = (directory: string, backend: string, suffix: string, include = ['test/**/*.test.ts']) => ({
  root: path(`packages/${directory}`),
  cacheDir: path('node_modules/.vite'),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name: `@tsrl/${directory}${suffix}`,
    include,
    env: { TSRL_BACKEND: backend },
    testTimeout: (backend === 'webgpu' ? 300_000 : 30_000) * patience,
    setupFiles: hostOnly.has(directory) ? [] : [path('vitest.setup.ts')],
    deps: { optimizer: { ssr: { enabled: !hostOnly.has(directory), include: gradientModules } } },
  },
});

export default defineConfig({
  test: {
    maxWorkers: '100%', // the default leaves one core idle: of two, half the machine
    coverage: { provider: 'v8', include: ['packages/*/src/**/*.ts'] },
    projects: [
      ...readdirSync(path('packages')).flatMap((directory) =>
        directory in onEveryBackend
          ? backends.map((backend) =>
              backend === 'wasm'
                ? project(directory, backend, '')
                : project(directory, backend, `:${backend}`, onEveryBackend[directory]),
            )
          : [project(directory, backends[0] as string, '')],
      ),
      ...(process.env['TSRL_BACKEND'] ? [] : Object.entries(onWebgpu)).map(([directory, files]) =>
        project(directory, 'webgpu', ':webgpu', files),
      ),
      'benchmarks',
    ],
  },
});
