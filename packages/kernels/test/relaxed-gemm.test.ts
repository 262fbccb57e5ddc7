import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';
import { matMul } from '../src/index.ts';

/** Node 22 knows it without. */
const flags = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

/** Sizes at and around tiles and blocks; both flags, and every activation. */
const cases = [
  [1, 1, 1],
  [4, 8, 8],
  [5, 9, 17],
  [3, 257, 31],
  [129, 300, 70],
].flatMap(([m, k, n]) =>
  [false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) => ({ m: m!, k: k!, n: n!, transposeA, transposeB })),
  ),
);

const draw = (size: number, from: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(from + 3.7 * i));
const inputs = ({ m, k, n }: (typeof cases)[number]) => ({ a: draw(m * k, 1), b: draw(k * n, 2), bias: draw(n, 3) });

/** The products of a process whose engine knows relaxed SIMD; undefined where it does not. */
function relaxedProducts(): Float32Array[] | undefined {
  const script = `
    import { matMul } from './index.ts';
    import { gemmBinary } from './binaries/gemm.ts';
    if (!WebAssembly.validate(Buffer.from(gemmBinary.relaxed, 'base64'))) process.exit(3);
    const draw = (size, from) => Float32Array.from({ length: size }, (_, i) => Math.sin(from + 3.7 * i));
    const products = ${JSON.stringify(cases)}.map(({ m, k, n, ...flags }) =>
      matMul({ a: draw(m * k, 1), b: draw(k * n, 2), bias: draw(n, 3), activation: 'silu', m, k, n, ...flags }));
    console.log(JSON.stringify(products.map((product) => Array.from(product))));`;
  const resolveDir = fileURLToPath(new URL('../src', import.meta.url));
  const { outputFiles } = buildSync({
    stdin: { contents: script, resolveDir, loader: 'ts' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
    conditions: ['@tsrl/source'],
  });
  const options = { input: outputFiles[0]!.text, encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-'], options);
  if (status === 3) return undefined;
  expect([status, stderr.replace(/^.*Warning.*$/gm, '').trim()]).toEqual([0, '']);
  return (JSON.parse(stdout) as number[][]).map((values) => Float32Array.from(values));
}

test('the relaxed binary of products, in a process that knows it, has the accuracy of the other', (context) => {
  const products = relaxedProducts();
  if (products === undefined) return context.skip('this engine lacks relaxed SIMD');
  let different = 0;
  cases.forEach((c, at) => {
    const { a, b, bias } = inputs(c);
    const { m, k, n, transposeA, transposeB } = c;
    const got = products[at] as Float32Array;
    const other = matMul({ a, b, bias, activation: 'silu', ...c });
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = bias[j]!;
        let size = Math.abs(sum);
        for (let l = 0; l < k; l++) {
          const product = a[transposeA ? l * m + i : i * k + l]! * b[transposeB ? j * k + l : l * n + j]!;
          sum += product;
          size += Math.abs(product);
        }
        const expected = sum / (1 + Math.exp(-sum));
        const error = Math.abs(got[i * n + j]! - expected);
        // Rounded sums of at most 257 products, and an exponential within 3e-7.
        expect(error).toBeLessThan(1e-6 + 1.2 * (k + 1) * 2 ** -24 * size + 1e-6 * Math.abs(expected));
        if (got[i * n + j] !== other[i * n + j]) different++;
      }
    }
  });
  // Multiplied and added with one rounding: it is not the same binary.
  expect(different).toBeGreaterThan(0);
});
