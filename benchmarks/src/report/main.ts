import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ResultFile } from '../result.js';
import { section } from './section.js';
import { summary } from './summary.js';

// Draws results/*.json as docs/benchmarks.md, with its figures in docs/benchmarks/.
const results = new URL('../results/', import.meta.url);
const docs = new URL('../../docs/', import.meta.url);
const figures = new URL('benchmarks/', docs);

const intro = `# Benchmarks

<!-- Written by \`npm run bench:report\` from benchmarks/results/*.json; do not edit. -->

Every number stands with the command that gives it and the machine that gave it: run the command on yours. How the
suites work and how to add to them is in [benchmarks/README.md](../benchmarks/README.md), why the numbers are what they
are in [performance.md](performance.md).`;

const guide = `## How to read them

- A time is the median of all runs ± the median absolute deviation from it; smaller is better. The first runs, while
  code is compiled, are not counted. Those that are compared take turns in the same minutes, so that what else the machine does
  falls on all.
- *Times as long as the first*: its median divided by that of the first line, which is tsrl on one thread. Above 1, tsrl
  is faster; below 1, it is slower. In the tables of \`peers\` it is the column *ratio*.
- *Plain tfjs*: the usual formulation in operations of tfjs, or the same model, on the kernels that
  tfjs ships. UnsortedSegmentSum, which tfjs lacks on wasm and no embedding can be trained without, is ours there too.
- *Differs by*: the largest difference between its results and those of tsrl, divided by the largest result; smaller is
  better, and float32 rounds at 6e-8. They are compared before anything is timed.
- *Memory* of an operation: most bytes of the heap of the wasm backend in use at once, above the inputs; of training:
  the largest resident size of a process of its own, Node with everything in it. Smaller is better; 1 MB is 10⁶ bytes.`;

const names = (await readdir(results).catch((): string[] => [])).filter((name) => name.endsWith('.json'));
const files = await Promise.all(
  names.map(async (name) => JSON.parse(await readFile(new URL(name, results), 'utf8')) as ResultFile),
);
/** On the page. */
const order = ['training', 'kernels', 'peers', 'algorithms'];
const place = ({ suite }: ResultFile): number => order.indexOf(suite);
const sections = files.toSorted((a, b) => place(a) - place(b)).map(section);

await rm(figures, { recursive: true, force: true });
await mkdir(figures, { recursive: true });
for (const [name, svg] of sections.flatMap((part) => [...part.figures])) await writeFile(new URL(name, figures), svg);
const page = [intro, summary(files), guide, ...sections.map(({ markdown }) => markdown)].filter(Boolean).join('\n\n');
await writeFile(new URL('benchmarks.md', docs), `${page}\n`);
console.log(`docs/benchmarks.md: ${files.map(({ suite }) => suite).join(', ') || 'no results'}`);
