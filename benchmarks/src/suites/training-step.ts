import * as tf from '@tensorflow/tfjs-core';
import { createRng, type Rng } from '@tsrl/core';
import { adamW, applyUpdates, chain, clipByGlobalNorm } from '@tsrl/optim';
import { headPolicy, tiny } from '@tsrl/policies';
import { valueAndGrads } from '@tsrl/tensor';
import type { Case } from '../measure.js';

const sizes = { hiddenSize: 64, layers: 5, heads: 8, keyValueHeads: 4, intermediateSize: 172, maxPositions: 512 };
const vocabularySize = 512;
let models = 0;

/** One step of training a classifier: forward, backward, clipping, AdamW over every weight. */
export const trainingStep: readonly Case[] = [
  { batch: 8, length: 64 },
  { batch: 64, length: 64 },
].map(({ batch, length }) => ({
  name: `training-step/${batch}x${length}`,
  detail:
    `Llama of the size of stories260K (vocabulary ${vocabularySize}, hidden ${sizes.hiddenSize}, ${sizes.layers} layers, ` +
    `${sizes.heads} heads, ${sizes.keyValueHeads} key-value heads, feed-forward ${sizes.intermediateSize}), random ` +
    `weights, classification head, all weights trained; batch ${batch} of ${length} tokens; forward + backward + ` +
    'clipByGlobalNorm(1) + adamW',
  iterations: 1,
  prepare() {
    const rng = createRng(0);
    const scope = `benchmark${models++}/`;
    const language = tiny({ texts: words(rng.fork('words')), vocabularySize, ...sizes, scope }, rng.fork('weights'));
    if (language.tokenizer.size !== vocabularySize) throw new Error(`vocabulary of ${language.tokenizer.size}`);
    const policy = headPolicy(language, { rng: rng.fork('head'), scope });
    const draw = (n: number): number => Math.floor(rng.uniform() * n);
    const ids = tf.tensor2d(
      Int32Array.from({ length: batch * length }, () => draw(vocabularySize)),
      [batch, length],
      'int32',
    );
    const lengths = tf.fill([batch], length, 'int32') as tf.Tensor1D;
    const labels = tf.tensor1d(Float32Array.from({ length: batch }, () => draw(2)));

    const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate: 1e-4, weightDecay: 0.01 }));
    let state = optimizer.init(policy.variables);
    return {
      async run() {
        const { loss, grads } = valueAndGrads(() => {
          const { logits } = policy.score({ ids, lengths });
          // Binary cross-entropy: softplus(z) − y z.
          return { loss: tf.mean(tf.sub(tf.softplus(logits), tf.mul(labels, logits))) as tf.Scalar, metrics: {} };
        }, policy.variables);
        const { updates, metrics, state: next } = optimizer.update(grads, state, policy.variables);
        applyUpdates(policy.variables, updates);
        state = next;
        const gradNorm = metrics['gradNorm'] as tf.Scalar;
        const numbers = [...(await loss.data()), ...(await gradNorm.data())];
        tf.dispose([loss, grads, updates, metrics] as tf.TensorContainer);
        return numbers;
      },
      dispose() {
        tf.dispose([ids, lengths, labels, state.tensors] as tf.TensorContainer);
        policy.dispose();
        language.model.dispose();
      },
    };
  },
}));

/** Enough different words for the tokenizer to fill its vocabulary. */
function words(rng: Rng): string[] {
  const letter = (): string => String.fromCharCode(97 + Math.floor(rng.uniform() * 26));
  const word = (): string => Array.from({ length: 3 + Math.floor(rng.uniform() * 5) }, letter).join('');
  return Array.from({ length: 200 }, () => Array.from({ length: 20 }, word).join(' '));
}
