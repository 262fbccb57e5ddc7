// An ordinary tfjs program, made faster by one call. In a clone: npm run build && node docs/examples/faster-tfjs-model.mjs
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { installFastKernels, uninstallFastKernels } from '@tsrl/kernels/tfjs';
import '@tsrl/tensor'; // brings the gradients, which tfjs-core lacks in Node; `@tensorflow/tfjs` has them itself

/** A network with one hidden layer and Adam, as in any tutorial; nothing in it knows of tsrl. */
function createModel(inputs, hidden, classes) {
  const normal = (shape, seed) => tf.variable(tf.randomNormal(shape, 0, 0.05, 'float32', seed));
  const zeros = (shape) => tf.variable(tf.zeros(shape));
  const weights = tf.tidy(() => [normal([inputs, hidden], 1), zeros([hidden]), normal([hidden, classes], 2)]);
  const [w1, b1, w2] = weights;
  const optimizer = tf.train.adam(1e-3);
  return {
    async step(x, labels) {
      const loss = optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(labels, tf.matMul(tf.relu(tf.add(tf.matMul(x, w1), b1)), w2)),
        true,
        weights,
      );
      const [value] = await loss.data();
      loss.dispose();
      return value;
    },
    dispose() {
      tf.dispose(weights);
      optimizer.dispose();
    },
  };
}

/** Milliseconds of a step and the loss after all of them, by the kernels of tfjs and by ours. */
export async function compare({ batch, inputs, hidden, steps }) {
  const x = tf.randomNormal([batch, inputs], 0, 1, 'float32', 3);
  const classes = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const labels = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(classes, 'int32'), 10), 'float32'));
  const train = async () => {
    const model = createModel(inputs, hidden, 10);
    await model.step(x, labels); // the first step compiles
    const start = performance.now();
    let loss = Number.NaN;
    for (let i = 0; i < steps; i++) loss = await model.step(x, labels);
    const ms = (performance.now() - start) / steps;
    model.dispose();
    return { ms, loss };
  };
  uninstallFastKernels();
  const plain = await train();
  installFastKernels(); // the one call
  const fast = await train();
  tf.dispose([x, labels]);
  return { plain, fast };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  await tf.setBackend('wasm');
  const { plain, fast } = await compare({ batch: 256, inputs: 512, hidden: 1024, steps: 10 });
  console.log(`kernels of tfjs  ${plain.ms.toFixed(1)} ms a step, loss ${plain.loss.toFixed(5)} after 11 steps`);
  console.log(`fast kernels     ${fast.ms.toFixed(1)} ms a step, loss ${fast.loss.toFixed(5)} after 11 steps`);
  console.log(`${(plain.ms / fast.ms).toFixed(1)} times faster`);
}
