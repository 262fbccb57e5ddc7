import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type CheckpointStore, decodeSnapshot, encodeSnapshot } from './checkpoint.js';

/**
 * Writes a file whole or not at all: to a temporary file beside it, to the disk, then by renaming. A process that is
 * killed leaves the old file; the next write removes what a killed one left behind.
 */
export async function writeFileAtomically(file: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  const prefix = `.${basename(file)}.`;
  for (const name of await readdir(folder)) {
    const ours = name.startsWith(prefix) && /^\d+\.tmp$/.test(name.slice(prefix.length));
    if (ours) await rm(join(folder, name), { force: true });
  }
  const temporary = join(folder, `${prefix}${process.pid}.tmp`);
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** Keeps the last snapshot in one file. */
export function fileStore(file: string): CheckpointStore {
  return {
    save: (snapshot) => writeFileAtomically(file, encodeSnapshot(snapshot)),
    load: async () => {
      try {
        return decodeSnapshot(await readWhole(file), file);
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return undefined;
        throw error;
      }
    },
  };
}

/** A file of any size: `readFile` refuses those of 2 GiB and more, which the checkpoint of a larger model is. */
async function readWhole(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const bytes = new Uint8Array((await handle.stat()).size);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), done);
      if (bytesRead === 0) return bytes.subarray(0, done); // cut short meanwhile: the decoder says what is missing
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
