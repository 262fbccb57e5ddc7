import { readFile } from 'node:fs/promises';

/** The line (from 1) on which each record of a file begins: of JSON Lines, or of CSV below its header. */
export async function recordLines(file: string): Promise<number[]> {
  const content = (await readFile(file, 'utf8').catch(() => '')).replace(/^\uFEFF/, ''); // who loads it says what is wrong
  return /\.[ct]sv$/i.test(file) ? csvRecords(content).slice(1) : jsonRecords(content);
}

const jsonRecords = (content: string): number[] =>
  content.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [i + 1]));

/** A newline within quotes ends no record; a doubled quote opens and closes at once. */
function csvRecords(content: string): number[] {
  const lines: number[] = [];
  let quoted = false;
  content.split('\n').forEach((line, i) => {
    if (!quoted && line.trim() !== '') lines.push(i + 1);
    if ((line.split('"').length - 1) % 2 === 1) quoted = !quoted;
  });
  return lines;
}
