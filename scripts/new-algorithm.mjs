// `npm run new -- advantage my-estimator` (also loss, preference, reward): a file that works, its test, and its line in
// the registry. The formula of the template is the simplest that passes the laws; yours takes its place.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const packages = { advantage: 'advantages', loss: 'losses', preference: 'losses', reward: 'rewards' };
const usage = `npm run new -- ${Object.keys(packages).join('|')} NAME

NAME is in kebab-case, like leave-one-out; the function becomes leaveOneOut.`;

/** Writes the three under `root`; returns their paths. Throws a sentence, and writes nothing, when it cannot. */
export function newAlgorithm(kind, name, root) {
  const folder = packages[kind];
  if (folder === undefined)
    throw new Error(`new: the kind must be one of ${Object.keys(packages).join(', ')}; got ${kind}`);
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name ?? '')) {
    throw new Error(`new: the name must be in kebab-case, like leave-one-out; got ${name}`);
  }
  const directory = join(root, 'packages', folder);
  const list = join(directory, 'src/algorithms.ts');
  if (!existsSync(list)) throw new Error(`new: there is no ${relative(root, list)} in ${root}`);
  const camel = name.replaceAll(/-(.)/g, (_, letter) => letter.toUpperCase());
  const files = { source: join(directory, `src/${name}.ts`), test: join(directory, `test/${name}.test.ts`) };
  const lines = readFileSync(list, 'utf8').trimEnd().split('\n');
  const taken = Object.values(files).find(existsSync);
  if (taken !== undefined) throw new Error(`new: ${relative(root, taken)} exists already`);
  const declared = new RegExp(`export (?:async )?(?:function|const) ${camel}\\b`);
  for (const line of lines) {
    const file = line.match(/'\.\/(.+)\.js'/)?.[1];
    if (file && declared.test(readFileSync(join(directory, `src/${file}.ts`), 'utf8'))) {
      throw new Error(`new: @tsrl/${folder} exports ${camel} already, from src/${file}.ts`);
    }
  }

  const fill = (template) =>
    readFileSync(join(here, 'templates', template), 'utf8')
      .replaceAll('__name__', camel)
      .replaceAll('__Name__', camel[0].toUpperCase() + camel.slice(1))
      .replaceAll('__file__', name);
  const exported = [...lines.filter((line) => line.startsWith('export')), `export * from './${name}.js';`].sort();
  writeFileSync(files.source, fill(`${kind}.ts.txt`));
  writeFileSync(files.test, fill(`${kind}.test.ts.txt`));
  writeFileSync(list, `${[...lines.filter((line) => !line.startsWith('export')), ...exported].join('\n')}\n`);
  return { ...files, list };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } });
    const [kind, name] = positionals;
    if (values.help || kind === undefined) {
      console.log(usage);
    } else {
      const root = resolve(here, '..');
      const { source, test, list } = newAlgorithm(kind, name, root);
      // Lines break elsewhere with longer names.
      execFileSync(join(root, 'node_modules/.bin/biome'), ['check', '--write', source, test, list], {
        stdio: 'ignore',
      });
      const at = (path) => relative(root, path);
      const project = `@tsrl/${packages[kind]}`;
      console.log(`${at(source)}   the formula: put yours there
${at(test)}   its test against a float64 oracle: write the oracle from the paper
${at(list)}   one line: it is public, under the laws, in the benchmarks and in the tables

npx vitest run --project ${project}   passes now; keep it so
npm run docs                            writes its row into docs/algorithms.md
docs/contributing-an-algorithm.md       walks through adding a real one`);
    }
  } catch (error) {
    console.error(error.message);
    process.exitCode = 2;
  }
}
