import { DataError, show } from '@tsrl/core';
import { parseSafetensors, type Safetensors } from '@tsrl/safetensors';
import type { BinaryFile } from './load.js';

/** A parsed weight file and its name, for errors. */
export interface Shard {
  readonly file: string;
  readonly shard: Safetensors;
}

/** Where a weight stands, and under which name. */
export interface Place {
  readonly shard: Shard;
  readonly name: string;
}

export interface Expected {
  /** The weights of the model. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Weights that may stand there besides. */
  readonly optional?: ReadonlyMap<string, readonly number[]>;
  /** The name of the weight that a tensor of a file is; `undefined` for one that is not needed. */
  readonly nameOf: (inFile: string) => string | undefined;
}

/**
 * Where each weight stands, when the files hold those of the model and no others.
 *
 * @throws DataError naming file and tensor when one is missing, unknown, twice there or of another shape
 */
export function locateWeights(
  { shapes, optional, nameOf }: Expected,
  files: readonly BinaryFile[],
  configFile: string,
): Map<string, Place> {
  const where = new Map<string, Place>();
  for (const { file, bytes } of files) {
    const shard = { file, shard: parseSafetensors(bytes, file) };
    for (const [inFile, { shape }] of shard.shard.tensors) {
      const name = nameOf(inFile);
      if (name === undefined) continue;
      const first = where.get(name);
      if (first) throw new DataError(file, `tensor ${show(inFile)} stands in ${first.shard.file} already`);
      where.set(name, { shard, name: inFile });
      const wanted = shapes.get(name) ?? optional?.get(name);
      if (!wanted) throw new DataError(file, `tensor ${show(inFile)} has no place in the model of ${configFile}`);
      if (show(shape) !== show(wanted)) {
        const problem = `must have shape ${show(wanted)} by ${configFile}; got ${show(shape)}`;
        throw new DataError(file, `tensor ${show(inFile)} ${problem}`);
      }
    }
  }
  const missing = [...shapes.keys()].find((name) => !where.has(name));
  if (missing !== undefined) {
    const names = files.map(({ file }) => file).join(', ');
    throw new DataError(names, `tensor ${show(missing)} is missing, which the model of ${configFile} needs`);
  }
  return where;
}

/** The elements of a tensor of numbers, all finite. */
export function readFloats({ file, shard }: Shard, name: string): Float32Array {
  const { dtype, shape, data } = shard.read(name);
  if (!(data instanceof Float32Array)) {
    throw new DataError(file, `tensor ${show(name)} must be F32, F16 or BF16; got ${dtype} ${show(shape)}`);
  }
  const at = data.findIndex((x) => !Number.isFinite(x));
  if (at >= 0) throw new DataError(file, `tensor ${show(name)} has ${data[at]} at element ${at}; weights are finite`);
  return data;
}
