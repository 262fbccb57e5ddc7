import * as mappings from './families/index.js';
import type { Family } from './outcome.js';

const isFamily = (value: unknown): value is Family => typeof value === 'object' && value !== null && 'run' in value;

/** Every mapping; a new file of them is one line in families/index.ts. */
export const families: readonly Family[] = Object.values<unknown>(mappings).filter(isFamily);

/** The mapping of a file: `value-loss` takes `value-loss.json` and `value-loss.more.json`; the longest name wins. */
export function familyOf(file: string): Family | undefined {
  const stem = file.replace(/\.json$/, '');
  const fitting = families.filter(
    ({ file: name }) => stem === name || (/^[.-]/.test(stem.slice(name.length)) && stem.startsWith(name)),
  );
  return fitting.sort((a, b) => b.file.length - a.file.length)[0];
}
