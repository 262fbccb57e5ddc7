import type * as tf from '@tensorflow/tfjs-core';
import { type KernelArguments, lanesOf, rowProgram } from './backend.js';
import { classify, type SelectiveLogSoftmaxAttributes, smallestExponent } from './selective-log-softmax.js';

/**
 * `TsrlSelectiveLogSoftmaxGrad`: what `TsrlSelectiveLogSoftmax` took and gave, and dy = [g, n, h] shaped like its
 * statistics, to
 *
 *   dx_j = (Σ_k g_k 1[j = id_k] + p_j (n − Σ_k g_k − h (log p_j + H))) / τ,  log p_j = (x_j − M) / τ − log Σ
 *
 * where ids that are ignored or outside [0, V) are left out of both sums, and p_j (log p_j + H) is 0 where p_j is. A
 * row with a NaN or +∞ has gradient NaN, but not where n − Σ g and h are 0, so that p plays no part: masked tokens may
 * hold anything. Ids that repeat are added up in their order: the result does not vary.
 */
export function selectiveLogSoftmaxGrad(args: KernelArguments<Readonly<Record<string, unknown>>>): tf.TensorInfo {
  const { inputs, backend } = args;
  const attrs = args.attrs as unknown as SelectiveLogSoftmaxAttributes;
  const { logits, ids, statistics, top, dy } = inputs as Record<
    'logits' | 'ids' | 'statistics' | 'top' | 'dy',
    tf.TensorInfo
  >;
  const chosen = ids.shape[1] as number;
  const names = ['logits', 'top', 'dy', ...(attrs.entropy ? ['statistics'] : []), ...(chosen > 0 ? ['ids'] : [])];
  const lanes = lanesOf(logits.shape[1] as number);
  const program = rowProgram(
    `tsrlSelectiveLogSoftmaxGrad_${chosen > 0}_${attrs.entropy}`,
    names,
    logits.shape as [number, number],
    lanes,
    'temperature : f32, ignoreId : i32, chosen : i32,',
    backward(lanes, chosen > 0, attrs.entropy),
  );
  const tensors = [logits, top, dy, ...(attrs.entropy ? [statistics] : []), ...(chosen > 0 ? [ids] : [])];
  return backend.runWebGPUProgram(program, tensors, 'float32', [
    { type: 'float32', data: [attrs.temperature] },
    { type: 'int32', data: [attrs.ignoreId] },
    { type: 'int32', data: [chosen] },
  ]);
}

const backward = (lanes: number, ids: boolean, entropy: boolean): string => `
  ${classify}
  ${ids ? isWanted : ''}

  fn main(index : i32) {
    let row = index / ${lanes};
    let lane = index % ${lanes};
    if (row >= uniforms.logitsShape[0]) { return; }
    let size = uniforms.logitsShape[1];
    let start = row * size;
    let rowTop = top[2 * row];
    let logSum = top[2 * row + 1];
    let known = isFinite(bitcast<u32>(logSum));

    let grads = row * uniforms.dyShape[1];
    var ofAll = dy[grads + uniforms.chosen];
    ${entropy ? 'let ofEntropy = dy[grads + uniforms.chosen + 1];' : ''}
    ${entropy ? 'let rowEntropy = statistics[grads + uniforms.chosen + 1];' : ''}
    ${
      ids
        ? `
    for (var k = 0; k < uniforms.chosen; k++) {
      if (isWanted(ids[row * uniforms.chosen + k], size)) { ofAll -= dy[grads + k]; }
    }`
        : ''
    }

    let plays = ofAll != 0.0${entropy ? ' || ofEntropy != 0.0' : ''};
    for (var j = lane; j < size; j += ${lanes}) {
      let x = logits[start + j];
      var slope = 0.0;
      if (plays && isFinite(bitcast<u32>(x))) {
        let logProb = max((x - rowTop) / uniforms.temperature - logSum, ${smallestExponent});
        slope = exp(logProb) * (ofAll${entropy ? ' - ofEntropy * (logProb + rowEntropy)' : ''}) / uniforms.temperature;
      }
      result[start + j] = select(slope, uniforms.NAN, plays && !known);
    }
    ${
      ids
        ? `
    // An invocation adds to the columns that it has written itself, so that nobody waits for anybody.
    for (var k = 0; k < uniforms.chosen; k++) {
      let id = ids[row * uniforms.chosen + k];
      if (isWanted(id, size) && id % ${lanes} == lane) {
        result[start + id] += dy[grads + k] / uniforms.temperature;
      }
    }`
        : ''
    }
  }
`;

const isWanted = `
  fn isWanted(id : i32, size : i32) -> bool { return id >= 0 && id < size && id != uniforms.ignoreId; }
`;
