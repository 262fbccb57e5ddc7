import type { Attention, AttentionSizes } from '../attention.js';
import type { AddressedKernel, Attrs, Shapes } from './addressed-kernel.js';

const sizesOf = (attrs: Attrs): AttentionSizes => attrs as unknown as AttentionSizes;
const outputShapes = (attrs: Attrs): Shapes => {
  const { batch, queries, heads, headSize } = sizesOf(attrs);
  return [
    [batch * queries, heads * headSize],
    [batch * queries, heads, 2],
  ];
};

/** How many numbers stand in a row of each input. */
const steps = (attrs: Attrs): { readonly qStep: number; readonly kvStep: number } => {
  const { heads, keyValueHeads, headSize } = sizesOf(attrs);
  return { qStep: heads * headSize, kvStep: 2 * keyValueHeads * headSize };
};

/** Queries, keys and values in one row, [batch · length, (heads + 2 keyValueHeads) headSize]. */
const packed = (address: number, attrs: Attrs) => {
  const { qStep, kvStep } = steps(attrs);
  return { q: address, qStep: qStep + kvStep, kv: address + 4 * qStep, kvStep: qStep + kvStep };
};

/** Exactly as many addresses as there are inputs and outputs. */
type Six = readonly [number, number, number, number, number, number];
const six = (addresses: readonly number[]): Six => addresses as unknown as Six;

const sizes = { batch: 1, queries: 2, length: 2, heads: 1, keyValueHeads: 1, headSize: 1 };

/** What `@tsrl/tensor` puts under `causalAttention` and `attentionAt`; the attributes are {@link AttentionSizes}. */
export const attentionKernels: readonly AddressedKernel<Attention>[] = [
  {
    kernelName: 'TsrlCausalAttention',
    inputs: ['qkv'],
    outputs: (_, attrs) => outputShapes(attrs),
    run(attention, from, to, _, attrs) {
      const [out, stats] = six(to);
      attention.forward({ ...packed(six(from)[0], attrs), out, stats }, sizesOf(attrs));
    },
    // Of equal keys every share is the same.
    probe: {
      inputs: { qkv: { values: [1, 2, 3, 1, 2, 5], shape: [2, 3] } },
      attrs: sizes,
      outputs: [
        [3, 4],
        [2, 1, 2, 0.5],
      ],
    },
  },
  {
    kernelName: 'TsrlCausalAttentionGradient',
    inputs: ['qkv', 'out', 'stats', 'dy'],
    outputs: ([qkv = []]) => [qkv],
    run(attention, from, to, _, attrs) {
      const [qkv, out, stats, dOut] = six(from);
      const { q: dq, kv: dkv } = packed(six(to)[0], attrs);
      attention.backward({ ...packed(qkv, attrs), out, stats, dOut, dq, dkv }, sizesOf(attrs));
    },
    probe: {
      inputs: {
        qkv: { values: [1, 2, 3, 1, 2, 5], shape: [2, 3] },
        out: { values: [3, 4], shape: [2, 1] },
        stats: { values: [2, 1, 2, 0.5], shape: [2, 1, 2] },
        dy: { values: [1, 2], shape: [2, 1] },
      },
      attrs: sizes,
      outputs: [[0, -1, 2, 0, 1, 1]],
    },
  },
  {
    kernelName: 'TsrlAttentionAt',
    inputs: ['q', 'kv', 'positions'],
    outputs: (_, attrs) => outputShapes(attrs),
    run(attention, from, to, _, attrs) {
      const [q, kv, positions] = six(from);
      const [out, stats] = six(to);
      attention.forward({ q, kv, positions, ...steps(attrs), out, stats }, sizesOf(attrs));
    },
    probe: {
      inputs: {
        q: { values: [1], shape: [1, 1] },
        kv: { values: [2, 3, 2, 5], shape: [2, 2] },
        positions: { values: [1], shape: [1], dtype: 'int32' },
      },
      attrs: { ...sizes, queries: 1 },
      outputs: [[4], [2, 0.5]],
    },
  },
  {
    kernelName: 'TsrlAttentionAtGradient',
    inputs: ['q', 'kv', 'positions', 'out', 'stats', 'dy'],
    outputs: ([q = [], kv = []]) => [q, kv],
    run(attention, from, to, _, attrs) {
      const [q, kv, positions, out, stats, dOut] = six(from);
      const [dq, dkv] = six(to);
      attention.backward({ q, kv, positions, ...steps(attrs), out, stats, dOut, dq, dkv }, sizesOf(attrs));
    },
    probe: {
      inputs: {
        q: { values: [1], shape: [1, 1] },
        kv: { values: [2, 3, 2, 5], shape: [2, 2] },
        positions: { values: [1], shape: [1], dtype: 'int32' },
        out: { values: [4], shape: [1, 1] },
        stats: { values: [2, 0.5], shape: [1, 1, 2] },
        dy: { values: [2], shape: [1, 1] },
      },
      attrs: { ...sizes, queries: 1 },
      outputs: [[0], [-1, 1, 1, 1]],
    },
  },
];
