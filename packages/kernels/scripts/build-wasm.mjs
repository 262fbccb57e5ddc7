// Compiles each family of assembly/ and writes it as src/binaries/FAMILY.ts, which is committed: the package builds like
// every other. test/binary.test.ts compiles again and compares. `node scripts/build-wasm.mjs softmax` makes one family.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

/** Which binaries each family has: a relaxed one where it was measured to be faster. */
export const families = {
  gemm: ['simd', 'relaxed'],
  layers: ['simd'],
  attention: ['simd'],
  softmax: ['simd', 'relaxed'],
  moves: ['simd'],
  updates: ['simd'],
  elements: ['simd'],
  reduce: ['shared'],
};

const features = {
  simd: ['--enable', 'simd'],
  relaxed: ['--enable', 'simd', '--enable', 'relaxed-simd'],
  // A shared memory, of which every importer must know a maximum: the 4 GB that there are.
  shared: ['--enable', 'simd', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'],
};
const memory = ['--runtime', 'stub', '--importMemory', '--initialMemory', '0', '--noExportMemory'];
const optimize = ['-O3', '--noAssert', '--use', 'abort='];

/** One binary of a family as bytes. */
export async function compile(family, variant) {
  const files = {};
  const source = [`assembly/${family}.ts`, '--outFile', 'out.wasm', '--baseDir', baseDir];
  const { error, stderr } = await asc.main([...source, ...memory, ...optimize, ...features[variant]], {
    writeFile: (name, contents) => {
      files[name] = contents;
    },
  });
  if (error) throw new Error(`asc: ${error.message}\n${stderr}`);
  return files['out.wasm'];
}

/** What src/binaries/FAMILY.ts must hold. */
export async function sourceOf(family) {
  const parts = [];
  for (const variant of families[family]) {
    const lines = Buffer.from(await compile(family, variant))
      .toString('base64')
      .match(/.{1,100}/g);
    const name = variant === 'relaxed' ? variant : 'simd'; // whose memory is shared has no other form
    parts.push(`  ${name}: [`, ...lines.map((line) => `    '${line}',`), "  ].join(''),");
  }
  return [
    `// Generated from assembly/${family}.ts by \`npm run build:wasm\`; do not edit.`,
    '',
    "import type { Binary } from '../web-assembly.js';",
    '',
    `export const ${family}Binary: Binary = {`,
    ...parts,
    '};',
    '',
  ].join('\n');
}

const baseDir = fileURLToPath(new URL('..', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const chosen = process.argv.slice(2);
  for (const family of chosen.length > 0 ? chosen : Object.keys(families)) {
    await writeFile(new URL(`../src/binaries/${family}.ts`, import.meta.url), await sourceOf(family));
  }
}
