import { type Json, OptionError, show } from '@tsrl/core';
import type { TrainArguments } from './commands/train.js';
import {
  type ConfigFile,
  checkedFields,
  checkSettings,
  contradictionIn,
  type FieldTable,
  fields,
  files,
  flagOf,
  type GivenSettings,
  misplaced,
  noneAsNull,
  readConfig,
} from './settings/index.js';

/** What was asked of `tsrl train`: by flags, and by the file of `--config`, which flags outvote. */
export interface TrainInput {
  readonly given: GivenSettings;
  readonly args: TrainArguments;
}

/** What a configuration file may hold. */
const TABLE: FieldTable = { ...files, ...fields };

/** What a run cannot do without, here or there. */
const NEEDED = { method: '<name>', train: '<file>', test: '<file>', out: '<dir>' } as const;

/** What is no setting, but a switch of the one run. */
const SWITCHES = ['config', 'maxMinutes', 'resume', 'force', 'json'];

/**
 * @param options as commander gives them: what was not given is absent
 * @param missing is told the flag, with its argument, of what neither gives, and does not return
 * @throws DataError for a file that cannot be read or does not fit
 */
export async function readTrainInput(
  options: Readonly<Record<string, unknown>>,
  missing: (flag: string) => never,
): Promise<TrainInput> {
  const file = options['config'] as string | undefined;
  const config = file === undefined ? undefined : await readConfig(file);
  const merged: Record<string, unknown> = {
    ...(config && settingsOf(config)),
    ...noneAsNull(options, TABLE),
  };
  for (const [key, argument] of Object.entries(NEEDED)) {
    if (merged[key] === undefined) missing(`${flagOf(key)} ${argument}`);
  }
  const given = Object.fromEntries(Object.entries(merged).filter(([key]) => key in fields)) as GivenSettings;
  const args = Object.entries(merged).filter(([key]) => !(key in fields));
  if (config) expectConsistentWith(config, given, options);
  return { given, args: Object.fromEntries(args) as unknown as TrainArguments };
}

function settingsOf(config: ConfigFile): { readonly [key: string]: Json } {
  const isObject = typeof config.json === 'object' && config.json !== null;
  const found = isObject ? SWITCHES.find((key) => key in (config.json as object)) : undefined;
  if (found === undefined) return checkedFields(config.json, TABLE, config);
  throw misplaced(config, [found], `belongs to the command, as ${flagOf(found)}`);
}

/** A contradiction is told at the line of the file where its setting stands, or by its flag. */
function expectConsistentWith(
  config: ConfigFile,
  given: GivenSettings,
  options: Readonly<Record<string, unknown>>,
): void {
  checkSettings(given);
  const isFlag = (key: string): boolean => key in options;
  const found = contradictionIn(given, (key) => (isFlag(key) ? flagOf(key) : key));
  if (!found) return;
  if (isFlag(found.key)) throw new OptionError('tsrl', flagOf(found.key), found.expected, found.got);
  throw misplaced(config, [found.key], `must be ${found.expected}; got ${show(found.got)}`);
}
