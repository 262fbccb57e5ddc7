import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '@tsrl/core';
import { analyse } from './analysis.js';
import type { Track } from './cell.js';
import { mergeMarkdown, piecesOf } from './merge-markdown.js';
import { type GivenPlan, planFor } from './plan.js';
import { readJson, readStudies } from './read-study.js';
import { readResults, writeResults } from './results-file.js';
import { sectionsOf } from './sections/index.js';
import { toHtml } from './to-html.js';
import { toMarkdown } from './to-markdown.js';

/** What the report is made from, and where it goes. */
export interface StudyReportOptions {
  /** Study directories whose numbers are taken over into the evidence first. Default none. */
  readonly studies?: readonly string[];
  /** The folder of the evidence: results-TRACK.jsonl, plan.json, plots. The page stands beside it: EVIDENCE.md and EVIDENCE.html. */
  readonly evidence: string;
  /** Of every bootstrap. Default 2,000. */
  readonly replicates?: number;
}

/**
 * Makes EVIDENCE.md and EVIDENCE.html, with EVIDENCE/*.svg and the long tables, from EVIDENCE/results-TRACK.jsonl, which
 * it first writes from the study directories, if there are any. The same results give the same bytes; what people wrote
 * in EVIDENCE.md between the generated parts stays.
 *
 * @returns the files written
 * @throws DataError for a file that cannot be used, or when there are no results
 */
export function studyReport({ studies = [], evidence, replicates = 2000 }: StudyReportOptions): string[] {
  if (studies.length > 0) mkdirSync(evidence, { recursive: true });
  const folder = evidence.split(/[\\/]/).filter(Boolean).at(-1) as string;
  const written: string[] = [];
  const write = (file: string, content: string): void => {
    writeFileSync(file, content);
    written.push(file);
  };
  for (const track of readStudies(studies)) write(join(evidence, `results-${track.name}.jsonl`), writeResults(track));

  const plan = readPlan(evidence);
  const tracks = readTracks(evidence, plan);
  const sections = tracks.flatMap((track, i) => sectionsOf(analyse(track, planFor(track, plan), replicates), i === 0));
  const made = sections.map((section) => ({ section, ...toMarkdown(section, folder) }));
  for (const old of readdirSync(evidence).filter((name) => isOurs(name, tracks))) rmSync(join(evidence, old));
  for (const { files } of made) for (const [name, content] of files) write(join(evidence, name), content);

  const page = `${evidence.replace(/[\\/]+$/, '')}.md`;
  const existing = existsSync(page) ? readFileSync(page, 'utf8') : '';
  const parts = made.map(({ section: { name, title }, markdown }) => ({ name, title, markdown }));
  const title = plan.title ?? 'Evidence';
  const merged = mergeMarkdown(existing, title, parts);
  write(page, merged);
  write(page.replace(/\.md$/, '.html'), toHtml(/^# (.+)$/m.exec(merged)?.[1] ?? title, piecesOf(merged), sections));
  return written;
}

/** A plot of these tracks that an earlier run made. */
const isOurs = (name: string, tracks: readonly Track[]): boolean =>
  tracks.some((track) => name.startsWith(`${track.name}-`)) && /-(differences|profile|curves)-.+\.svg$/.test(name);

const readPlan = (evidence: string): GivenPlan => {
  const file = join(evidence, 'plan.json');
  return existsSync(file) ? (readJson(file) as GivenPlan) : {};
};

/** The main track first. */
function readTracks(evidence: string, plan: GivenPlan): Track[] {
  const files = (existsSync(evidence) ? readdirSync(evidence) : []).filter((name) => /^results-.+\.jsonl$/.test(name));
  if (files.length === 0) throw new DataError(evidence, 'has no results-TRACK.jsonl: give a study directory');
  const tracks = files
    .sort()
    .map((name) => readResults(readFileSync(join(evidence, name), 'utf8'), join(evidence, name)));
  const main = plan.track ?? 'frozen';
  return tracks.toSorted((a, b) => Number(b.name === main) - Number(a.name === main));
}
