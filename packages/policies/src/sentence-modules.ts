import { DataError, show } from '@tsrl/core';
import type { PoolingOptions } from './bert-config.js';
import { isJsonObject, parseJsonObject } from './json.js';
import type { TextFile } from './load.js';

/** The two files in which sentence-transformers says what follows the encoder. */
export interface SentenceModules {
  /** `modules.json` */
  readonly modules: TextFile;
  /** The `config.json` of the module Pooling, whose path is {@link poolingPath}. */
  readonly pooling?: TextFile;
}

/** Path of the pooling's `config.json` beside `modules.json`, when there is a pooling. */
export function poolingPath(modules: TextFile): string | undefined {
  const path = listModules(modules).find(({ kind }) => kind === 'Pooling')?.path;
  return path === undefined ? undefined : `${path}/config.json`;
}

/** @throws DataError for modules and poolings that are not implemented */
export function parseSentenceModules({ modules, pooling }: SentenceModules): Partial<PoolingOptions> {
  const kinds = listModules(modules).map(({ kind }) => kind);
  const normalize = kinds.includes('Normalize');
  return pooling ? { normalize, pooling: parsePooling(pooling) } : { normalize };
}

const known = ['Transformer', 'Pooling', 'Normalize'];

function listModules({ file, text }: TextFile): { kind: string; path: string }[] {
  const wrong = (got: unknown): never => {
    throw new DataError(file, `must list modules with a type and a path; got ${show(got)}`);
  };
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new DataError(file, 'not JSON', { cause });
  }
  if (!Array.isArray(list)) return wrong(list);
  return list.map((entry: unknown) => {
    if (!isJsonObject(entry)) return wrong(entry);
    const { type, path } = entry;
    if (typeof type !== 'string' || typeof path !== 'string' || !/^\w*$/.test(path)) return wrong(entry);
    const kind = type.split('.').at(-1) as string;
    if (known.includes(kind)) return { kind, path };
    throw new DataError(file, `module ${show(kind)} is not supported; only ${known.join(', ')}`);
  });
}

function parsePooling({ file, text }: TextFile): PoolingOptions['pooling'] {
  const json = parseJsonObject(text, file);
  const modes = Object.keys(json).filter((name) => name.startsWith('pooling_mode_') && json[name] === true);
  if (modes.length === 1 && modes[0] === 'pooling_mode_mean_tokens') return 'mean';
  if (modes.length === 1 && modes[0] === 'pooling_mode_cls_token') return 'first';
  throw new DataError(file, `pooling by ${show(modes)} is not supported; only mean_tokens or cls_token`);
}
