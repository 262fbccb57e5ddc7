import { DataError, show } from '@tsrl/core';
import { parseSafetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import type { HeadForm, PolicyForm, SharedForm, TextPolicy, VerbalizerForm } from './binary-policy.js';
import { headPolicy } from './head-policy.js';
import { isJsonObject, type JsonObject, parseJsonObject } from './json.js';
import type { LlamaOptions } from './llama.js';
import { type BinaryFile, loadModel, type ModelFiles, modelFiles, type SaveOptions, type TextFile } from './load.js';
import { readFloats } from './locate-weights.js';
import { verbalizerPolicy } from './verbalizer-policy.js';

/** How a trained policy is to be used. */
export interface PolicySettings {
  /** Tokens per text. */
  readonly maxLength: number;
  /** Class 1 from this probability on. */
  readonly threshold: number;
}

/** The files of a saved policy: those of its language model, and two of its own. */
export interface PolicyFiles extends ModelFiles {
  /** `tsrl.json` */
  readonly policy: TextFile;
  /** `head.safetensors` */
  readonly head: BinaryFile;
}

/**
 * The files of a policy, by name: the language model's in the Hugging Face layout, `tsrl.json` (form, prompt,
 * verbaliser tokens, settings) and `head.safetensors` (always F32). Saved with the default dtype, a policy read back
 * gives the same scores, bit for bit.
 */
export async function policyFiles(
  policy: TextPolicy,
  settings: PolicySettings,
  options: SaveOptions = {},
): Promise<Map<string, string | Uint8Array>> {
  const files = await modelFiles(policy.language, options);
  const head = new Map<string, TensorToWrite>();
  for (const [name, variable] of policy.head) {
    head.set(name, { shape: variable.shape, data: Float32Array.from(await variable.data()) });
  }
  files.set('tsrl.json', `${JSON.stringify({ version: 1, policy: policy.form, ...settings }, null, 2)}\n`);
  files.set('head.safetensors', writeSafetensors(head, { metadata: { format: 'pt' } }));
  return files;
}

/**
 * A policy from its files, with the settings that were saved with it. The caller disposes of `policy` and of
 * `policy.language.model`.
 *
 * @throws DataError naming the file and what is wrong with it
 */
export function loadPolicy(
  files: PolicyFiles,
  options: LlamaOptions = {},
): { policy: TextPolicy; settings: PolicySettings } {
  const { form, settings } = parsePolicy(files.policy);
  const language = loadModel(files, options);
  try {
    const weights = readHead(files.head);
    const common = { ...options, weights };
    const policy: TextPolicy =
      form.form === 'head'
        ? headPolicy(language, { ...form, ...common })
        : verbalizerPolicy(language, { ...form, ...common });
    return { policy, settings };
  } catch (error) {
    language.model.dispose();
    throw error;
  }
}

function readHead({ file, bytes }: BinaryFile): (name: string, shape: readonly number[]) => Float32Array {
  const shard = parseSafetensors(bytes, file);
  return (name, shape) => {
    const found = shard.tensors.get(name)?.shape;
    if (show(found) !== show(shape)) {
      throw new DataError(file, `tensor ${show(name)} must have shape ${show(shape)}; got ${show(found)}`);
    }
    return readFloats({ file, shard }, name);
  };
}

function parsePolicy({ file, text }: TextFile): { form: PolicyForm; settings: PolicySettings } {
  const json = parseJsonObject(text, file);
  const check = checker(json, file);
  check('version', '1', (x) => x === 1);
  check('maxLength', 'a positive integer', (x) => Number.isSafeInteger(x) && (x as number) > 0);
  check('threshold', 'between 0 and 1', (x) => typeof x === 'number' && x >= 0 && x <= 1);
  check('policy', 'an object', isJsonObject);
  const form = json['policy'] as JsonObject;
  checkForm(form, file);
  return {
    form: form as unknown as PolicyForm,
    settings: { maxLength: json['maxLength'] as number, threshold: json['threshold'] as number },
  };
}

type Check = (name: string, expected: string, valid: (value: unknown) => boolean) => void;

const checker =
  (json: JsonObject, file: string): Check =>
  (name, expected, valid) => {
    if (!valid(json[name])) throw new DataError(file, `${name} must be ${expected}; got ${show(json[name])}`);
  };

/** Types only: ranges are the business of the policy that is built from it. */
function checkForm(form: JsonObject, file: string): void {
  const check = checker(form, file);
  const isBoolean = (x: unknown): boolean => typeof x === 'boolean';
  const isIds = (x: unknown): boolean => Array.isArray(x) && x.every((id) => Number.isSafeInteger(id));
  const isWords = (x: unknown): boolean => Array.isArray(x) && x.every((word) => isIds([word]) || isIds(word));
  check('form', "'head' or 'verbalizer'", (x) => x === 'head' || x === 'verbalizer');
  const shared: readonly (keyof SharedForm)[] = ['valueHead', 'detachValueFeatures'];
  for (const name of shared) check(name, 'true or false', isBoolean);
  if (form['form'] === 'head') {
    check('trainable' satisfies keyof HeadForm, "'full' or 'head'", (x) => x === 'full' || x === 'head');
    return;
  }
  const lists: readonly (keyof VerbalizerForm)[] = ['yes', 'no'];
  const numbers: readonly (keyof VerbalizerForm)[] = ['temperature', 'logitBias'];
  const strings: readonly (keyof VerbalizerForm)[] = ['template', 'aggregate'];
  // What was saved before there were words of several tokens has neither, and means the defaults.
  const younger: readonly (keyof VerbalizerForm)[] = ['normalizeLength', 'renormalize'];
  for (const name of lists) check(name, 'a list of words, each a token id or a list of them', isWords);
  for (const name of younger) check(name, 'true or false', (x) => x === undefined || isBoolean(x));
  for (const name of numbers) check(name, 'a number', (x) => typeof x === 'number');
  for (const name of strings) check(name, 'a string', (x) => typeof x === 'string');
}
