// What `npm install` of one package alone gets: packs every public package, lints the tarball (publint, attw), installs
// it into an empty project and there type-checks and runs scripts/consumers/<package>.ts, which imports one function.
// A package with a command is also run with --help. `node scripts/check-packages.mjs core tensor` checks only those.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const root = process.cwd();
const bin = (name) => join(root, 'node_modules/.bin', name);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const versions = readJson('package.json').devDependencies;

const packages = readdirSync('packages')
  .map((directory) => ({ directory, manifest: readJson(`packages/${directory}/package.json`) }))
  .filter(({ manifest }) => !manifest.private);
const wanted = process.argv.slice(2);
const checked = packages.filter(({ directory }) => wanted.length === 0 || wanted.includes(directory));

const problems = [];
const workplace = mkdtempSync(join(tmpdir(), 'tsrl-packages-'));
try {
  const tarballs = await pack();
  const waiting = [...checked];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await check(next, tarballs);
  };
  await Promise.all([work(), work(), work()]); // npm waits for disk and network most of the time
} finally {
  rmSync(workplace, { recursive: true, force: true });
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

async function check({ directory, manifest }, tarballs) {
  let good = true;
  const say = (problem) => {
    good = false;
    problems.push(`${manifest.name}: ${problem}`);
  };
  const start = performance.now();
  await lint(tarballs[manifest.name], say);
  await install(directory, manifest, tarballs, say);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${good ? 'ok    ' : 'FAILED'} ${manifest.name} (${seconds} s)`);
}

/** Runs a program; resolves to its output, rejects with all that it printed. */
async function run(program, args, directory = root) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd: directory, maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    throw new Error(
      `${basename(program)} ${args[0]} failed\n${error.stdout ?? ''}${error.stderr ?? error.message}`.trim(),
    );
  }
}

/** The tarball of each public package by its name; those that are checked must hold what belongs into one. */
async function pack() {
  const names = packages.flatMap(({ manifest }) => ['--workspace', manifest.name]);
  const output = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', workplace, ...names]);
  const packed = Object.values(JSON.parse(output));
  for (const { name, files } of packed) {
    if (!checked.some(({ manifest }) => manifest.name === name)) continue;
    const paths = files.map(({ path }) => path);
    const notices = ['THIRD_PARTY_NOTICES.md'].filter((file) =>
      existsSync(`packages/${name.slice('@tsrl/'.length)}/${file}`),
    );
    for (const file of ['README.md', 'LICENSE', ...notices, 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']) {
      if (!paths.includes(file)) problems.push(`${name}: its tarball lacks ${file}`);
    }
    for (const path of paths.filter((path) => /(^|\/)(test\/|\.tsbuildinfo$)/.test(path))) {
      problems.push(`${name}: its tarball must not hold ${path}`);
    }
  }
  return Object.fromEntries(packed.map(({ name, filename }) => [name, join(workplace, filename)]));
}

async function lint(tarball, say) {
  await run(bin('publint'), ['run', tarball, '--strict']).catch((error) => say(error.message));
  await run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-color']).catch((error) => say(error.message));
}

/** An empty project with this package alone, its peers, and what its program imports beside it. */
async function install(directory, manifest, tarballs, say) {
  const program = resolve('scripts/consumers', `${directory}.ts`);
  if (!existsSync(program)) {
    say(`scripts/consumers/${directory}.ts is missing: about 15 lines that import one function and check its result`);
    return;
  }
  const project = join(workplace, directory);
  mkdirSync(project);
  const local = (name) => `file:${tarballs[name]}`;
  const source = existsSync(program) ? readFileSync(program, 'utf8') : '';
  const imported = [...source.matchAll(/^import .*'((?:@[\w-]+\/)?[\w-]+)/gm)].map(([, name]) => name);
  const peers = Object.keys(manifest.peerDependencies ?? {}).filter(
    (name) => !manifest.peerDependenciesMeta?.[name]?.optional,
  );
  const others = [...peers, ...imported].filter((name) => !name.startsWith('@tsrl/'));
  const foreign = imported.find((name) => name.startsWith('@tsrl/') && name !== manifest.name);
  if (foreign) say(`scripts/consumers/${directory}.ts must use this package alone; it imports ${foreign}`);
  writeJson(join(project, 'package.json'), {
    private: true,
    type: 'module',
    dependencies: {
      [manifest.name]: local(manifest.name),
      ...Object.fromEntries(others.map((name) => [name, manifest.peerDependencies?.[name] ?? versions[name]])),
    },
    overrides: Object.fromEntries(Object.keys(tarballs).map((name) => [name, local(name)])),
  });
  writeJson(join(project, 'tsconfig.json'), {
    compilerOptions: {
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2023', 'dom'],
      types: [],
      strict: true,
      skipLibCheck: true,
      noEmitOnError: true,
    },
  });
  writeFileSync(join(project, 'main.ts'), source);
  try {
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'], project);
    for (const command of Object.keys(manifest.bin ?? {})) {
      const help = await run(join(project, 'node_modules/.bin', command), ['--help'], project);
      if (!help.includes(command)) say(`${command} --help does not say its own name`);
    }
    if (source === '') return;
    await run(bin('tsc'), ['-p', project], project);
    await run(process.execPath, [join(project, 'main.js')], project);
  } catch (error) {
    say(error.message);
  }
}

function writeJson(path, value) {
  writeFileSync(path, JSON.stringify(value, null, 2));
}
