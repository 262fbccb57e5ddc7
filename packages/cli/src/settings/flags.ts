import { OptionError } from '@tsrl/core';
import { type Command, type Help, Option } from 'commander';
import { type Field, type FieldTable, flagOf, groups, wordsOf } from './fields.js';

/** Adds the flags of a table to a command; in the help they stand under the headings of their groups. */
export function addFlags(command: Command, table: FieldTable): Command {
  const order = Object.keys(groups);
  const place = ([, { group }]: [string, Field]): number => order.indexOf(group);
  const entries = Object.entries(table).sort((a, b) => place(a) - place(b));
  for (const [key, field] of entries) command.addOption(flag(key, field));
  return command.configureHelp({
    optionDescription: ({ description }) => description, // choices and defaults stand in it
    formatItem: hanging,
    minWidthToWrap: 20,
  });
}

function flag(key: string, field: Field): Option {
  const option = new Option(`${nameOf(key, field)}${argument(field)}`, description(field)).helpGroup(
    `${groups[field.group]}:`,
  );
  if (field.kind === 'choice') option.choices(wordsOf(field));
  if (field.kind === 'number') option.argParser((text) => numberOf(flagOf(key), field.none, text));
  if (field.kind === 'rates') option.argParser((text, before) => ratesOf(flagOf(key), field, text, before));
  return option;
}

/** The flag of a field: what is so by default is switched off. */
export const nameOf = (key: string, field: Field): string =>
  field.default === true ? flagOf(key).replace('--', '--no-') : flagOf(key);

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

/** What it is and what it is by default, then a line for each word that it may be, which begins with a tab. */
function description(field: Field): string {
  const standard = defaultOf(field);
  const first = `${field.help}${standard === '' ? '' : ` (${standard === 'needed' ? '' : 'default: '}${standard})`}`;
  if (!('of' in field)) return first;
  if (Array.isArray(field.of)) return `${first}\n\t${field.of.join(', ')}`;
  const words = Object.entries(field.of);
  const width = Math.max(...words.map(([word]) => word.length));
  return [first, ...words.map(([word, meaning]) => `\t${word.padEnd(width)}  ${meaning}`)].join('\n');
}

/** The default in words; empty where there is none. */
export function defaultOf(field: Field): string {
  if (field.by !== undefined) return field.by;
  if (field.default === null) return field.none ?? '';
  if (field.default === undefined || field.kind === 'flag') return '';
  return String(field.default).replaceAll('\n', '\\n');
}

/** An option of the help: its flag, and beside it the lines of its description, those of its words hanging. */
function hanging(term: string, termWidth: number, text: string, helper: Help): string {
  const width = (helper.helpWidth ?? 80) - termWidth - 4;
  const lines = text.split('\n').flatMap((line) => {
    const [, indent = '', rest = ''] = /^(\t?\S+ {2,}|\t?)(.*)$/s.exec(line) ?? [];
    const first = indent.replace('\t', '  ');
    const wrapped = helper.boxWrap(rest, Math.max(20, width - first.length)).split('\n');
    return wrapped.map((part, i) => (i === 0 ? first : ' '.repeat(first.length)) + part);
  });
  const margin = `\n${' '.repeat(termWidth + 4)}`;
  return `  ${term.padEnd(termWidth)}  ${lines.map((line) => line.trimEnd()).join(margin)}`.trimEnd();
}

/**
 * A number, or the word for none as it is: commander knows no null (see `noneAsNull`).
 *
 * @throws OptionError naming the flag when the text is neither
 */
export function numberOf(flag: string, none: string | undefined, text: string): number | string {
  if (none !== undefined && text === none) return none;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isNaN(value)) return value;
  throw new OptionError('tsrl', flag, none === undefined ? 'a number' : `a number, or ${none}`, text);
}

/** Collects what commander hands over word by word: one of the names, or two numbers. */
function ratesOf(
  flag: string,
  { of, none }: Extract<Field, { kind: 'rates' }>,
  text: string,
  before: unknown,
): unknown {
  if (text === none || wordsOf({ of }).includes(text)) return text;
  return [...(Array.isArray(before) ? before : []), numberOf(flag, undefined, text)];
}
