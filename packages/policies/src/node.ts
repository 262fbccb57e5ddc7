import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError, isTsrlError, OptionError, StateError } from '@tsrl/core';
import type { TextPolicy } from './binary-policy.js';
import type { LlamaOptions } from './llama.js';
import {
  type BinaryFile,
  type LanguageModel,
  type LoadOptions,
  loadModel,
  type ModelFiles,
  modelFiles,
  parseWeightIndex,
  type SaveOptions,
  type TextFile,
} from './load.js';
import type { Lora, LoraOptions } from './lora.js';
import { type LoraFiles, loadLora } from './lora-files.js';
import { loadPolicy, type PolicySaveOptions, type PolicySettings, policyFiles, savedBase } from './save-policy.js';
import { poolingPath, type SentenceModules } from './sentence-modules.js';
import { gpt2TokenizerJson } from './tokenizer.js';

/**
 * Reads a model of either family from a directory in the Hugging Face layout: `config.json`; `model.safetensors`, or the
 * shards that `model.safetensors.index.json` lists; `tokenizer.json`, or GPT-2's `vocab.json` and `merges.txt`. For an
 * encoder also sentence-transformers' `modules.json` and the pooling that it names, where they are.
 *
 * @throws DataError naming the file that is missing or wrong
 */
export async function readModelDirectory(directory: string, options: LoadOptions = {}): Promise<LanguageModel> {
  return loadModel(await readModelFiles(directory), options);
}

export interface ReadPolicyOptions extends LlamaOptions {
  /** Where the base model of saved adapters is, when it is no longer where it was. */
  readonly base?: string;
}

/**
 * Reads what {@link writePolicyDirectory} wrote. Adapters are read over their base model, from the path that was given
 * when they were saved (a relative one begins where the process runs) or from `base`.
 *
 * @throws DataError naming the file that is missing or wrong; for adapters whose base model is missing or of other
 * weights, both
 */
export async function readPolicyDirectory(
  directory: string,
  { base: moved, ...options }: ReadPolicyOptions = {},
): Promise<{ policy: TextPolicy; settings: PolicySettings }> {
  const policy = await readText(join(directory, 'tsrl.json'));
  const head = await readBytes(join(directory, 'head.safetensors'));
  const base = savedBase(policy);
  if (!base) {
    if (moved !== undefined) {
      throw new OptionError(
        'readPolicyDirectory',
        'base',
        `left out for ${directory}, which holds a whole model`,
        moved,
      );
    }
    return loadPolicy({ ...(await readModelFiles(directory)), policy, head }, options);
  }
  const adapters = await readLoraFiles(directory);
  const files = await readModelFiles(moved ?? base.path).catch((cause: Error) => {
    const problem = `the adapters belong to the base model ${base.path}, which cannot be read: ${cause.message}`;
    throw new DataError(policy.file, `${problem}; where it is, the option base says`, { cause });
  });
  return loadPolicy({ ...files, policy, head, adapters }, options);
}

/**
 * Adapters from a directory of PEFT's, `adapter_config.json` and `adapter_model.safetensors`: the option `lora` of a
 * policy. See `loadLora`. Nothing but the shapes tells whether the model is their base.
 */
export async function readLoraDirectory(
  directory: string,
  model: LanguageModel['model'],
  options: Pick<LoraOptions, 'scope'> = {},
): Promise<Lora> {
  return loadLora(model, await readLoraFiles(directory), options);
}

/**
 * Writes a language model in the Hugging Face layout. The files are written beside the directory and put in its place
 * when all are complete, so a half-written model never replaces a good one.
 *
 * @throws StateError when the directory holds files that are not a model's, which replacing it would delete
 */
export async function writeModelDirectory(
  directory: string,
  language: LanguageModel,
  options: SaveOptions = {},
): Promise<void> {
  await replaceDirectory(directory, await modelFiles(language, options));
}

/**
 * Writes a policy: its language model, or its adapters alone, and `tsrl.json` and `head.safetensors`; see
 * `policyFiles`, and otherwise {@link writeModelDirectory}.
 *
 * @throws StateError also when adapters would take the place of their base model
 */
