import { OptionError } from '@tsrl/core';
import { type Command, Option } from 'commander';
import { type Field, type FieldTable, flagOf, groups } from './fields.js';
import { either } from './schema.js';

/** Adds the flags of a table to a command; in the help they stand under the headings of their groups. */
export function addFlags(command: Command, table: FieldTable): Command {
  const order = Object.keys(groups);
  const place = ([, { group }]: [string, Field]): number => order.indexOf(group);
  const entries = Object.entries(table).sort((a, b) => place(a) - place(b));
  for (const [key, field] of entries) command.addOption(flag(key, field));
  return command;
}

function flag(key: string, field: Field): Option {
  const option = new Option(`${flagOf(key)}${argument(field)}`, description(field)).helpGroup(
    `${groups[field.group]}:`,
  );
  if (field.kind === 'choice') option.choices(field.of);
  if (field.kind === 'number') option.argParser((text) => numberOf(flagOf(key), field.none, text));
  if (field.kind === 'rates') option.argParser((text, before) => ratesOf(flagOf(key), field, text, before as never));
  return option;
}

function argument(field: Field): string {
  switch (field.kind) {
    case 'number':
      return field.integer ? ' <n>' : ' <x>';
    case 'choice':
      return ' <name>';
    case 'text':
      return ` <${field.argument ?? 'text'}>`;
    case 'words':
      return ' <word...>';
    case 'rates':
      return ' <rate...>';
    case 'flag':
      return '';
  }
}

/** One line of help: what it is, what it may be, and what it is by default. */
export function description(field: Field): string {
  const choices = field.kind === 'choice' || field.kind === 'rates' ? `: ${either(field.of)}` : '';
  const standard = defaultOf(field);
  return `${field.help}${choices}${standard === '' ? '' : ` (default: ${standard})`}`;
}

/** The default in words; empty where there is none. */
export function defaultOf(field: Field): string {
  if (field.by !== undefined) return field.by;
  if (field.default === null) return field.none ?? '';
  if (field.default === undefined || field.default === false) return '';
  return String(field.default).replaceAll('\n', '\\n');
}

/** @throws OptionError naming the flag when the text is no number */
export function numberOf(flag: string, none: string | undefined, text: string): number | null {
  if (none !== undefined && text === none) return null;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isNaN(value)) return value;
  throw new OptionError('tsrl', flag, none === undefined ? 'a number' : `a number, or ${none}`, text);
}

/** Collects what commander hands over word by word: one of the names, or two numbers. */
function ratesOf(
  flag: string,
  { of: names, none }: Extract<Field, { kind: 'rates' }>,
  text: string,
  before: readonly number[] | undefined,
): unknown {
  if (text === none) return null;
  if (names.includes(text)) return text;
  return [...(Array.isArray(before) ? (before as readonly number[]) : []), numberOf(flag, undefined, text)];
}
