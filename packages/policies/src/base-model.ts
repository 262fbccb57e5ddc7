import { type PoolingOptions, poolings } from './bert-config.js';
import { isJsonObject } from './json.js';
import type { LanguageModel } from './load.js';

/** The model that adapters belong to, and how an encoder is read, which its files may say otherwise. */
export interface BaseModel extends Partial<PoolingOptions> {
  /** Where it is, as it was given. */
  readonly path: string;
  /** What {@link fingerprint} says of it. */
  readonly fingerprint: string;
}

export function baseModel(model: LanguageModel['model'], path: string): BaseModel {
  const known = { path, fingerprint: fingerprint(model) };
  if (model.family !== 'bert') return known;
  const { pooling, normalize } = model.config;
  return { ...known, pooling, normalize };
}

export function isBaseModel(value: unknown): value is BaseModel {
  if (!isJsonObject(value)) return false;
  const { path, fingerprint, pooling, normalize } = value;
  const strings = typeof path === 'string' && typeof fingerprint === 'string';
  const read = pooling === undefined || (poolings as readonly unknown[]).includes(pooling);
  return strings && read && (normalize === undefined || typeof normalize === 'boolean');
}

/**
 * Tells models of other names or shapes of weights apart, in words and by a hash (FNV-1a, 64 bits) of them. Models that
 * differ only in the elements of their weights are the same to it.
 */
export function fingerprint({ family, weights }: LanguageModel['model']): string {
  let hash = 0xcbf29ce484222325n;
  let size = 0;
  for (const [name, variable] of weights) {
    size += variable.size;
    for (const letter of `${name} ${variable.shape.join(' ')}\n`) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(letter.charCodeAt(0))) * 0x100000001b3n);
    }
  }
  return `${family}, ${weights.size} weights of ${size} numbers, ${hash.toString(16).padStart(16, '0')}`;
}
