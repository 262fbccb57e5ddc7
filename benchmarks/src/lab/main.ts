import { mkdir, rm, writeFile } from 'node:fs/promises';
import { page } from './page.js';

// Draws docs/estimators.md, with its figures in docs/estimators/. Nothing is drawn at random: it is the same everywhere.
const docs = new URL('../../docs/', import.meta.url);
const figures = new URL('estimators/', docs);
const { markdown, svgs } = page();
await rm(figures, { recursive: true, force: true });
await mkdir(figures, { recursive: true });
for (const [name, svg] of svgs) await writeFile(new URL(name, figures), svg);
await writeFile(new URL('estimators.md', docs), markdown);
console.log(`docs/estimators.md with ${svgs.size} figures`);
