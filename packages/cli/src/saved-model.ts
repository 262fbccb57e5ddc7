import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, show } from '@tsrl/core';
import type { PolicySettings, TextPolicy } from '@tsrl/policies';
import { readPolicyDirectory } from '@tsrl/policies/node';
import type { Decision } from './decision.js';

/** The policy of `DIR/model`; for `DIR` itself, which is easily given instead, says which one is meant. */
export async function readSavedModel(
  directory: string,
): Promise<{ policy: TextPolicy; settings: PolicySettings & Decision }> {
  const inside = join(directory, 'model');
  if (!(await exists(join(directory, 'tsrl.json'))) && (await exists(join(inside, 'tsrl.json')))) {
    throw new DataError(directory, `expected a saved model; this is a run, whose model is ${inside}`);
  }
  const { policy, settings } = await readPolicyDirectory(directory);
  try {
    return { policy, settings: { ...settings, temperature: await readTemperature(join(directory, 'tsrl.json')) } };
  } catch (error) {
    policy.dispose();
    policy.language.model.dispose();
    throw error;
  }
}

/** 1 where none was saved, as in models of before there was one. */
async function readTemperature(file: string): Promise<number> {
  const { temperature = 1 } = JSON.parse(await readFile(file, 'utf8')) as { temperature?: unknown };
  if (typeof temperature === 'number' && temperature > 0 && Number.isFinite(temperature)) return temperature;
  throw new DataError(file, `temperature must be positive; got ${show(temperature)}`);
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
