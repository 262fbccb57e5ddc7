import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How glibc's malloc deals with large blocks in a Python process. */
export type Allocator = 'default' | 'tuned';

/** The default gives large blocks back to the system and faults new pages for the next ones; tuned, it keeps them. */
const environments: Readonly<Record<Allocator, Readonly<Record<string, string>>>> = {
  default: {},
  tuned: { MALLOC_MMAP_THRESHOLD_: '4294967296', MALLOC_TRIM_THRESHOLD_: '17179869184', MALLOC_TOP_PAD_: '268435456' },
};

/** An input of a task; int32 becomes an index tensor there. */
export interface PeerArray {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** What a Python process says about itself. */
export interface PeerSettings {
  readonly versions: Readonly<Record<string, string>>;
  readonly blas: string;
  readonly cpuCapability: string;
  /** Libraries loaded that multiply, run threads or allocate. */
  readonly loaded: readonly string[];
}

export interface PeerTask {
  /** A module of `peers/tasks`. */
  readonly task: string;
  readonly formulation: string;
  readonly threads: number;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Something prepared in Python. */
export interface PeerRun {
  /** Of the run that prepared it. */
  readonly results: Readonly<Record<string, Float32Array>>;
  /** Runs once more: milliseconds by Python's own clock, and results that are one number. */
  run(): Promise<{ readonly ms: number; readonly scalars: Readonly<Record<string, number>> }>;
}

/** A Python process that computes what `peers/server.py` knows. */
export interface Peer {
  describe(): Promise<PeerSettings>;
  /** Hands arrays over, for all that is prepared from now on. */
  give(inputs: Readonly<Record<string, PeerArray>>): Promise<void>;
  prepare(task: PeerTask): Promise<PeerRun>;
  /** Forgets what was prepared. */
  release(): Promise<void>;
  end(): Promise<void>;
}

/** @throws Error, one sentence, when Python cannot be started; requests fail with what Python says */
export async function startPeer(python: string, allocator: Allocator): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'tsrl-peers-'));
  const child = spawn(python, [fileURLToPath(new URL('../peers/server.py', import.meta.url))], {
    env: { ...process.env, ...environments[allocator], PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const gone = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`peers: ${python} does not start: ${error.message}`)));
    child.once('exit', (code) => {
      const last = said.trim().split('\n').at(-1) ?? '';
      reject(new Error(`peers: Python must stay alive; it ended with code ${code} and said: ${last}`));
    });
  });
  gone.catch(() => undefined); // reported by whoever asks next
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let inputs: Record<string, unknown> = {};
  let arrays = 0;

  const ask = async <T>(request: Readonly<Record<string, unknown>>): Promise<T> => {
    child.stdin.write(`${JSON.stringify(request)}\n`, () => undefined);
    const line = await Promise.race([lines.next(), gone]);
    if (line.done) return gone;
    const answer = JSON.parse(line.value) as T & { readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  };

  return {
    describe: () => ask({ do: 'describe' }),
    async give(given) {
      inputs = {};
      for (const [name, { data, shape }] of Object.entries(given)) {
        const file = join(folder, `input-${arrays++}`);
        await writeFile(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        inputs[name] = { file, shape, dtype: data instanceof Int32Array ? 'int32' : 'float32' };
      }
    },
    async prepare(task) {
      interface Answer {
        readonly id: number;
        readonly results: Readonly<Record<string, { readonly file: string }>>;
      }
      const { id, results: files } = await ask<Answer>({ do: 'prepare', ...task, inputs, folder });
      const results: Record<string, Float32Array> = {};
      for (const [name, { file }] of Object.entries(files)) {
        const bytes = await readFile(file);
        results[name] = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
        await rm(file);
      }
      return { results, run: () => ask({ do: 'run', id }) };
    },
    async release() {
      await ask({ do: 'release' });
    },
    async end() {
      if (child.exitCode === null) {
        const exit = once(child, 'exit');
        child.stdin.end();
        await exit;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
