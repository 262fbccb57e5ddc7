import * as tf from '@tensorflow/tfjs-core';
import { OptionError, type Rng, ShapeError, show } from '@tsrl/core';
import type { LanguageModel } from './load.js';
import { namedVariables, type WeightSource } from './named-variables.js';

/** Low-rank adapters of a language model, which stays as it is: give them to its forward pass. */
export interface Lora {
  readonly rank: number;
  readonly alpha: number;
  /** `MODULE.lora_A.weight` [rank, in] and `MODULE.lora_B.weight` [out, rank] of each adapted module, by plain name. */
  readonly weights: ReadonlyMap<string, tf.Variable>;
  /** Frees the adapters. */
  dispose(): void;
}

export interface LoraOptions {
  /** Default 8. */
  readonly rank?: number;
  /** The update is multiplied by alpha / rank. Default 16. */
  readonly alpha?: number;
  /**
   * Which projections of every layer are adapted. Default: query and value. Of a decoder `q_proj`, `k_proj`, `v_proj`,
   * `o_proj`, `gate_proj`, `up_proj`, `down_proj`; of an encoder `query`, `key`, `value`, `attention.output.dense`,
   * `intermediate.dense`, `output.dense`.
   */
  readonly projections?: readonly string[];
  /** Draws A. Needed, unless it comes from elsewhere: with A and B both 0 nothing would ever train. */
  readonly rng?: Rng | undefined;
  /** In front of the names of the variables; see `LlamaOptions`. */
  readonly scope?: string | undefined;
}

/**
 * New adapters (Hu et al. 2021, equation 3): an adapted projection with the frozen weight W [out, in] gives
 *
 *   y = x Wᵀ + (alpha / rank) (x Aᵀ) Bᵀ,   A [rank, in] uniform within ±1/√in,   B [out, rank] = 0
 *
 * so that the adapted model starts exactly as the model itself.
 *
 * The paper draws A from a normal distribution; this is what PEFT does (`kaiming_uniform_` with a = √5). There is no
 * dropout, and the update is not scaled by alpha / √rank (rsLoRA).
 *
 * @throws OptionError when an option is out of its range; for an unknown projection it names those that exist
 * @see Hu et al. 2021, arXiv:2106.09685
 */
export function createLora(
  model: LanguageModel['model'],
  { rank = 8, alpha = 16, projections = families[model.family].usual, rng, scope = '' }: LoraOptions = {},
): Lora {
  if (!(Number.isSafeInteger(rank) && rank > 0)) throw new OptionError('lora', 'rank', 'a positive integer', rank);
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new OptionError('lora', 'alpha', 'positive', alpha);
  const known = Object.keys(families[model.family].places);
  if (projections.length === 0 || !projections.every((name) => known.includes(name))) {
    throw new OptionError('lora', 'projections', `some of ${known.join(', ')}`, projections);
  }
  if (!rng) throw new OptionError('lora', 'rng', 'given, to draw A', rng);
  const modules = adaptableModules(model, projections);
  return loraOver(loraShapes(model, modules, rank), { rank, alpha, scope }, (name, shape) => {
    const values = new Float32Array((shape[0] as number) * (shape[1] as number));
    if (name.endsWith('.lora_B.weight')) return values;
    const own = rng.fork(name); // an adapter of its own stream does not depend on which others there are
    return values.map(() => (2 * own.uniform() - 1) / Math.sqrt(shape[1] as number));
  });
}

/** The adapters that a policy trains: new ones by the options, or those that are given, if they fit. */
export function toLora(
  model: LanguageModel['model'],
  given: LoraOptions | Lora | undefined = {},
  { rng, scope }: Pick<LoraOptions, 'rng' | 'scope'> = {},
): Lora {
  if (!('weights' in given)) {
    return createLora(model, { ...given, rng: given.rng ?? rng?.fork('lora'), scope: given.scope ?? scope });
  }
  const expected = loraShapes(model, adaptableModules(model), given.rank);
  for (const [name, { shape }] of given.weights) {
    const wanted = expected.get(name);
    if (show(wanted) === show(shape)) continue;
    throw new ShapeError('lora', name, wanted ? `of shape ${show(wanted)}` : 'an adapter of this model', show(shape));
  }
  return given;
}

/** Adapters of these names and shapes. */
export function loraOver(
  shapes: ReadonlyMap<string, readonly number[]>,
  { rank, alpha, scope }: { readonly rank: number; readonly alpha: number; readonly scope: string },
  source: WeightSource,
): Lora {
  const weights = namedVariables('lora', shapes, source, scope);
  return { rank, alpha, weights, dispose: () => tf.dispose([...weights.values()]) };
}

/** The names of the modules that can be adapted, layer by layer; of some projections only, when they are named. */
export function adaptableModules(
  { family, config }: LanguageModel['model'],
  projections?: readonly string[],
): string[] {
  const { layers, places } = families[family];
  const chosen = Object.entries(places).filter(([name]) => projections?.includes(name) ?? true);
  return Array.from({ length: config.layers }, (_, layer) =>
    chosen.map(([, place]) => `${layers}.${layer}.${place}`),
  ).flat();
}

/** Names and shapes of the adapters of these modules. */
export function loraShapes(
  { weights }: LanguageModel['model'],
  modules: readonly string[],
  rank: number,
): Map<string, readonly number[]> {
  return new Map(
    modules.flatMap((module): [string, readonly number[]][] => {
      const [out, width] = (weights.get(`${module}.weight`) as tf.Variable).shape as [number, number];
      return [
        [`${module}.lora_A.weight`, [rank, width]],
        [`${module}.lora_B.weight`, [out, rank]],
      ];
    }),
  );
}

interface Family {
  /** Where the layers stand. */
  readonly layers: string;
  /** Where in a layer each projection stands, by its name in the options, which is the end of that of its module. */
  readonly places: Readonly<Record<string, string>>;
  /** What the paper adapts: query and value (section 4.2). */
  readonly usual: readonly string[];
}

const families: Readonly<Record<LanguageModel['model']['family'], Family>> = {
  llama: {
    layers: 'model.layers',
    places: {
      q_proj: 'self_attn.q_proj',
      k_proj: 'self_attn.k_proj',
      v_proj: 'self_attn.v_proj',
      o_proj: 'self_attn.o_proj',
      gate_proj: 'mlp.gate_proj',
      up_proj: 'mlp.up_proj',
      down_proj: 'mlp.down_proj',
    },
    usual: ['q_proj', 'v_proj'],
  },
  bert: {
    layers: 'encoder.layer',
    places: {
      query: 'attention.self.query',
      key: 'attention.self.key',
      value: 'attention.self.value',
      'attention.output.dense': 'attention.output.dense',
      'intermediate.dense': 'intermediate.dense',
      'output.dense': 'output.dense',
    },
    usual: ['query', 'value'],
  },
};
