import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@tsrl/core';
import type { PolicySettings, TextPolicy } from '@tsrl/policies';
import { readPolicyDirectory } from '@tsrl/policies/node';
import type { Decision } from './decision.js';

/** The policy of `DIR/model`, its adapters over `base` where that has moved; for `DIR` itself, which is easily given instead, says which one is meant. */
export async function readSavedModel(
  directory: string,
  base: string | undefined,
): Promise<{ policy: TextPolicy; settings: PolicySettings & Decision }> {
  const inside = join(directory, 'model');
  if (!(await exists(join(directory, 'tsrl.json'))) && (await exists(join(inside, 'tsrl.json')))) {
    throw new DataError(directory, `expected a saved model; this is a run, whose model is ${inside}`);
  }
  const { policy, settings } = await readPolicyDirectory(directory, base === undefined ? {} : { base });
  return { policy, settings: { temperature: 1, ...settings } };
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
