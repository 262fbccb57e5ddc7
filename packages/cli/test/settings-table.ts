import { type Field, fields, flagOf, groups, wordsOf } from '../src/settings/fields.ts';
import { defaultOf, nameOf } from '../src/settings/flags.ts';
import { expectation } from '../src/settings/schema.ts';

/** All settings as a table of Markdown: what the README must hold. */
export function settingsTable(): string {
  const rows = Object.keys(groups).flatMap((group) =>
    Object.entries(fields as Readonly<Record<string, Field>>)
      .filter(([, field]) => field.group === group)
      .map(([key, field]) => [`\`${nameOf(key, field)}\``, values(field), standard(field), meaning(field)]),
  );
  const cells = [['flag', 'values', 'default', 'meaning'], ...rows].map((row) =>
    row.map((text) => text.replaceAll('|', '\\|')),
  );
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  const [head, ...body] = cells;
  return [line(head!), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join('\n');
}

function values(field: Field): string {
  if (field.kind === 'choice') return wordsOf(field).join(', ');
  return field.kind === 'flag' ? '' : expectation(field);
}

const standard = (field: Field): string => (field.kind === 'flag' ? 'off' : defaultOf(field));

/** What it is, and what it needs beside the method, which the heading of the help names. */
function meaning({ help, needs = {} }: Field): string {
  const others = Object.entries(needs).filter(([other]) => other !== 'method');
  const needed = others.map(([other, words]) => `${flagOf(other)} ${words.join(', ')}`);
  return needed.length === 0 ? help : `${help} (with ${needed.join(' and ')})`;
}
