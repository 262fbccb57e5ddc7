import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import { expectSameShape } from './check.js';
import { fused } from './fused.js';
import { withGradient } from './with-gradient.js';

export interface GeluOptions {
  /** `'none'`: the exact form. `'tanh'`: the approximation by tanh. Default `'none'`. The names are PyTorch's. */
  readonly approximate?: 'none' | 'tanh';
}

/**
 * SiLU or swish: silu(x) = x σ(x), silu'(x) = σ(x) (1 + x (1 − σ(x))).
 *
 * @param x float32, any shape
 * @throws ShapeError
 * @see Elfwing, Uchibe and Doya 2017, arXiv:1702.03118
 */
export function silu<T extends tf.Tensor>(x: T): T {
  expectSameShape('silu', { x });
  return activation(x, 'silu');
}

/**
 * Gaussian error linear unit, exactly or by tanh:
 *
 *   gelu(x) = x Φ(x) = x (1 + erf(x / √2)) / 2,   gelu'(x) = Φ(x) + x φ(x)
 *   gelu(x) ≈ x (1 + tanh u) / 2,   u = √(2/π) (x + 0.044715 x³)
 *
 * Hugging Face calls the exact form `gelu` and the other `gelu_new` or `gelu_pytorch_tanh`; GPT-2 has the latter.
 *
 * @param x float32, any shape
 * @throws ShapeError, OptionError
 * @see Hendrycks and Gimpel 2016, arXiv:1606.08415
 */
export function gelu<T extends tf.Tensor>(x: T, { approximate = 'none' }: GeluOptions = {}): T {
  expectSameShape('gelu', { x });
  if (approximate !== 'none' && approximate !== 'tanh') {
    throw new OptionError('gelu', 'approximate', "'none' or 'tanh'", approximate);
  }
  return activation(x, approximate === 'none' ? 'gelu' : 'geluTanh');
}

/**
 * The gated unit of Llama's feed-forward: silu(gate) · up, elementwise.
 *
 *   dgate = dy up silu'(gate),   dup = dy silu(gate)
 *
 * @param gate float32, any shape
 * @param up   like gate
 * @throws ShapeError
 * @see Shazeer 2020, arXiv:2002.05202
 */
export function swiglu<T extends tf.Tensor>(gate: T, up: T): T {
  expectSameShape('swiglu', { gate, up });
  return tf.tidy(() =>
    withGradient<T>(
      [gate, up],
      () => {
        const [y] = fused('TsrlSwiglu', { gate, up }) ?? [tf.mul(tf.mul(gate, tf.sigmoid(gate)), up)];
        return { value: y as T, saved: [gate, up] };
      },
      (dy, saved) => {
        const [gate, up] = saved as [tf.Tensor, tf.Tensor];
        const results = fused('TsrlSwigluGradient', { gate, up, dy });
        if (results) return [...results];
        return [tf.mul(tf.mul(dy, up), composed.silu.slope(gate)), tf.mul(dy, composed.silu.value(gate))];
      },
    ),
  );
}

type Kind = 'silu' | 'gelu' | 'geluTanh';

function activation<T extends tf.Tensor>(x: T, kind: Kind): T {
  return tf.tidy(() =>
    withGradient<T>(
      [x],
      () => {
        const [y] = fused('TsrlActivation', { x }, { kind }) ?? [composed[kind].value(x)];
        return { value: y as T, saved: [x] };
      },
      (dy, saved) => {
        const [x] = saved as [tf.Tensor];
        const results = fused('TsrlActivationGradient', { x, dy }, { kind });
        return [...(results ?? [tf.mul(dy, composed[kind].slope(x))])];
      },
    ),
  );
}

const ROOT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
/** Beyond ±20 every one of the three is linear to the last bit, and x³ may overflow. */
const within = (x: tf.Tensor): tf.Tensor => tf.maximum(tf.minimum(x, 20), -20);
const normal = (x: tf.Tensor): tf.Tensor => tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
/** σ(2u) = (1 + tanh u) / 2 */
const share = (x: tf.Tensor): tf.Tensor =>
  tf.sigmoid(tf.mul(tf.mul(x, 2 * ROOT_2_OVER_PI), tf.add(1, tf.mul(CUBIC, tf.square(x)))));

const composed: Readonly<Record<Kind, Readonly<Record<'value' | 'slope', (x: tf.Tensor) => tf.Tensor>>>> = {
  silu: {
    value: (x) => tf.mul(x, tf.sigmoid(x)),
    slope(x) {
      const sigma = tf.sigmoid(x);
      return tf.mul(sigma, tf.add(1, tf.mul(x, tf.sub(1, sigma))));
    },
  },
  gelu: {
    value: (x) => tf.mul(x, normal(x)),
    slope(x) {
      const z = within(x);
      const density = tf.mul(1 / Math.sqrt(2 * Math.PI), tf.exp(tf.mul(-0.5, tf.square(z))));
      return tf.add(normal(z), tf.mul(z, density));
    },
  },
  geluTanh: {
    value: (x) => tf.mul(x, share(within(x))),
    slope(x) {
      const z = within(x);
      const s = share(z);
      const change = tf.mul(2 * ROOT_2_OVER_PI, tf.add(1, tf.mul(3 * CUBIC, tf.square(z))));
      return tf.mul(s, tf.add(1, tf.mul(tf.mul(z, change), tf.sub(1, s))));
    },
  },
};
