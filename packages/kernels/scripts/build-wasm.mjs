// Compiles assembly/gemm.ts and writes it as src/gemm-wasm.ts, which is committed: the package builds like every other.
// test/binary.test.ts compiles again and compares.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const options = ['--runtime', 'stub', '--importMemory', '--initialMemory', '0', '--noExportMemory'];
const optimize = ['-O3', '--noAssert', '--enable', 'simd', '--use', 'abort='];

/** The module as bytes. */
export async function compile() {
  const files = {};
  const { error, stderr } = await asc.main(
    ['assembly/gemm.ts', '--outFile', 'gemm.wasm', '--baseDir', baseDir, ...options, ...optimize],
    {
      writeFile: (name, contents) => {
        files[name] = contents;
      },
    },
  );
  if (error) throw new Error(`asc: ${error.message}\n${stderr}`);
  return files['gemm.wasm'];
}

/** What src/gemm-wasm.ts must hold for these bytes. */
export function sourceOf(bytes) {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .match(/.{1,100}/g);
  return [
    '// Generated from assembly/gemm.ts by `npm run build:wasm`; do not edit.',
    '',
    'export const gemmWasm: string = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('');",
    '',
  ].join('\n');
}

const baseDir = fileURLToPath(new URL('..', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('../src/gemm-wasm.ts', import.meta.url), sourceOf(await compile()));
}
