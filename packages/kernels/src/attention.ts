import { attentionBinary } from './binaries/attention.js';
import { compileFamily } from './compile-family.js';
import type { Heap } from './heap.js';
import { rotaryTable } from './rotary-table.js';

export interface AttentionSizes {
  readonly batch: number;
  /** Queries of each row of the batch. */
  readonly queries: number;
  /** Keys and values of each row. */
  readonly length: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** θ of rotary positions; without it nothing turns. `headSize` must be even with it. */
  readonly theta?: number | undefined;
}

/** Addresses; q and kv may lie in rows wider than themselves, `qStep` and `kvStep` floats apart. */
export interface AttentionInputs {
  /** [batch, queries, heads, headSize] */
  readonly q: number;
  readonly qStep: number;
  /** [batch, length, 2 keyValueHeads, headSize]: the keys of a position, then its values. */
  readonly kv: number;
  readonly kvStep: number;
  /** int32 [batch], the position of the first query of each row; without it they begin at 0. */
  readonly positions?: number | undefined;
}

/** Addresses of dense results. */
export interface AttentionOutputs {
  /** [batch, queries, heads, headSize] */
  readonly out: number;
  /** [batch, queries, heads, 2]: the largest score of a query, and 1 / Σ exp(score − largest). */
  readonly stats: number;
}

/** Addresses of the results, in rows as wide as those of q and kv. */
export interface AttentionGradients {
  readonly dOut: number;
  readonly dq: number;
  readonly dkv: number;
}

export interface Attention {
  forward(inputs: AttentionInputs & AttentionOutputs, sizes: AttentionSizes): void;
  backward(inputs: AttentionInputs & AttentionOutputs & AttentionGradients, sizes: AttentionSizes): void;
}

/**
 * Causal attention of grouped queries by SIMD128 tiles, softmax(q kᵀ / √headSize) v, and its gradient, in the memory of
 * another module. Query i of a row at position p = positions[row] + i sees the keys 0 to p; where p lies outside the
 * keys its output is NaN.
 *
 * Scores exist for 64 queries of one head at a time, so a call borrows memory in proportion to
 * length · (64 + 5 headSize), whatever the batch. The gradient computes them again from two numbers a query. Nothing
 * checks addresses and sizes. It keeps 128 bytes of the heap.
 *
 * @throws BackendError where SIMD WebAssembly is missing and where the memory is shared
 * @see Dao et al. 2022, arXiv:2205.14135; Ainslie et al. 2023, arXiv:2305.13245
 */
export function instantiateAttention(heap: Heap): Attention {
  const kernel = compileFamily<Kernel>('instantiateAttention', attentionBinary, heap);
  const work = heap.allocate(kernel.workBytes());
  kernel.prepare(work);

  const run = (
    { length, headSize, theta }: AttentionSizes,
    bytes: number,
    use: (table: number, workspace: number) => void,
  ): void => {
    const angles = theta === undefined ? undefined : rotaryTable(theta, headSize, length);
    // The table goes before what must begin at a line of the cache.
    const tableBytes = 64 * Math.ceil(((angles?.length ?? 0) * 4) / 64);
    const room = heap.allocate(tableBytes + bytes + 64);
    const aligned = room + 64 - (room % 64);
    if (angles) new Float32Array(heap.memory.buffer, aligned, angles.length).set(angles);
    use(angles ? aligned : 0, aligned + tableBytes);
    heap.free(room);
  };

  return {
    forward: ({ q, qStep, kv, kvStep, positions = 0, out, stats }, sizes) => {
      const { batch, queries, length, heads, keyValueHeads, headSize } = sizes;
      run(sizes, kernel.workspaceBytes(length, headSize), (table, workspace) =>
        kernel.attention(
          ...[q, qStep, kv, kvStep, positions, table, 1 / Math.sqrt(headSize), out, stats],
          ...[batch, queries, length, heads, keyValueHeads, headSize, work, workspace],
        ),
      );
    },
    backward: ({ q, qStep, kv, kvStep, positions = 0, out, stats, dOut, dq, dkv }, sizes) => {
      const { batch, queries, length, heads, keyValueHeads, headSize } = sizes;
      run(sizes, kernel.gradientWorkspaceBytes(length, headSize), (table, workspace) =>
        kernel.attentionGradient(
          ...[q, qStep, kv, kvStep, positions, table, 1 / Math.sqrt(headSize), out, stats],
          ...[dOut, dq, qStep, dkv, kvStep],
          ...[batch, queries, length, heads, keyValueHeads, headSize, work, workspace],
        ),
      );
    },
  };
}

interface Kernel {
  workBytes(): number;
  prepare(work: number): void;
  workspaceBytes(length: number, size: number): number;
  gradientWorkspaceBytes(length: number, size: number): number;
  attention(...numbers: number[]): void;
  attentionGradient(...numbers: number[]): void;
}
