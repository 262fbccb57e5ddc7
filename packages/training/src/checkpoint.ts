import { DataError, type Json, StateError, show } from '@tsrl/core';
import { parseSafetensors, type TensorToWrite, writeSafetensors } from '@tsrl/safetensors';

/** All that a run needs to go on exactly: float32 tensors by name, and the rest as JSON. */
export interface Snapshot {
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;
  readonly state: Json;
}

/** Where snapshots are kept. `save` replaces the last one whole or not at all. */
export interface CheckpointStore {
  save(snapshot: Snapshot): Promise<void>;
  /** The last snapshot that was saved, if there is one. */
  load(): Promise<Snapshot | undefined>;
}

/** One safetensors file: the tensors, and the JSON state in its metadata. One file cannot be half new. */
export function encodeSnapshot({ tensors, state }: Snapshot): Uint8Array {
  const written = new Map<string, TensorToWrite>(Object.entries(tensors));
  return writeSafetensors(written, {
    metadata: { format: 'tsrl-checkpoint', version: '1', state: JSON.stringify(state) },
  });
}

/**
 * @throws DataError for a damaged file, StateError for a file that is not a checkpoint
 */
export function decodeSnapshot(bytes: Uint8Array, file: string): Snapshot {
  const stored = parseSafetensors(bytes, file);
  const { format, version, state } = stored.metadata;
  if (format !== 'tsrl-checkpoint' || version !== '1' || state === undefined) {
    throw new StateError(
      file,
      `is not a checkpoint of this version of tsrl; got format ${show(format)} ${show(version)}`,
    );
  }
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const name of stored.tensors.keys()) {
    const { shape, data } = stored.read(name);
    if (!(data instanceof Float32Array)) throw new StateError(file, `tensor ${show(name)} must be F32`);
    tensors[name] = { shape, data };
  }
  try {
    return { tensors, state: JSON.parse(state) as Json };
  } catch (cause) {
    throw new DataError(file, 'the state of the run is not JSON', { cause });
  }
}

/** Keeps the last snapshot in memory: for tests, notebooks and the browser. */
export function memoryStore(): CheckpointStore {
  let bytes: Uint8Array | undefined;
  return {
    save: async (snapshot) => {
      bytes = encodeSnapshot(snapshot);
    },
    load: async () => (bytes ? decodeSnapshot(bytes, 'the checkpoint in memory') : undefined),
  };
}
