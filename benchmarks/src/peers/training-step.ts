import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { computeGradients } from '@tsrl/training';
import type { Limit } from '../interleave.js';
import type { Comparison } from '../result.js';
import { build } from '../training/model.js';
import { flopOf, type Model, models } from '../training/sizes.js';
import { startTrainer, type Trainer } from '../training/trainer.js';
import { compareResults, contestantName, describe, type Formulation, type Peers } from './compare-peers.js';
import type { PeerArray, PeerSettings } from './server.js';
import { type Entrant, timeInTurn } from './time-in-turn.js';

const formulations: readonly Formulation[] = [
  {
    name: 'torch, sdpa, fused AdamW',
    formulation: 'sdpa',
    settings: 'LlamaForCausalLM, scaled_dot_product_attention, AdamW(fused=True)',
    needs: 'transformers',
  },
  {
    name: 'torch, eager attention',
    formulation: 'eager',
    settings: 'LlamaForCausalLM, eager attention, AdamW',
    needs: 'transformers',
  },
];

/** Loss and gradients of the first step, float32 through four layers both ways. */
const tolerance = 1e-3;

/**
 * The step of the suite `training` against transformers' Llama, from equal weights on equal tokens. The losses and all
 * gradients of the first step are compared, then steps are timed: ours in a process of its own for each number of
 * threads, theirs in Python, in turn.
 */
export async function compareTrainingStep(peers: Peers, settings: PeerSettings, limit: Limit): Promise<Comparison> {
  const name = 'Llama 5M';
  const model: Model = models[name];
  const { inputs, expected } = await firstStep(name);
  const config = {
    vocab_size: model.sizes.vocabularySize,
    hidden_size: model.sizes.hiddenSize,
    intermediate_size: model.sizes.intermediateSize,
    num_hidden_layers: model.sizes.layers,
    num_attention_heads: model.sizes.heads,
    num_key_value_heads: model.sizes.keyValueHeads,
    head_dim: model.sizes.hiddenSize / model.sizes.heads,
    max_position_embeddings: model.tokens,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: false,
  };
  const options = { config, learningRate: 1e-4, weightDecay: 0.01 };
  const trainers: Trainer[] = [];
  const entrants: Entrant[] = [];
  try {
    for (let threads = 1; threads <= Math.min(2, availableParallelism()); threads++) {
      const trainer = await startTrainer({ model: name, kernels: 'tsrl', threads, texts: model.batch });
      trainers.push(trainer);
      const how = threads === 1 ? 'trainStep of @tsrl/training on wasm' : 'the same, data-parallel over worker threads';
      entrants.push({
        contestant: { name: 'tsrl', threads, settings: how },
        run: async () => (await trainer.ask('step')).ms,
      });
    }
    for (const allocator of ['default', 'tuned'] as const) {
      await peers[allocator].give(inputs);
      for (const { name, formulation, settings: how, needs } of formulations) {
        if (settings.versions['transformers'] === undefined) continue;
        for (const threads of [1, 2]) {
          const prepared = await peers[allocator].prepare({ task: 'training_step', formulation, threads, options });
          const apart = compareResults(`Llama 5M step, ${name}`, prepared, expected, tolerance);
          entrants.push({
            contestant: {
              name: contestantName(name, allocator),
              threads,
              settings: describe(settings, allocator, how, needs),
              difference: apart,
            },
            run: async () => (await prepared.run()).ms,
          });
        }
      }
    }
    return {
      kind: 'comparison',
      subject: 'Llama 5M',
      variant: `step, ${model.batch} texts of ${model.tokens} tokens`,
      detail: `${model.detail}; forward, backward, clipping by the global norm and AdamW, from equal weights`,
      work: { tokens: model.batch * model.tokens, flop: flopOf(model) },
      contestants: await timeInTurn(entrants, limit),
    };
  } finally {
    for (const trainer of trainers) trainer.end();
    for (const allocator of ['default', 'tuned'] as const) await peers[allocator].release();
  }
}

/** The weights and tokens that every trainer starts from, and what the first step must find. */
async function firstStep(
  name: 'Llama 5M',
): Promise<{ inputs: Record<string, PeerArray>; expected: Record<string, Float32Array> }> {
  const { batch, tokens } = models[name];
  const { policy, method, examples } = build(name, batch);
  const ids = { data: new Int32Array(batch * (tokens + 1)), shape: [batch, tokens + 1] };
  for (const [i, text] of examples.sequences.entries()) ids.data.set(text, i * (tokens + 1));
  const inputs: Record<string, PeerArray> = { ids };
  for (const variable of policy.variables) {
    inputs[variable.name] = { data: (await variable.data<'float32'>()).slice(), shape: variable.shape };
  }
  const positions = Int32Array.from({ length: batch }, (_, i) => i);
  const columns = { labels: examples.labels };
  const minibatch = { examples, positions, columns, rows: positions };
  const { grads, metrics } = await computeGradients(policy, method, minibatch, { step: 0, sequences: batch });
  const expected: Record<string, Float32Array> = { loss: Float32Array.of(metrics['loss'] as number) };
  for (const [weight, gradient] of Object.entries(grads)) {
    expected[`grad:${weight}`] = (await gradient.data<'float32'>()).slice();
  }
  tf.dispose([grads, policy.variables] as tf.TensorContainer);
  return { inputs, expected };
}
