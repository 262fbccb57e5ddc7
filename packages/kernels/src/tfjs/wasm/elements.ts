import * as tf from '@tensorflow/tfjs-core';
import { type Elements, instantiateElements, type Operands } from '../../elements.js';
import { onWasm } from '../addressed-kernel.js';
import type { FastKernel, Probe } from '../fast-kernel.js';
import { k3 } from '../k3.js';
import { maskedKernels } from '../masked.js';
import type { WasmKernel } from './backend.js';
import { clipByValue } from './corrections.js';
import { onHeap } from './on-heap.js';

const elementsOf = onHeap(instantiateElements);

type Run = (elements: Elements, at: Operands, size: number) => void;

const greater: Run = (elements, at, size) => elements.compare(at, size, 'greater');
const greaterEqual: Run = (elements, at, size) => elements.compare(at, size, 'greaterEqual');
const swapped =
  (run: Run): Run =>
  (elements, { a, b, out, aIsOne, bIsOne }, size) =>
    run(elements, { a: b, b: a, out, aIsOne: bIsOne, bIsOne: aIsOne }, size);

/**
 * `TsrlK3`, and comparisons and choices, for which tfjs calls a function with every number. Its `Maximum` and `Minimum`
 * also lose a NaN that is the second of the two.
 */
export const elementKernels: readonly FastKernel[] = [
  ...onWasm([k3, ...maskedKernels], elementsOf),
  binary('Greater', 'bool', greater, [0, 0, 1, 0]),
  binary('GreaterEqual', 'bool', greaterEqual, [0, 1, 1, 0]),
  binary('Less', 'bool', swapped(greater), [1, 0, 0, 0]),
  binary('LessEqual', 'bool', swapped(greaterEqual), [1, 1, 0, 0]),
  binary('Maximum', 'float32', (elements, at, size) => elements.extreme(at, size, 'maximum'), [2, 2, 3, Number.NaN]),
  binary('Minimum', 'float32', (elements, at, size) => elements.extreme(at, size, 'minimum'), [1, 2, 2, Number.NaN]),
  over('Select', select, { inputs: { condition: truths(1, 0), t: row(1, 2), e: row(3, 4) }, outputs: [[1, 4]] }),
  over('LogicalAnd', and, { inputs: { a: truths(1, 1, 0), b: truths(1, 0, 0) }, outputs: [[1, 0, 0]] }),
  over('LogicalNot', not, { inputs: { x: truths(1, 0) }, outputs: [[0, 1]] }),
  over('ClipByValue', () => clip, {
    inputs: { x: row(-2, Number.NaN, 2) },
    attrs: { clipValueMin: -1, clipValueMax: 1 },
    outputs: [[-1, Number.NaN, 1]],
  }),
];

/** Of two float32 operands of one shape, or of one number; what else must be broadcast is left to tfjs. */
function binary(kernelName: string, dtype: 'bool' | 'float32', run: Run, expected: number[]): FastKernel {
  const make =
    (original: WasmKernel): WasmKernel =>
    (args) => {
      const { backend } = args;
      const { a, b } = args.inputs as Record<'a' | 'b', tf.TensorInfo>;
      const [aIsOne, bIsOne] = [tf.util.sizeFromShape(a.shape) === 1, tf.util.sizeFromShape(b.shape) === 1];
      const plain = a.dtype === 'float32' && b.dtype === 'float32';
      const elements = plain && (aIsOne || bIsOne || tf.util.arraysEqual(a.shape, b.shape)) && elementsOf(backend);
      if (!elements) return original(args);
      const out = backend.makeOutput(tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape), dtype);
      const [aAt, bAt, to] = [a, b, out].map(({ dataId }) => backend.dataIdMap.get(dataId).memoryOffset);
      const at = { a: aAt as number, b: bAt as number, out: to as number, aIsOne, bIsOne };
      run(elements, at, tf.util.sizeFromShape(out.shape));
      return out;
    };
  const inputs = { a: row(1, 2, 3, 1), b: row(2, 2, 2, Number.NaN) };
  return over(kernelName, make, { inputs, outputs: [expected] });
}

/** Of float32 and a truth for every number; what tfjs can else, such as a truth for every row, is left to it. */
function select(original: WasmKernel): WasmKernel {
  return (args) => {
    const { backend } = args;
    const { condition, t, e } = args.inputs as Record<'condition' | 't' | 'e', tf.TensorInfo>;
    const plain = condition.dtype === 'bool' && t.dtype === 'float32' && e.dtype === 'float32';
    const same = tf.util.arraysEqual(condition.shape, t.shape) && tf.util.arraysEqual(e.shape, t.shape);
    const elements = plain && same && elementsOf(backend);
    if (!elements) return original(args);
    const out = backend.makeOutput(t.shape, 'float32');
    const [truths, yes, no, to] = [condition, t, e, out].map(
      ({ dataId }) => backend.dataIdMap.get(dataId).memoryOffset,
    ) as [number, number, number, number];
    elements.choose({ truths, yes, no, out: to }, tf.util.sizeFromShape(t.shape));
    return out;
  };
}

/** Of two truths for every number. */
function and(original: WasmKernel): WasmKernel {
  return (args) => {
    const { backend } = args;
    const { a, b } = args.inputs as Record<'a' | 'b', tf.TensorInfo>;
    const elements = tf.util.arraysEqual(a.shape, b.shape) && elementsOf(backend);
    if (!elements) return original(args);
    const out = backend.makeOutput(a.shape, 'bool');
    const [aAt, bAt, to] = [a, b, out].map(({ dataId }) => backend.dataIdMap.get(dataId).memoryOffset);
    elements.both({ a: aAt as number, b: bAt as number, out: to as number }, tf.util.sizeFromShape(a.shape));
    return out;
  };
}

function not(original: WasmKernel): WasmKernel {
  return (args) => {
    const { backend } = args;
    const x = args.inputs['x'] as tf.TensorInfo;
    const elements = elementsOf(backend);
    if (!elements) return original(args);
    const out = backend.makeOutput(x.shape, 'bool');
    const [at, to] = [x, out].map(({ dataId }) => backend.dataIdMap.get(dataId).memoryOffset);
    elements.not({ truths: at as number, out: to as number }, tf.util.sizeFromShape(x.shape));
    return out;
  };
}

/** The one of corrections.ts, by vectors. */
const clip: WasmKernel = (args) => {
  const { backend, attrs } = args;
  const x = args.inputs['x'] as tf.TensorInfo;
  const elements = x.dtype === 'float32' ? elementsOf(backend) : undefined;
  if (!elements) return clipByValue(args);
  const out = backend.makeOutput(x.shape, 'float32');
  const [at, to] = [x, out].map(({ dataId }) => backend.dataIdMap.get(dataId).memoryOffset);
  const bounds = { least: attrs['clipValueMin'] as number, most: attrs['clipValueMax'] as number };
  elements.clip({ x: at as number, out: to as number }, tf.util.sizeFromShape(x.shape), bounds);
  return out;
};

/** An entry whose types say what those of tfjs do not. */
function over(kernelName: string, make: (original: WasmKernel) => WasmKernel, probe: Probe): FastKernel {
  return { kernelName, make: make as unknown as FastKernel['make'], probes: [probe] };
}

function truths(...values: number[]): Probe['inputs'][string] {
  return { ...row(...values), dtype: 'bool' };
}

function row(...values: number[]): Probe['inputs'][string] {
  return { values, shape: [values.length] };
}
