// Holds the package graph: who may depend on whom, and what every package brings. One line per problem.
// A new package gets a line in `allowed`; an edge that is not there needs a reason in the pull request.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const allowed = {
  core: [],
  testing: [],
  safetensors: ['core'],
  kernels: ['core'],
  tensor: ['core', 'kernels'],
  rewards: ['core'],
  verifiers: ['core', 'rewards'],
  data: ['core'],
  evaluation: ['core'],
  advantages: ['core'],
  linear: ['core'],
  losses: ['core', 'tensor', 'kernels', 'linear'],
  optim: ['core', 'tensor', 'kernels'],
  policies: ['core', 'safetensors', 'tensor'],
  training: ['core', 'safetensors', 'kernels', 'tensor', 'optim', 'data', 'evaluation'],
  'binary-ppo': ['core', 'tensor', 'rewards', 'advantages', 'losses', 'optim'],
};
const libraries = Object.keys(allowed).filter((name) => name !== 'testing');
allowed.cli = allowed.conformance = libraries;
allowed.benchmarks = allowed.docs = [...libraries, 'cli'];

const isApplication = (name) => !libraries.includes(name) && name !== 'testing';
const mayHoldTensors = (name) => ['kernels', 'tensor'].includes(name) || allowed[name]?.includes('tensor');

const problems = [];
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const shortNames = (dependencies = {}) =>
  Object.keys(dependencies)
    .filter((name) => name.startsWith('@tsrl/'))
    .map((name) => name.slice('@tsrl/'.length));

const workspaces = [...readdirSync('packages').map((name) => `packages/${name}`), 'benchmarks', 'docs']
  .filter((directory) => existsSync(join(directory, 'package.json')))
  .map((directory) => ({ directory, manifest: readJson(join(directory, 'package.json')) }))
  .map((workspace) => ({ ...workspace, name: workspace.manifest.name.replace('@tsrl/', '') }));

for (const workspace of workspaces) {
  checkEdges(workspace);
  if (workspace.directory.startsWith('packages/')) checkShape(workspace);
}
checkCycles();
checkRootReferences();

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`${workspaces.length} workspaces, every edge in the table, no cycle`);

/** Declared dependencies and imports are in the table, and imports are declared. */
function checkEdges({ directory, name, manifest }) {
  const say = (problem) => problems.push(`${directory}: ${problem}`);
  const edges = allowed[name];
  if (edges === undefined) {
    say(`@tsrl/${name} has no line in the table of scripts/check-graph.mjs`);
    return;
  }
  const may = `; it may depend on ${edges.length === 0 ? 'no @tsrl package' : edges.join(', ')}`;
  const declared = shortNames({ ...manifest.dependencies, ...manifest.peerDependencies });
  const forTests = [...declared, ...shortNames(manifest.devDependencies)];

  for (const other of declared) if (!edges.includes(other)) say(`must not depend on @tsrl/${other}${may}`);
  for (const other of shortNames(manifest.devDependencies)) {
    if (other !== 'testing' && !edges.includes(other)) say(`must not have @tsrl/${other} in devDependencies${may}`);
  }
  for (const { file, other } of [...imports(join(directory, 'src')), ...imports(join(directory, 'examples'))]) {
    if (other !== name && !edges.includes(other)) say(`${file} must not import @tsrl/${other}${may}`);
    else if (other !== name && !declared.includes(other))
      say(`${file} imports @tsrl/${other}, which is not in dependencies`);
  }
  for (const { file, other } of imports(join(directory, 'test'))) {
    if (other === name) continue;
    if (other !== 'testing' && !edges.includes(other)) say(`${file} must not import @tsrl/${other}${may}`);
    else if (!forTests.includes(other)) say(`${file} imports @tsrl/${other}, which is not in devDependencies`);
  }

  if (isApplication(name)) return;
  for (const tfjs of Object.keys(manifest.dependencies ?? {}).filter((other) => other.startsWith('@tensorflow/'))) {
    say(`${tfjs} must be a peer dependency, so that users have exactly one`);
  }
  const tfjs = Object.keys(manifest.peerDependencies ?? {}).find((other) => other.startsWith('@tensorflow/'));
  if (tfjs && !mayHoldTensors(name)) say(`holds host code and must not need ${tfjs}`);
}

