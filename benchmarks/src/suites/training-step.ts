import * as tf from '@tensorflow/tfjs-core';
import { createRng, type Rng } from '@tsrl/core';
import { adamW, applyUpdates, chain, clipByGlobalNorm } from '@tsrl/optim';
import { createLlama, headPolicy, type LlamaConfig, tiny } from '@tsrl/policies';
import { selectiveLogSoftmax, valueAndGrads } from '@tsrl/tensor';
import type { Case } from '../measure.js';

/** What is trained: a loss over variables. */
interface Trainable {
  readonly variables: readonly tf.Variable[];
  loss(): tf.Scalar;
  dispose(): void;
}

/** One step of training: forward, backward, clipping, AdamW over every weight. */
export const trainingStep: readonly Case[] = [
  classifier('stories260K', { hiddenSize: 64, layers: 5, heads: 8, keyValueHeads: 4, intermediateSize: 172 }, 64, 64),
  classifier('hidden256', { hiddenSize: 256, layers: 4, heads: 4, keyValueHeads: 4, intermediateSize: 688 }, 8, 64),
  classifier('hidden512', { hiddenSize: 512, layers: 2, heads: 8, keyValueHeads: 8, intermediateSize: 1376 }, 8, 64),
  languageModel(
    'vocabulary4096',
    { hiddenSize: 256, layers: 4, heads: 4, keyValueHeads: 4, intermediateSize: 688 },
    4096,
    4,
    128,
  ),
];

type Sizes = Pick<LlamaConfig, 'hiddenSize' | 'layers' | 'heads' | 'keyValueHeads' | 'intermediateSize'>;

/** Binary cross-entropy of a classification head over the last token. */
function classifier(model: string, sizes: Sizes, batch: number, length: number): Case {
  const vocabularySize = 512;
  const head = `classification head; batch ${batch} of ${length} tokens`;
  return asCase(`classifier/${model}/${batch}x${length}`, describe(sizes, vocabularySize, head), (scope, rng) => {
    const texts = words(rng.fork('words'));
    const language = tiny({ texts, vocabularySize, ...sizes, maxPositions: length, scope }, rng.fork('weights'));
    if (language.tokenizer.size !== vocabularySize) throw new Error(`vocabulary of ${language.tokenizer.size}`);
    const policy = headPolicy(language, { rng: rng.fork('head'), scope });
    const ids = randomIds(vocabularySize, batch, length, rng);
    const lengths = tf.fill([batch], length, 'int32') as tf.Tensor1D;
    const labels = tf.tensor1d(Float32Array.from({ length: batch }, () => Math.round(rng.uniform())));
    return {
      variables: policy.variables,
      loss() {
        const { logits } = policy.score({ ids, lengths });
        return tf.mean(tf.sub(tf.softplus(logits), tf.mul(labels, logits))) as tf.Scalar;
      },
      dispose() {
        tf.dispose([ids, lengths, labels]);
        policy.dispose();
        language.model.dispose();
      },
    };
  });
}

/** Cross-entropy of every token, as in fine-tuning and, up to a weight per token, in policy gradients. */
function languageModel(model: string, sizes: Sizes, vocabularySize: number, batch: number, length: number): Case {
  const head = `tied output layer over every token; batch ${batch} of ${length} tokens`;
  return asCase(`language-model/${model}/${batch}x${length}`, describe(sizes, vocabularySize, head), (scope, rng) => {
    const config: LlamaConfig = {
      ...sizes,
      vocabularySize,
      headSize: sizes.hiddenSize / sizes.heads,
      rmsNormEpsilon: 1e-5,
      ropeTheta: 10_000,
      maxPositions: length,
      tieWordEmbeddings: true,
      specialTokens: {},
    };
    const weights = (_: string, shape: readonly number[]): Float32Array =>
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.02 * rng.normal());
    const llama = createLlama(config, weights, { scope });
    const ids = randomIds(vocabularySize, batch, length, rng);
    const targets = randomIds(vocabularySize, batch, length, rng);
    return {
      variables: [...llama.weights.values()],
      loss() {
        const hidden = tf.reshape(llama.hidden(ids), [batch * length, sizes.hiddenSize]) as tf.Tensor2D;
        const logits = tf.reshape(llama.logits(hidden), [batch, length, vocabularySize]) as tf.Tensor3D;
        return tf.neg(tf.mean(selectiveLogSoftmax(logits, targets))) as tf.Scalar;
      },
      dispose() {
        tf.dispose([ids, targets]);
        llama.dispose();
      },
    };
  });
}

/** Numbers the models: tfjs wants the names of variables to be unique. */
let models = 0;

function asCase(name: string, detail: string, build: (scope: string, rng: Rng) => Trainable): Case {
  return {
    name: `training-step/${name}`,
    detail,
    iterations: 1,
    prepare() {
      const { variables, loss: compute, dispose } = build(`benchmark${models++}/`, createRng(0));
      const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate: 1e-4, weightDecay: 0.01 }));
      let state = optimizer.init(variables);
      return {
        async run() {
          const { loss, grads } = valueAndGrads(() => ({ loss: compute(), metrics: {} }), variables);
          const { updates, metrics, state: next } = optimizer.update(grads, state, variables);
          applyUpdates(variables, updates);
          state = next;
          const numbers = [...(await loss.data()), ...(await (metrics['gradNorm'] as tf.Scalar).data())];
          tf.dispose([loss, grads, updates, metrics] as tf.TensorContainer);
          return numbers;
        },
        dispose() {
          tf.dispose(state.tensors as Record<string, tf.Tensor>);
          dispose();
        },
      };
    },
  };
}

function describe(sizes: Sizes, vocabularySize: number, head: string): string {
  return (
    `Llama (vocabulary ${vocabularySize}, hidden ${sizes.hiddenSize}, ${sizes.layers} layers, ${sizes.heads} heads, ` +
    `${sizes.keyValueHeads} key-value heads, feed-forward ${sizes.intermediateSize}), random weights, all trained; ` +
    `${head}; forward, backward, clipByGlobalNorm, adamW`
  );
}

function randomIds(vocabularySize: number, batch: number, length: number, rng: Rng): tf.Tensor2D {
  const ids = Int32Array.from({ length: batch * length }, () => Math.floor(rng.uniform() * vocabularySize));
  return tf.tensor2d(ids, [batch, length], 'int32');
}

/** Enough different words for the tokenizer to fill its vocabulary. */
function words(rng: Rng): string[] {
  const letter = (): string => String.fromCharCode(97 + Math.floor(rng.uniform() * 26));
  const word = (): string => Array.from({ length: 3 + Math.floor(rng.uniform() * 5) }, letter).join('');
  return Array.from({ length: 200 }, () => Array.from({ length: 20 }, word).join(' '));
}
