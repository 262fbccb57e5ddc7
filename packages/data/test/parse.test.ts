import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTsrlError } from '@tsrl/core';
import { forAll } from '@tsrl/testing';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type LabelledText,
  parseCsv,
  parseJsonl,
  parseLabelledTexts,
  parseTexts,
  type RecordedText,
} from '../src/index.ts';
import { loadLabelledTexts, loadTexts } from '../src/node.ts';

const file = 'mail';
const both: LabelledText[] = [
  { text: 'a', label: 1 },
  { text: 'b', label: 0 },
];

/** The message of the DataError that `run` throws. */
function problem(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isTsrlError(error, 'data')) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== '');
/** Texts with what CSV must quote. */
const awkwardText = fc
  .array(fc.constantFrom('a', 'é', '🙂', ',', '\t', '"', '\n', '\r\n', '\r', ' ', "'"), { minLength: 1, maxLength: 12 })
  .map((parts) => parts.join(''))
  .filter((text) => text.trim() !== '');
const newline = fc.constantFrom('\n', '\r\n');
const blanks = fc.array(fc.constant(''), { maxLength: 3 });
const example = (text: fc.Arbitrary<string>) => fc.record({ text, label: fc.constantFrom<0 | 1>(0, 1) });

describe('JSON Lines', () => {
  test('reads back what JSON.stringify writes, through blank lines, CRLF and a byte order mark', () => {
    forAll(
      [
        fc.array(example(fc.oneof(anyText, awkwardText)), { minLength: 1, maxLength: 8 }),
        newline,
        blanks,
        fc.boolean(),
      ],
      (examples, end, empty, mark) => {
        const lines = examples.flatMap((each) => [JSON.stringify({ ...each, other: null }), ...empty]);
        const content = (mark ? '\uFEFF' : '') + [...empty, ...lines, '  '].join(end);
        const recorded = examples.map((each, i) => ({ ...each, line: 1 + empty.length + i * (1 + empty.length) }));
        expect(parseJsonl(content, { file, allowSingleClass: true })).toEqual(recorded);
        expect(parseTexts(content, { file, format: 'jsonl' })).toEqual(examples.map(({ text }) => text));
      },
    );
  });

  test('labels may be written in eight ways and more cases', () => {
    for (const [written, label] of [
      ['0', 0],
      ['1', 1],
      ['-0', 0],
      ['1.0', 1],
      ['true', 1],
      ['false', 0],
      ['"0"', 0],
      ['" 1 "', 1],
      ['"True"', 1],
      ['"FALSE"', 0],
    ] as const) {
      const [{ label: read }] = parseJsonl(`{"text":"a","label":${written}}`, { file, allowSingleClass: true }) as [
        RecordedText,
      ];
      expect(Object.is(read, label), written).toBe(true);
    }
  });

  test('columns may have any name', () => {
    const content = '{"body":"a","spam":true}\n{"body":"b","spam":false}';
    expect(parseJsonl(content, { file, textColumn: 'body', labelColumn: 'spam' })).toMatchObject(both);
  });

  test.each([
    ['', 'mail: the file is empty'],
    ['\uFEFF \n\r\n', 'mail: the file is empty'],
    ['{"text":"a","label":1}\n\n{"text":', 'mail:3: expected a JSON object; got "{\\"text\\":", which is not JSON'],
    ['"a"', 'mail:1: expected a JSON object; got "a"'],
    ['[1]', 'mail:1: expected a JSON object; got [1]'],
    ['null', 'mail:1: expected a JSON object; got null'],
    [
      '{"text":"a","label":1}\n{"body":"b","label":0}',
      'mail:2: expected a column "text"; the columns here are: "body", "label"',
    ],
    ['{"text":"a"}', 'mail:1: expected a column "label"; the columns here are: "text"'],
    ['{}', 'mail:1: expected a column "text"; the columns here are: none'],
    ['{"text":7,"label":1}', 'mail:1: "text" must be a string; got 7'],
    ['{"text":null,"label":1}', 'mail:1: "text" must be a string; got null'],
    ['{"text":"","label":1}', 'mail:1: "text" must hold text; got ""'],
    ['{"text":" \\n","label":1}', 'mail:1: "text" must hold text; got " \\n"'],
    ['{"text":"a","label":2}', 'mail:1: "label" must be 0, 1, true or false; got 2'],
    ['{"text":"a","label":"yes"}', 'mail:1: "label" must be 0, 1, true or false; got "yes"'],
    ['{"text":"a","label":null}', 'mail:1: "label" must be 0, 1, true or false; got null'],
    ['{"text":"a","label":[1]}', 'mail:1: "label" must be 0, 1, true or false; got [1]'],
    ['{"text":"a","label":1}\n{"text":"b","label":1}', 'mail: expected labels of both classes; all 2 are 1'],
    ['{"text":"a","label":0}', 'mail: expected labels of both classes; all 1 are 0'],
  ])('%j is refused', (content, message) => {
    expect(problem(() => parseJsonl(content, { file }))).toBe(message);
  });

  test('a column is what the line holds, not what objects inherit', () => {
    expect(problem(() => parseJsonl('{"a":1}', { file, textColumn: 'toString' }))).toMatch(
      /expected a column "toString"/,
    );
  });

  test('the error carries file and line', () => {
    expect(() => parseJsonl('\n{"text":"a"}', { file })).toThrow(expect.objectContaining({ file, line: 2 }));
  });
});

