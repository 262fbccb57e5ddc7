import * as tf from '@tensorflow/tfjs-core';
import { type KernelArguments, lanesOf, rowProgram } from './backend.js';

export interface SelectiveLogSoftmaxAttributes {
  readonly temperature: number;
  readonly ignoreId: number;
  readonly entropy: boolean;
}

/**
 * `TsrlSelectiveLogSoftmax`: logits float32 [R, V], ids int32 [R, K] to
 *
 *   statistics float32 [R, K + 1 (+ 1)]: log-probs of the ids, log Σ exp(x / τ), and the entropy where it is asked for
 *   top        float32 [R, 2]:           M = max x, at least -3e38, and log Σ exp((x − M) / τ)
 *
 * Each logit is read once: the sums are rescaled when the maximum of an invocation grows. They are one program with
 * one output, which is cut in two afterwards.
 */
export function selectiveLogSoftmax(args: KernelArguments<Readonly<Record<string, unknown>>>): tf.TensorInfo[] {
  const { inputs, backend } = args;
  const attrs = args.attrs as unknown as SelectiveLogSoftmaxAttributes;
  const { logits, ids } = inputs as { logits: tf.TensorInfo; ids: tf.TensorInfo };
  const rows = logits.shape[0] as number;
  const chosen = ids.shape[1] as number;
  const width = chosen + (attrs.entropy ? 2 : 1);
  if (rows === 0) return [backend.makeTensorInfo([0, width], 'float32'), backend.makeTensorInfo([0, 2], 'float32')];

  const lanes = lanesOf(logits.shape[1] as number);
  const program = rowProgram(
    `tsrlSelectiveLogSoftmax_${chosen > 0}_${attrs.entropy}`,
    chosen > 0 ? ['logits', 'ids'] : ['logits'],
    [rows, width + 2],
    lanes,
    'temperature : f32, ignoreId : i32, chosen : i32,',
    forward(lanes, chosen > 0, attrs.entropy),
  );
  const packed = backend.runWebGPUProgram(program, chosen > 0 ? [logits, ids] : [logits], 'float32', [
    { type: 'float32', data: [attrs.temperature] },
    { type: 'int32', data: [attrs.ignoreId] },
    { type: 'int32', data: [chosen] },
  ]);
  const slice = tf.getKernel('Slice', 'webgpu').kernelFunc as unknown as (
    args: KernelArguments<{ readonly begin: number[]; readonly size: number[] }>,
  ) => tf.TensorInfo;
  const columns = (begin: number, count: number): tf.TensorInfo =>
    slice({ inputs: { x: packed }, backend, attrs: { begin: [0, begin], size: [rows, count] } });
  const results = [columns(0, width), columns(width, 2)];
  backend.disposeData(packed.dataId);
  return results;
}

/**
 * WGSL lets a device assume that no operand is NaN or infinite. So both are told by their bits and never computed
 * with, and those that are results are copied from uniforms.
 */
export const classify = `
  const minusInfinityBits = 0xff800000u;
  fn isFinite(bits : u32) -> bool { return (bits & 0x7f800000u) != 0x7f800000u; }
`;

/**
 * Where the exponent ends: below it exp is 0 in float32, so that it bounds what may have overflowed and keeps
 * exp(x) · x at 0.
 */
export const smallestExponent = '-120.0';

const forward = (lanes: number, ids: boolean, entropy: boolean): string => `
  var<workgroup> tops : array<f32, ${lanes}>;
  var<workgroup> sums : array<f32, ${lanes}>;
  ${entropy ? `var<workgroup> moments : array<f32, ${lanes}>;` : ''}
  // An entry that is NaN or +infinity: neither has a softmax.
  var<workgroup> bad : array<u32, ${lanes}>;
  ${classify}

  fn exponent(x : f32, top : f32) -> f32 {
    return max((x - top) / uniforms.temperature, ${smallestExponent});
  }

  fn main(index : i32) {
    let row = index / ${lanes};
    let lane = index % ${lanes};
    let size = uniforms.logitsShape[1];
    // A row too many reads the last one, and writes nothing.
    let start = min(row, uniforms.logitsShape[0] - 1) * size;

    var top = -3e38f;
    var sum = 0.0;
    var moment = 0.0;  // sum of exp(y) y, where y = (x - top) / temperature
    var isBad = 0u;
    for (var j = lane; j < size; j += ${lanes}) {
      let x = logits[start + j];
      let bits = bitcast<u32>(x);
      if (isFinite(bits)) {
        if (x > top) {
          let shift = exponent(top, x);
          let factor = exp(shift);
          ${entropy ? 'moment = factor * (moment + shift * sum);' : ''}
          sum *= factor;
          top = x;
        }
        let y = exponent(x, top);
        let e = exp(y);
        sum += e;
        ${entropy ? 'moment += e * y;' : ''}
      } else if (bits != minusInfinityBits) {
        isBad = 1u;
      }
    }

    tops[lane] = top;
    sums[lane] = sum;
    ${entropy ? 'moments[lane] = moment;' : ''}
    bad[lane] = isBad;
    workgroupBarrier();
    for (var half = ${lanes / 2}; half > 0; half /= 2) {
      if (lane < half) {
        let other = lane + half;
        let both = max(tops[lane], tops[other]);
        let shift = vec2<f32>(exponent(tops[lane], both), exponent(tops[other], both));
        let factor = exp(shift);
        let pair = vec2<f32>(sums[lane], sums[other]);
        ${entropy ? 'moments[lane] = dot(factor, vec2<f32>(moments[lane], moments[other]) + shift * pair);' : ''}
        sums[lane] = dot(factor, pair);
        tops[lane] = both;
        bad[lane] |= bad[other];
      }
      workgroupBarrier();
    }

    if (row >= uniforms.logitsShape[0]) { return; }
    let rowTop = tops[0];
    let rowSum = sums[0];
    let empty = rowSum == 0.0;
    let logSum = select(log(max(rowSum, 1.0)), 0.0, empty);
    let known = bad[0] == 0u;
    let out = row * uniforms.outShape[1];
    if (lane == 0) {
      let end = out + uniforms.outShape[1];
      let normalizer = select(rowTop / uniforms.temperature + logSum, -uniforms.INFINITY, empty);
      result[out + uniforms.chosen] = select(uniforms.NAN, normalizer, known);
      ${entropy ? 'result[end - 3] = select(uniforms.NAN, logSum - moments[0] / max(rowSum, 1.0), known);' : ''}
      result[end - 2] = select(uniforms.NAN, rowTop, known);
      result[end - 1] = select(uniforms.NAN, logSum, known);
    }
    ${ids ? chooseIds(lanes) : ''}
  }
`;

const chooseIds = (lanes: number): string => `
    for (var k = lane; k < uniforms.chosen; k += ${lanes}) {
      let id = ids[row * uniforms.chosen + k];
      var logProb = uniforms.NAN;
      if (id == uniforms.ignoreId) {
        logProb = 0.0;
      } else if (id >= 0 && id < size && known) {
        let x = logits[start + id];
        // What is infinite here is negative.
        logProb = -uniforms.INFINITY;
        if (isFinite(bitcast<u32>(x))) { logProb = (x - rowTop) / uniforms.temperature - logSum; }
      }
      result[out + k] = logProb;
    }
`;
