import type { TrainArguments } from './commands/train.js';
import {
  checkedFields,
  type FieldTable,
  fields,
  files,
  flagOf,
  type GivenSettings,
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
    ...(config && checkedFields(config.json, TABLE, config)),
    ...noneAsNull(options, TABLE),
  };
  for (const [key, argument] of Object.entries(NEEDED)) {
    if (merged[key] === undefined) missing(`${flagOf(key)} ${argument}`);
  }
  const given = Object.entries(merged).filter(([key]) => key in fields);
  const args = Object.entries(merged).filter(([key]) => !(key in fields));
  return {
    given: Object.fromEntries(given) as GivenSettings,
    args: Object.fromEntries(args) as unknown as TrainArguments,
  };
}
