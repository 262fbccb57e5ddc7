import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, Program } from './backend.js';

/** A kernel of the webgpu backend, with the types that tfjs erases. */
export type WebgpuKernel = (args: KernelArguments<Readonly<Record<string, unknown>>>) => tf.TensorInfo;

/** The right kernel, given that of tfjs. */
type Correction = (original: WebgpuKernel) => WebgpuKernel;

/** Invocations of a workgroup. */
const width = 64;

/** Over nothing a sum is 0, where tfjs asks for a buffer of no possible size. */
export const sum: Correction = (original) => (args) => {
  const { dtype, shape } = args.inputs['x'] as tf.TensorInfo;
  if (tf.util.sizeFromShape(shape) > 0) return original(args);
  const axes = tf.util.parseAxisParam(args.attrs['axis'] as number[], shape);
  const [reduced] = tf.backend_util.computeOutAndReduceShapes(shape, axes);
  const outShape = args.attrs['keepDims'] === true ? tf.backend_util.expandShapeToKeepDim(reduced, axes) : reduced;
  const values = tf.util.makeZerosTypedArray(tf.util.sizeFromShape(outShape), dtype) as Float32Array;
  return args.backend.makeTensorInfo(outShape, dtype, values);
};

/** Of −1 < x; within 1e-6 of its size, where `log` is only that near to 0. */
const logOnePlus = `
  fn logOnePlus(x : f32) -> f32 {
    if (abs(x) > 0.25) { return log(1.0 + x); }
    // 2 artanh(x / (2 + x))
    let s = x / (2.0 + x);
    let t = s * s;
    return 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0)))));
  }`;

/** tfjs computes exp(x) − 1, which is 0 at 1e-8. */
export const expm1: Correction = elementwise(
  'tsrlExpm1',
  `
  if (x > 89.0) { return uniforms.INFINITY; }
  if (abs(x) > 0.5) { return exp(max(x, -100.0)) - 1.0; }
  var sum = 1.0;
  for (var k = 10.0; k > 1.0; k -= 1.0) { sum = 1.0 + sum * x / k; }
  return sum * x;
`,
);

/** tfjs computes log(1 + x), which is 0 at 1e-8. */
export const log1p: Correction = elementwise(
  'tsrlLog1p',
  `
  if (x < -1.0) { return uniforms.NAN; }
  if (x == -1.0) { return -uniforms.INFINITY; }
  return logOnePlus(x);
`,
);

// WGSL leaves NaN, infinities and log(0) to the device: SwiftShader says exp(NaN) = ∞, sigmoid(NaN) = 0,
// softplus(NaN) = ∞, log(NaN) = 89, log(0) = −88. A diverged log-prob must not end as a harmless loss.

export const exp: Correction = elementwise(
  'tsrlExp',
  `
  if (x > 89.0) { return uniforms.INFINITY; }
  return exp(max(x, -120.0));
`,
);

export const log: Correction = elementwise(
  'tsrlLog',
  `
  if (x < 0.0) { return uniforms.NAN; }
  if (x == 0.0) { return -uniforms.INFINITY; }
  if (x == uniforms.INFINITY) { return x; }
  return log(x);
`,
);

export const sigmoid: Correction = elementwise('tsrlSigmoid', 'return 1.0 / (1.0 + exp(min(-x, 88.0)));');

export const softplus: Correction = elementwise(
  'tsrlSoftplus',
  `
  if (x > 88.0) { return x; }
  return max(x, 0.0) + logOnePlus(exp(max(-abs(x), -120.0)));
`,
);

/** float32 by the body of a function of x, which is a number or +-infinity. */
function elementwise(shaderKey: string, body: string): Correction {
  const code = `
  ${logOnePlus}
  fn f(x : f32) -> f32 {
    if (isnan(x)) { return x; }
    ${body}
  }
  fn main(index : i32) {
    if (index < uniforms.outShape) { result[index] = f(x[index]); }
  }`;
  return (original) => (args) => {
    const { dataId, dtype, shape } = args.inputs['x'] as tf.TensorInfo;
    const size = tf.util.sizeFromShape(shape);
    if (size === 0 || dtype !== 'float32') return original(args);
    const program: Program = {
      variableNames: ['x'],
      outputShape: [size],
      workgroupSize: [width, 1, 1],
      dispatchLayout: { x: [0] },
      dispatch: [Math.ceil(size / width), 1, 1],
      shaderKey,
      getUserCode: () => code,
    };
    const flat = args.backend.runWebGPUProgram(program, [{ dataId, dtype, shape: [size] }], 'float32');
    return { dataId: flat.dataId, dtype: 'float32', shape };
  };
}