describe('CSV', () => {
  const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;

  test('reads back what RFC 4180 writes, with comma and tab', () => {
    forAll(
      [
        fc.array(example(awkwardText), { minLength: 1, maxLength: 8 }),
        newline,
        blanks,
        fc.constantFrom<',' | '\t'>(',', '\t'),
      ],
      (examples, end, empty, delimiter) => {
        const rows = examples.flatMap(({ text, label }) => [
          `x${delimiter}${label}${delimiter}${quoted(text)}`,
          ...empty,
        ]);
        const content = [`id${delimiter}label${delimiter}"text"`, ...rows, ''].join(end);
        let next = 2;
        const recorded = examples.map((each) => {
          const line = next;
          next += each.text.split('\n').length + empty.length;
          return { ...each, line };
        });
        expect(parseCsv(content, { file, delimiter, allowSingleClass: true })).toEqual(recorded);
        const format = delimiter === ',' ? 'csv' : 'tsv';
        expect(parseTexts(`\uFEFF${content}`, { file, format })).toEqual(examples.map(({ text }) => text));
        expect(parseLabelledTexts(content, { file, format, allowSingleClass: true })).toEqual(recorded);
      },
    );
  });

  test('an error names the line on which its row starts, whatever stands above', () => {
    forAll(
      [
        fc.array(awkwardText, { maxLength: 6 }),
        newline,
        blanks,
        fc.constantFrom('x,9', '"x,1', 'x', 'x"y,1', '"x"y,1'),
      ],
      (texts, end, empty, wrong) => {
        const above = ['text,label', ...texts.flatMap((text) => [...empty, `${quoted(text)},1`]), ...empty].join(end);
        const line = above.split('\n').length + 1;
        expect(problem(() => parseCsv([above, wrong, 'y,0'].join(end), { file }))).toContain(`mail:${line}: `);
      },
    );
  });

  test.each([
    ['text,label\n', 'mail: the file has a header and no rows'],
    ['a,b\nx,1', 'mail:1: expected a column "text"; the columns here are: "a", "b"'],
    ['\ntext\nx', 'mail:2: expected a column "label"; the columns here are: "text"'],
    ['text,label,text\nx,1,y', 'mail:1: the header names the column "text" twice'],
    ['text,label\nx, y,1', 'mail:2: expected 2 fields like the header; got 3'],
    ['text,label\nx', 'mail:2: expected 2 fields like the header; got 1'],
    ['text,label\nx,2', 'mail:2: "label" must be 0, 1, true or false; got "2"'],
    ['text,label\n"",1', 'mail:2: "text" must hold text; got ""'],
    ['text,label\nx,1\n"y\n,0', 'mail:3: a quoted field of this row is never closed'],
    [
      'text,label\nsay "x",1',
      'mail:2: a quote stands inside an unquoted field: quote the whole field and double the quotes in it',
    ],
    [
      'text,label\n"x" y,1',
      'mail:2: a quoted field goes on after its closing quote: double the quotes inside a quoted field',
    ],
  ])('%j is refused', (content, message) => {
    expect(problem(() => parseCsv(content, { file }))).toBe(message);
  });

  test('for texts alone, a column "label" may hold anything', () => {
    expect(parseTexts('\uFEFFtext,label\nx,?\ny,?', { file, format: 'csv' })).toEqual(['x', 'y']);
    expect(problem(() => parseTexts('text\n" "', { file, format: 'csv' }))).toBe(
      'mail:2: "text" must hold text; got " "',
    );
  });
});

describe('files', () => {
  let folder = '';
  const path = (name: string): string => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tsrl-data-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('the extension says the format', async () => {
    for (const [name, content] of [
      ['a.jsonl', '{"text":"a","label":1}\n{"text":"b","label":0}\n'],
      ['a.NDJSON', '\uFEFF{"text":"a","label":1}\r\n{"text":"b","label":0}'],
      ['a.b.csv', 'text,label\na,1\nb,0\n'],
      ['a.tsv', 'label\ttext\n1\ta\n0\tb'],
    ] as const) {
      await writeFile(path(name), content);
      expect(await loadLabelledTexts(path(name)), name).toMatchObject(both);
      expect(await loadTexts(path(name)), name).toEqual(['a', 'b']);
    }
    await writeFile(path('c.csv'), 'body,spam\na,1');
    const options = { textColumn: 'body', labelColumn: 'spam', allowSingleClass: true };
    expect(await loadLabelledTexts(path('c.csv'), options)).toEqual([{ ...both[0], line: 2 }]);
    expect(await loadTexts(path('c.csv'), { textColumn: 'body' })).toEqual(['a']);
  });

  test('what is wrong with a file is said with its path', async () => {
    const refused = async (name: string, message: string): Promise<void> => {
      await expect(loadLabelledTexts(path(name))).rejects.toThrow(
        expect.objectContaining({ code: 'data', file: path(name), message: `${path(name)}${message}` }),
      );
      await expect(loadTexts(path(name))).rejects.toThrow(`${path(name)}${message}`);
    };
    await mkdir(path('folder.csv'));
    await writeFile(path('latin.csv'), new Uint8Array([...Buffer.from('text,label\nx,1\n'), 0xe9, 0x0a]));
    await writeFile(path('cut.jsonl'), Buffer.from('{"text":"é').subarray(0, -1));
    await refused('none.csv', ': there is no such file');
    await refused('folder.csv', ': expected a file; this is a directory');
    await refused('latin.csv', ':3: expected UTF-8; this line holds other bytes');
    await refused('cut.jsonl', ':1: expected UTF-8; this line holds other bytes');
    for (const name of ['a.txt', 'csv', 'a.constructor', 'a.csv.gz']) {
      await refused(name, ': expected a file that ends in .jsonl, .ndjson, .csv or .tsv');
    }
    await refused(
      'latin.csv/x.csv',
      `: the file cannot be read (ENOTDIR: not a directory, open '${path('latin.csv/x.csv')}')`,
    );
  });
});