export async function writePolicyDirectory(
  directory: string,
  policy: TextPolicy,
  settings: PolicySettings,
  options: PolicySaveOptions = {},
): Promise<void> {
  const base = options.base ?? policy.language.directory;
  if (options.save === 'adapters' && base !== undefined && (await placeOf(base)) === (await placeOf(directory))) {
    const problem = `${directory} holds the base model, which its adapters would replace; choose another`;
    throw new StateError('writePolicyDirectory', problem);
  }
  await replaceDirectory(directory, await policyFiles(policy, settings, options));
}

async function readModelFiles(directory: string): Promise<ModelFiles> {
  const config = await readText(join(directory, 'config.json'));
  const tokenizer = await readTokenizer(directory);
  const sentence = await readSentenceModules(directory);
  return { config, tokenizer, weights: await readWeights(directory), directory, ...(sentence && { sentence }) };
}

async function readLoraFiles(directory: string): Promise<LoraFiles> {
  const config = await readText(join(directory, 'adapter_config.json'));
  return { config, weights: await readBytes(join(directory, 'adapter_model.safetensors')) };
}

async function readWeights(directory: string): Promise<BinaryFile[]> {
  const whole = await optional(readBytes(join(directory, 'model.safetensors')));
  if (whole) return [whole];

  const index = await optional(readText(join(directory, 'model.safetensors.index.json')));
  if (!index) throw new DataError(join(directory, 'model.safetensors'), 'no such file, nor its .index.json');
  const weights: BinaryFile[] = [];
  for (const shard of parseWeightIndex(index)) weights.push(await readBytes(join(directory, shard)));
  return weights;
}

async function readSentenceModules(directory: string): Promise<SentenceModules | undefined> {
  const modules = await optional(readText(join(directory, 'modules.json')));
  if (!modules) return undefined;
  const path = poolingPath(modules);
  return path === undefined ? { modules } : { modules, pooling: await readText(join(directory, path)) };
}

async function readTokenizer(directory: string): Promise<TextFile> {
  const file = join(directory, 'tokenizer.json');
  const found = await optional(readText(file));
  if (found) return found;
  const vocab = await optional(readText(join(directory, 'vocab.json')));
  const merges = await optional(readText(join(directory, 'merges.txt')));
  if (!vocab || !merges) throw new DataError(file, 'no such file, nor vocab.json and merges.txt beside it');
  return {
    file: vocab.file,
    text: JSON.stringify(gpt2TokenizerJson({ vocab: vocab.text, merges: merges.text }, vocab.file)),
  };
}

/** The same for all paths of one directory, whether it is there or not. */
function placeOf(directory: string): Promise<string> {
  return realpath(directory).catch(() => resolve(directory));
}

async function readBytes(file: string): Promise<BinaryFile> {
  try {
    return { file, bytes: await readFile(file) };
  } catch (cause) {
    const code = (cause as { code?: string }).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new DataError(file, 'no such file', { cause });
    throw new DataError(file, `cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function readText(file: string): Promise<TextFile> {
  const { bytes } = await readBytes(file);
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw new DataError(file, 'not UTF-8', { cause });
  }
}

/** `undefined` where there is no such file; any other trouble stays an error. */
async function optional<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isTsrlError(error, 'data') && error.message.endsWith(': no such file')) return undefined;
    throw error;
  }
}

/** What a model directory may hold, and what replacing it may therefore delete. */
const ours =
  /^(config|generation_config|adapter_config|tokenizer|tokenizer_config|special_tokens_map|vocab|tsrl)\.json$|^merges\.txt$|\.safetensors(\.index\.json)?$/;

async function replaceDirectory(directory: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  const target = resolve(directory);
  const before = await readdir(target).catch(() => undefined);
  const foreign = before?.find((name) => !ours.test(name));
  if (foreign !== undefined) {
    throw new StateError(
      'writeModelDirectory',
      `${directory} holds ${foreign}, which is not a model's; choose another`,
    );
  }
  await mkdir(dirname(target), { recursive: true });
  const beside = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  const fresh = join(beside, 'new');
  const old = join(beside, 'old');
  try {
    await mkdir(fresh);
    for (const [name, content] of files) await writeFile(join(fresh, name), content, { flush: true });
    if (before) await rename(target, old);
    try {
      await rename(fresh, target);
    } catch (error) {
      if (before) await rename(old, target);
      throw error;
    }
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}