/** Every `@tsrl/name` that a file imports or re-exports; examples in comments do not count. */
function* imports(directory) {
  for (const file of filesUnder(directory, '.ts')) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (/^\s*(\*|\/\/)/.test(line)) continue;
      for (const [, other] of line.matchAll(/\b(?:from|import)\b\s*\(?\s*['"]@tsrl\/([^'"/]+)/g))
        yield { file: relative(dirname(directory), file), other };
    }
  }
}

/** The files and manifest fields that make a package usable alone. */
function checkShape({ directory, manifest }) {
  const say = (problem) => problems.push(`${directory}: ${problem}`);
  for (const file of ['README.md', 'src/index.ts', 'tsup.config.ts', 'tsconfig.json']) {
    if (!existsSync(join(directory, file))) say(`${file} is missing`);
  }
  if (filesUnder(join(directory, 'test'), '.test.ts').length === 0) say('has no test/*.test.ts');

  const expected = shortNames(manifest.dependencies).sort();
  const tsconfig = existsSync(join(directory, 'tsconfig.json')) ? readJson(join(directory, 'tsconfig.json')) : {};
  const references = (tsconfig.references ?? []).map(({ path }) => path.replace('../', '')).sort();
  if (references.join() !== expected.join()) {
    say(`tsconfig.json must reference its dependencies [${expected.join(', ')}]; got [${references.join(', ')}]`);
  }

  if (manifest.type !== 'module') say('package.json must have "type": "module"');
  if (manifest.license !== 'Apache-2.0') say(`license must be Apache-2.0; got ${manifest.license}`);
  if (manifest.sideEffects === undefined) say('sideEffects must be declared, so that bundlers can drop what is unused');
  const { './package.json': own, ...entries } = manifest.exports ?? {};
  if (own === undefined) say('exports must hold ./package.json');
  if (entries['.'] === undefined) say('exports must hold "."');
  for (const [subpath, conditions] of Object.entries(entries)) {
    const [first, source] = Object.entries(conditions)[0] ?? [];
    if (first !== '@tsrl/source') say(`exports["${subpath}"] must name the condition @tsrl/source first`);
    else if (!existsSync(join(directory, source))) say(`exports["${subpath}"] names ${source}, which does not exist`);
  }
  if (manifest.private) return;
  if (!manifest.files?.includes('dist')) say('files must hold dist');
  if (!existsSync(join(directory, 'LICENSE'))) say('LICENSE is missing: npm packs only what stands in the package');
  if (manifest.publishConfig?.access !== 'public') say('publishConfig.access must be public, or the package private');
}

/** No way leads back to a package, development edges included (turbo refuses those too). */
function checkCycles() {
  const edges = new Map(
    workspaces.map(({ name, manifest }) => [
      name,
      shortNames({ ...manifest.dependencies, ...manifest.devDependencies }),
    ]),
  );
  const done = new Set();
  const visit = (name, way) => {
    if (way.includes(name)) {
      problems.push(`the package graph has a cycle: ${[...way.slice(way.indexOf(name)), name].join(' -> ')}`);
    } else if (!done.has(name)) {
      for (const other of edges.get(name) ?? []) visit(other, [...way, name]);
      done.add(name);
    }
  };
  for (const name of edges.keys()) visit(name, []);
}

/** `tsc -b` at the root sees every package. */
function checkRootReferences() {
  const references = readJson('tsconfig.json').references.map(({ path }) => path);
  for (const { directory } of workspaces.filter(({ directory }) => directory.startsWith('packages/'))) {
    if (!references.includes(directory)) problems.push(`tsconfig.json: references lacks ${directory}`);
  }
}

/** The files under a directory with this ending. */
function filesUnder(directory, ending) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(directory, file))
    .sort();
}
