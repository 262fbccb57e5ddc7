import { DataError, OptionError, show } from '@tsrl/core';
import { parseSafetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { type BaseModel, baseModel, fingerprint, isBaseModel } from './base-model.js';
import type { PoolingOptions } from './bert-config.js';
import type { PolicyForm, SharedForm, TextPolicy, VerbalizerForm } from './binary-policy.js';
import { headPolicy } from './head-policy.js';
import { isJsonObject, type JsonObject, parseJsonObject } from './json.js';
import type { LlamaOptions } from './llama.js';
import {
  type BinaryFile,
  type LanguageModel,
  loadModel,
  type ModelFiles,
  modelFiles,
  type SaveOptions,
  type TextFile,
} from './load.js';
import { readFloats } from './locate-weights.js';
import type { Lora } from './lora.js';
import { type LoraFiles, loadLora, loraFiles } from './lora-files.js';
import { oneOf } from './trainable.js';
import { verbalizerPolicy } from './verbalizer-policy.js';

/** How a trained policy is to be used. */
export interface PolicySettings {
  /** Tokens per text. */
  readonly maxLength: number;
  /** Class 1 from this probability on. */
  readonly threshold: number;
  /** The probability of class 1 is sigmoid(z / temperature). Default 1. */
  readonly temperature?: number;
}

export interface PolicySaveOptions extends SaveOptions {
  /**
   * How a policy with adapters is saved: `merged` into the weights of its language model, the default, or the `adapters`
   * alone, which can be read where their base model is.
   */
  readonly save?: 'merged' | 'adapters';
  /** Where the base model of the adapters is. Default: where the language model was read from. */
  readonly base?: string;
}

/** The files of a saved policy: those of its language model, two of its own, and its adapters where it has some. */
export interface PolicyFiles extends ModelFiles {
  /** `tsrl.json` */
  readonly policy: TextFile;
  /** `head.safetensors` */
  readonly head: BinaryFile;
  /** Beside the files of the base model, when the policy was saved as adapters. */
  readonly adapters?: LoraFiles;
}

/**
 * The files of a policy, by name: the language model's in the Hugging Face layout, `tsrl.json` (form, prompt,
 * verbaliser tokens, settings) and `head.safetensors` (always F32). Saved with the default dtype, a policy read back
 * gives the same scores, bit for bit; one whose adapters were merged gives them within float32 rounding.
 *
 * Saved as `adapters`, the files are PEFT's `adapter_config.json` and `adapter_model.safetensors` in place of the
 * language model's, and `tsrl.json` says which base model they belong to: where it is, and the names and shapes of its
 * weights.
 *
 * @throws OptionError when there are no adapters to save, or no base model is known
 */
export async function policyFiles(
  policy: TextPolicy,
  settings: PolicySettings,
  { save = 'merged', base, ...options }: PolicySaveOptions = {},
): Promise<Map<string, string | Uint8Array>> {
  if (save !== 'merged' && save !== 'adapters') {
    throw new OptionError('policyFiles', 'save', "'merged' or 'adapters'", save);
  }
  const { language, lora, form } = policy;
  const adapters = save === 'adapters' ? adaptersOf(policy, base) : undefined;
  const files = adapters
    ? await loraFiles(language.model, adapters.lora, adapters.base.path, options)
    : await modelFiles(language, options, lora);
  const head = new Map<string, TensorToWrite>();
  for (const [name, variable] of policy.head) {
    head.set(name, { shape: variable.shape, data: Float32Array.from(await variable.data()) });
  }
  const description = {
    version: 1,
    policy: adapters ? form : mergedForm(form),
    ...settings,
    ...(adapters && { base: adapters.base }),
  };
  files.set('tsrl.json', `${JSON.stringify(description, null, 2)}\n`);
  files.set('head.safetensors', writeSafetensors(head, { metadata: { format: 'pt' } }));
  return files;
}

function adaptersOf(
  { language, lora }: TextPolicy,
  path: string | undefined = language.directory,
): { readonly lora: Lora; readonly base: BaseModel } {
  if (!lora) throw new OptionError('policyFiles', 'save', "'merged' for a policy without adapters", 'adapters');
  if (path === undefined) {
    throw new OptionError('policyFiles', 'base', 'the directory of the base model, which was not read from one', path);
  }
  return { lora, base: baseModel(language.model, path) };
}

/** Merged, there are no adapters: an ordinary model, all of which could train. */
function mergedForm(form: PolicyForm): PolicyForm {
  return form.trainable === 'lora' ? { ...form, trainable: 'full' } : form;
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
  const { form, settings, base } = parsePolicy(files.policy);
  if (base && !files.adapters) throw new DataError(files.policy.file, 'the adapters that it speaks of are not given');
  if (!base && files.adapters) throw new DataError(files.policy.file, 'speaks of no adapters, and some are given');
  const language = loadModel(files, { ...options, ...(base && poolingOf(base, files.config)) });
  let lora: Lora | undefined;
  try {
    if (base) expectBase(base, language, files);
    if (files.adapters) lora = loadLora(language.model, files.adapters, options);
    const common = { ...options, weights: readHead(files.head), lora };
    const policy: TextPolicy =
      form.form === 'head'
        ? headPolicy(language, { ...form, ...common })
        : verbalizerPolicy(language, { ...form, ...common });
    return { policy, settings };
  } catch (error) {
    lora?.dispose();
    language.model.dispose();
    throw error;
  }
}

/** A base of another family is told by its weights. */
function poolingOf({ pooling, normalize }: BaseModel, { file, text }: TextFile): Partial<PoolingOptions> {
  if (parseJsonObject(text, file)['model_type'] !== 'bert') return {};
  return { ...(pooling && { pooling }), ...(normalize !== undefined && { normalize }) };
}

/** The base model of a policy that was saved as adapters; `undefined` for one that was saved whole. */
export function savedBase(file: TextFile): BaseModel | undefined {
  return parsePolicy(file).base;
}

function expectBase({ path, fingerprint: wanted }: BaseModel, { model }: LanguageModel, files: PolicyFiles): void {
  const got = fingerprint(model);
  if (got === wanted) return;
  const problem = `the adapters belong to the base model ${path} (${wanted}); that of ${files.config.file} is another (${got})`;
  throw new DataError(files.policy.file, problem);
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

function parsePolicy({ file, text }: TextFile): { form: PolicyForm; settings: PolicySettings; base?: BaseModel } {
  const json = parseJsonObject(text, file);
  const check = checker(json, file);
  check('version', '1', (x) => x === 1);
  check('maxLength', 'a positive integer', (x) => Number.isSafeInteger(x) && (x as number) > 0);
  check('threshold', 'between 0 and 1', (x) => typeof x === 'number' && x >= 0 && x <= 1);
  check('temperature', 'positive', (x) => x === undefined || (Number.isFinite(x) && (x as number) > 0));
  check('policy', 'an object', isJsonObject);
  const form = json['policy'] as JsonObject;
  checkForm(form, file);
  const adapted = form['trainable'] === 'lora';
  const base = adapted ? 'an object with path and fingerprint, as adapters have one' : 'left out without adapters';
  check('base', base, (x) => (adapted ? isBaseModel(x) : x === undefined));
  const { maxLength, threshold, temperature } = json as unknown as PolicySettings;
  return {
    form: form as unknown as PolicyForm,
    settings: { maxLength, threshold, ...(temperature !== undefined && { temperature }) },
    ...(json['base'] !== undefined && { base: json['base'] as BaseModel }),
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
  const isHead = form['form'] === 'head';
  const kinds: PolicyForm['trainable'][] = isHead ? ['full', 'head', 'lora'] : ['full', 'lora'];
  // A verbalizer that was saved before it could have adapters says nothing, and means the default.
  const valid = (x: unknown): boolean => (kinds as unknown[]).includes(x) || (!isHead && x === undefined);
  check('trainable' satisfies keyof PolicyForm, oneOf(kinds), valid);
  if (isHead) return;
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
