import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@tsrl/core';
import type { PolicySettings, TextPolicy } from '@tsrl/policies';
import { readPolicyDirectory } from '@tsrl/policies/node';

/** The policy of `DIR/model`; for `DIR` itself, which is easily given instead, says which one is meant. */
export async function readSavedModel(directory: string): Promise<{ policy: TextPolicy; settings: PolicySettings }> {
  const inside = join(directory, 'model');
  if (!(await exists(join(directory, 'tsrl.json'))) && (await exists(join(inside, 'tsrl.json')))) {
    throw new DataError(directory, `expected a saved model; this is a run, whose model is ${inside}`);
  }
  return readPolicyDirectory(directory);
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
