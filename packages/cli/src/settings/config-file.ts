import { readFile } from 'node:fs/promises';
import { DataError, type Json } from '@tsrl/core';
import { type Document, LineCounter, parseDocument, visit, type YAMLError } from 'yaml';
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
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(file, REASONS[cause.code ?? ''] ?? `cannot be read (${cause.message})`, { cause });
  });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(file, 'expected UTF-8; the file holds other bytes', { cause });
  }
  return parseConfig(file, text);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'expected a file; this is a directory',
};

/** The same from the text of a file. */
export function parseConfig(file: string, text: string): ConfigFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
  const lineAt = (offset: number): number => lineCounter.linePos(offset).line;
  const [fault] = document.errors;
  if (fault) {
    const problem = FAULTS[fault.code]?.(wordAt(text, fault.pos[0])) ?? `is neither YAML nor JSON: ${fault.message}`;
    throw new DataError(file, problem, { line: lineAt(fault.pos[0]) });
  }
  if (document.contents === null) throw new DataError(file, 'the file is empty');
  const circle = badAlias(document);
  if (circle) throw new DataError(file, circle.problem, { line: lineAt(circle.offset) });
  return {
    file,
    json: jsonOf(file, document),
    lineOf(path) {
      const node = path.length === 0 ? document.contents : document.getIn(path, true);
      const start = (node as { range?: readonly [number, ...number[]] } | undefined)?.range?.[0];
      return start === undefined ? undefined : lineAt(start);
    },
  };
}

/** What is YAML, and yet no configuration; the rest is told in the words of the parser. */
const FAULTS: Partial<Record<YAMLError['code'], (word: string) => string>> = {
  DUPLICATE_KEY: (word) => `${word} stands here twice: keys must be unique`,
  MULTIPLE_DOCS: () => 'a second document begins here; a configuration is one',
  NON_STRING_KEY: () => 'a key must be a word; got a list or an object',
};

/** The key that begins at an offset. */
const wordAt = (text: string, offset: number): string =>
  /^(?:"[^"]*"|'[^']*'|[^\s:,{}]*)/.exec(text.slice(offset))?.[0] ?? '';

/** An alias that stands for nothing, or for what it stands in. */
function badAlias(document: Document.Parsed): { readonly problem: string; readonly offset: number } | undefined {
  let found: { readonly problem: string; readonly offset: number } | undefined;
  visit(document, {
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document);
      const problem = !target
        ? `*${alias.source} stands for nothing: no &${alias.source} goes before it`
        : ancestors.includes(target)
          ? `*${alias.source} stands within what it stands for`
          : undefined;
      if (problem === undefined) return undefined;
      found = { problem, offset: alias.range?.[0] ?? 0 };
      return visit.BREAK;
    },
  });
  return found;
}

/** @throws DataError where aliases of aliases would fill the memory */
function jsonOf(file: string, document: Document.Parsed): Json {
  try {
    return document.toJS() as Json;
  } catch (cause) {
    throw new DataError(file, `cannot be read: ${(cause as Error).message}`, { cause });
  }
}
