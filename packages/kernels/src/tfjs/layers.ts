import type { Activation, Layers } from '../layers.js';
import type { AddressedKernel, Attrs } from './addressed-kernel.js';
import type { Probe } from './fast-kernel.js';

const sizeOf = (shape: readonly number[] = []): number => shape.reduce((product, n) => product * n, 1);
const widthOf = (shape: readonly number[] = []): number => shape.at(-1) ?? 1;
const rowsOf = (shape: readonly number[] = []): number => sizeOf(shape.slice(0, -1));
const number = (attrs: Attrs, name: string): number => attrs[name] as number;
const kindOf = (attrs: Attrs): Activation => attrs['kind'] as Activation;
/** `run` gets exactly as many addresses as there are inputs and outputs. */
type Four = readonly [number, number, number, number];
const four = (addresses: readonly number[]): Four => addresses as unknown as Four;

/**
 * What `@tsrl/tensor` puts under its layers. Each takes dense tensors of any rank; rows run along the last axis.
 * Gradients get what the forward kernel kept for them.
 */
export const layerKernels: readonly AddressedKernel<Layers>[] = [
  {
    kernelName: 'TsrlRmsNorm',
    inputs: ['x', 'weight'],
    outputs: ([x = []]) => [x, x.slice(0, -1)],
    run(layers, from, to, [x], attrs) {
      const [at, weight] = four(from);
      const [y, scales] = four(to);
      const size = { rows: rowsOf(x), width: widthOf(x), epsilon: number(attrs, 'epsilon') };
      layers.rmsNorm({ x: at, weight, y, scales }, size);
    },
    probe: {
      inputs: { x: row(1, 7), weight: row(1, 2) },
      attrs: { epsilon: 0 },
      outputs: [[0.2, 2.8], [0.2]],
    },
  },
  {
    kernelName: 'TsrlRmsNormGradient',
    inputs: ['x', 'weight', 'scales', 'dy'],
    outputs: ([x = [], weight = []]) => [x, weight],
    run(layers, from, to, [x]) {
      const [at, weight, scales, dy] = four(from);
      const [dx, dWeight] = four(to);
      layers.rmsNormGradient({ x: at, weight, scales, dy, dx, dWeight }, { rows: rowsOf(x), width: widthOf(x) });
    },
    probe: {
      inputs: { x: row(1, 7), weight: row(1, 2), scales: { values: [0.2], shape: [] }, dy: row(1, 1) },
      outputs: [
        [0.14, -0.02],
        [0.2, 1.4],
      ],
    },
  },
  {
    kernelName: 'TsrlLayerNorm',
    inputs: ['x', 'weight', 'bias'],
    outputs: ([x = []]) => [x, [...x.slice(0, -1), 2]],
    run(layers, from, to, [x], attrs) {
      const [at, weight, bias] = four(from);
      const [y, stats] = four(to);
      const size = { rows: rowsOf(x), width: widthOf(x), epsilon: number(attrs, 'epsilon') };
      layers.layerNorm({ x: at, weight, bias, y, stats }, size);
    },
    probe: {
      inputs: { x: row(1, 7), weight: row(1, 2), bias: row(3, 4) },
      attrs: { epsilon: 0 },
      outputs: [
        [2, 6],
        [4, 1 / 3],
      ],
    },
  },
  {
    kernelName: 'TsrlLayerNormGradient',
    inputs: ['x', 'weight', 'stats', 'dy'],
    outputs: ([x = [], weight = []]) => [x, weight, weight],
    run(layers, from, to, [x]) {
      const [at, weight, stats, dy] = four(from);
      const [dx, dWeight, dBias] = four(to);
      const size = { rows: rowsOf(x), width: widthOf(x) };
      layers.layerNormGradient({ x: at, weight, stats, dy, dx, dWeight, dBias }, size);
    },
    probe: {
      inputs: { x: row(0, 0), weight: row(2, 2), stats: row(1, 2), dy: row(1, 3) },
      outputs: [
        [-36, -28],
        [-2, -6],
        [1, 3],
      ],
    },
  },
  {
    kernelName: 'TsrlActivation',
    inputs: ['x'],
    outputs: ([x = []]) => [x],
    run(layers, from, to, [x], attrs) {
      layers.activation({ x: four(from)[0], y: four(to)[0] }, sizeOf(x), kindOf(attrs));
    },
    probe: { inputs: { x: row(0, 1) }, attrs: { kind: 'gelu' }, outputs: [[0, 0.8413447460685429]] },
  },
  {
    kernelName: 'TsrlActivationGradient',
    inputs: ['x', 'dy'],
    outputs: ([x = []]) => [x],
    run(layers, from, to, [x], attrs) {
      const [at, dy] = four(from);
      layers.activationGradient({ x: at, dy, dx: four(to)[0] }, sizeOf(x), kindOf(attrs));
    },
    probe: { inputs: { x: row(0, 1), dy: row(2, 0) }, attrs: { kind: 'geluTanh' }, outputs: [[1, 0]] },
  },
  {
    kernelName: 'TsrlSwiglu',
    inputs: ['gate', 'up'],
    outputs: ([gate = []]) => [gate],
    run(layers, from, to, [size]) {
      const [gate, up] = four(from);
      layers.swiglu({ gate, up, y: four(to)[0] }, sizeOf(size));
    },
    probe: { inputs: { gate: row(0, 1), up: row(3, 2) }, outputs: [[0, 1.4621171572600098]] },
  },
  {
    kernelName: 'TsrlSwigluGradient',
    inputs: ['gate', 'up', 'dy'],
    outputs: ([gate = []]) => [gate, gate],
    run(layers, from, to, [size]) {
      const [gate, up, dy] = four(from);
      const [dGate, dUp] = four(to);
      layers.swigluGradient({ gate, up, dy, dGate, dUp }, sizeOf(size));
    },
    probe: {
      inputs: { gate: row(0, 0), up: row(3, 2), dy: row(1, 2) },
      outputs: [
        [1.5, 2],
        [0, 0],
      ],
    },
  },
  {
    kernelName: 'TsrlRotary',
    inputs: ['x'],
    outputs: ([x = []]) => [x],
    run(layers, from, to, [x = []], attrs) {
      const [length = 0, heads = 0, headSize = 0] = x.slice(-3);
      const size = { rows: sizeOf(x.slice(0, -2)), length, heads, headSize, theta: number(attrs, 'theta') };
      layers.rotate({ x: four(from)[0], y: four(to)[0] }, size, attrs['backwards'] === true);
    },
    probe: {
      inputs: { x: { values: [1, 2, 1, 0], shape: [2, 1, 2] } },
      attrs: { theta: 10, backwards: true },
      outputs: [[1, 2, Math.cos(1), -Math.sin(1)]],
    },
  },
  {
    kernelName: 'TsrlCausalSoftmax',
    inputs: ['x'],
    outputs: ([x = []]) => [x],
    run(layers, from, to, [x = []]) {
      layers.causalSoftmax(
        { x: four(from)[0], y: four(to)[0] },
        { matrices: sizeOf(x.slice(0, -2)), length: widthOf(x) },
      );
    },
    probe: { inputs: { x: { values: [5, 9, 3, 3], shape: [2, 2] } }, outputs: [[1, 0, 0.5, 0.5]] },
  },
  {
    kernelName: 'TsrlCausalSoftmaxGradient',
    inputs: ['y', 'dy'],
    outputs: ([y = []]) => [y],
    run(layers, from, to, [shape = []]) {
      const [y, dy] = four(from);
      const size = { matrices: sizeOf(shape.slice(0, -2)), length: widthOf(shape) };
      layers.causalSoftmaxGradient({ y, dy, dx: four(to)[0] }, size);
    },
    probe: {
      inputs: { y: { values: [1, 0, 0.5, 0.5], shape: [2, 2] }, dy: { values: [1, 1, 1, 3], shape: [2, 2] } },
      outputs: [[0, 0, -0.5, 0.5]],
    },
  },
];

function row(...values: number[]): Probe['inputs'][string] {
  return { values, shape: [values.length] };
}
