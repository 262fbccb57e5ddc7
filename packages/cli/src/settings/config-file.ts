import { readFile } from 'node:fs/promises';
import { DataError, type Json } from '@tsrl/core';
import { LineCounter, parseDocument } from 'yaml';
import type { Place } from './check.js';

/** A configuration as it was written, and where each part of it stands. */
export interface ConfigFile extends Required<Pick<Place, 'file' | 'lineOf'>> {
  readonly json: Json;
}

/**
 * Reads YAML or JSON, which is YAML.
 *
 * @throws DataError when the file cannot be read or is neither, with the line
 */
export async function readConfig(file: string): Promise<ConfigFile> {
  return parseConfig(
    file,
    await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new DataError(
        file,
        cause.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${cause.message})`,
        { cause },
      );
    }),
  );
}

/** The same from the text of a file. */
export function parseConfig(file: string, text: string): ConfigFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const lineAt = (offset: number): number => lineCounter.linePos(offset).line;
  const [fault] = document.errors;
  if (fault) throw new DataError(file, `is neither YAML nor JSON: ${fault.message}`, { line: lineAt(fault.pos[0]) });
  return {
    file,
    json: document.toJS() as Json,
    lineOf(path) {
      const node = path.length === 0 ? document.contents : document.getIn(path, true);
      const start = (node as { range?: readonly [number, ...number[]] } | undefined)?.range?.[0];
      return start === undefined ? undefined : lineAt(start);
    },
  };
}
