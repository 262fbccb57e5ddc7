import { DataError, show } from '@tsrl/core';
import { type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';
import { bertName } from './bert-weights.js';
import { configFields } from './config-fields.js';
import { isJsonObject, type JsonObject, parseJsonObject } from './json.js';
import type { BinaryFile, LanguageModel, SaveOptions, TextFile } from './load.js';
import { locateWeights, type Place, readFloats } from './locate-weights.js';
import { adaptableModules, type Lora, type LoraOptions, loraOver, loraShapes } from './lora.js';

/** The files of adapters as PEFT writes them. */
export interface LoraFiles {
  /** `adapter_config.json` */
  readonly config: TextFile;
  /** `adapter_model.safetensors` */
  readonly weights: BinaryFile;
}

/** In front of every name in a file of PEFT's: how it wraps a model. */
const WRAPPER = 'base_model.model.';

/**
 * `adapter_config.json` and `adapter_model.safetensors`, as PEFT reads them over the model of `base`: a LlamaForCausalLM
 * or a BertModel.
 */
export async function loraFiles(
  { family }: LanguageModel['model'],
  { rank, alpha, weights }: Lora,
  base: string,
  { dtype = 'F32' }: SaveOptions = {},
): Promise<Map<string, string | Uint8Array>> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, variable] of weights) {
    tensors.set(WRAPPER + name, { shape: variable.shape, data: Float32Array.from(await variable.data()) });
  }
  const config = {
    peft_type: 'LORA',
    task_type: family === 'llama' ? 'CAUSAL_LM' : 'FEATURE_EXTRACTION',
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    // Whole names, because PEFT compares the ends: that of `output.dense` is one of `attention.output.dense` too.
    target_modules: [...new Set([...weights.keys()].map(moduleOf))],
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    modules_to_save: null,
    inference_mode: true,
  };
  return new Map<string, string | Uint8Array>([
    ['adapter_config.json', `${JSON.stringify(config, null, 2)}\n`],
    ['adapter_model.safetensors', writeSafetensors(tensors, { dtype, metadata: { format: 'pt' } })],
  ]);
}

/**
 * Adapters of a model from the bytes of their files, ours or PEFT's; any subset of the modules may be adapted.
 *
 * Everything that would change the numbers and is not implemented is refused: rsLoRA, DoRA, ranks by pattern, adapted
 * biases, modules that were trained whole, initialisations that change the base. Dropout is ignored, and so are adapters
 * of a pooler, which is not read either.
 *
 * @throws DataError naming file and field or tensor when one is missing, unknown or of another shape; StateError when
 * the names are taken
 * @see https://huggingface.co/docs/peft/developer_guides/checkpoint
 */
export function loadLora(
  model: LanguageModel['model'],
  { config, weights }: LoraFiles,
  { scope = '' }: Pick<LoraOptions, 'scope'> = {},
): Lora {
  const { rank, alpha } = parseLoraConfig(config);
  const possible = loraShapes(model, adaptableModules(model), rank);
  const nameOf = (inFile: string): string | undefined => {
    const name = inFile.replace(WRAPPER, '');
    return model.family === 'bert' ? bertName(name) : name;
  };
  const where = locateWeights({ shapes: new Map(), optional: possible, nameOf }, [weights], config.file);
  if (where.size === 0) throw new DataError(weights.file, 'holds no adapter of the model');
  const modules = adaptableModules(model).filter((module) => where.has(`${module}.lora_A.weight`));
  const shapes = loraShapes(model, modules, rank);
  const alone =
    [...where.keys()].find((name) => !shapes.has(name)) ?? [...shapes.keys()].find((name) => !where.has(name));
  if (alone !== undefined) {
    throw new DataError(
      weights.file,
      `module ${show(moduleOf(alone))} must have both lora_A and lora_B; one is missing`,
    );
  }
  return loraOver(shapes, { rank, alpha, scope }, (name) => {
    const { shard, name: inFile } = where.get(name) as Place;
    return readFloats(shard, inFile);
  });
}

function moduleOf(name: string): string {
  return name.replace(/\.lora_[AB]\.weight$/, '');
}

function parseLoraConfig({ file, text }: TextFile): Pick<Lora, 'rank' | 'alpha'> {
  const json = parseJsonObject(text, file);
  const { positive, real, only } = configFields(json, file);
  if (json['peft_type'] !== 'LORA') {
    throw new DataError(file, `peft_type ${show(json['peft_type'])} is not supported; only LORA`);
  }
  for (const [name, allowed] of Object.entries(plain)) only(name, json[name], allowed, show(allowed[0]));
  for (const name of ['rank_pattern', 'alpha_pattern', 'loftq_config'])
    only(name, emptyToNull(json, name), [null], '{}');
  return { rank: positive('r'), alpha: real('lora_alpha', json['lora_alpha']) };
}

/** The values of PEFT's settings with which an adapter is what `createLora` says; first the usual one. */
const plain: Readonly<Record<string, readonly unknown[]>> = {
  bias: ['none'],
  use_rslora: [false, null],
  use_dora: [false, null],
  use_qalora: [false, null],
  use_bdlora: [null, false],
  lora_bias: [false, null],
  fan_in_fan_out: [false, null],
  modules_to_save: [null],
  layer_replication: [null],
  trainable_token_indices: [null],
  alora_invocation_tokens: [null],
  kasa_config: [null],
  // The others begin with a part of W, which is then no longer that of the base.
  init_lora_weights: [true, false, null, 'gaussian', 'orthogonal', 'eva'],
};

function emptyToNull(json: JsonObject, name: string): unknown {
  const value = json[name];
  return isJsonObject(value) && Object.keys(value).length === 0 ? null : value;
}
