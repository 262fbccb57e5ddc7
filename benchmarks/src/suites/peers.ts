import type { Limit } from '../interleave.js';
import { advantages } from '../peers/advantages.js';
import { comparePeers, type PeerCase, type Peers } from '../peers/compare-peers.js';
import { findPeers } from '../peers/find-peers.js';
import { klLoss } from '../peers/kl.js';
import { logProbs } from '../peers/log-probs.js';
import { outputLayer } from '../peers/output-layer.js';
import { product } from '../peers/products.js';
import { type Peer, startPeer } from '../peers/server.js';
import { tokenLoss } from '../peers/token-loss.js';
import { compareTrainingStep } from '../peers/training-step.js';
import type { Measured } from '../result.js';
import type { Suite } from '../suite.js';

interface Group {
  readonly name: string;
  readonly seconds: number;
  readonly cases: readonly PeerCase[];
}

const groups: readonly Group[] = [
  { name: 'log-probs', seconds: 40, cases: [logProbs(8, 32, 32_000)] },
  { name: 'PPO loss', seconds: 45, cases: [tokenLoss(8, 32, 32_000, false)] },
  { name: 'PPO loss with entropy', seconds: 60, cases: [tokenLoss(8, 32, 32_000, true)] },
  { name: 'PPO loss, 1024 tokens', seconds: 60, cases: [tokenLoss(8, 128, 32_000, false)] },
  {
    name: 'advantages',
    seconds: 50,
    cases: [false, true].flatMap((whitening) => [advantages(64, 1024, whitening), advantages(512, 4096, whitening)]),
  },
  {
    name: 'products',
    seconds: 15,
    cases: [
      product(1024, false, false),
      product(1024, false, true),
      product(1024, true, false),
      product(1024, true, true),
    ],
  },
  { name: 'KL loss', seconds: 20, cases: [klLoss(8, 128), klLoss(64, 1024)] },
  { name: 'output layer', seconds: 60, cases: [outputLayer(8, 128, 512, 32_000)] },
];

/** Two Python processes, one for each allocator. They import torch, TRL and verl once, not for each group. */
let running: Promise<Peers> | undefined;

async function startPeers(python: string): Promise<Peers> {
  const [default_, tuned] = await Promise.all([startPeer(python, 'default'), startPeer(python, 'tuned')]);
  return { default: default_, tuned };
}

export const peers: Suite = {
  name: 'peers',
  question: 'How fast is it beside PyTorch, TRL and verl on the same inputs?',
  async tasks({ python, rounds }) {
    const settings = await findPeers(python);
    if (python === undefined || settings === undefined) return [];
    const both = (): Promise<Peers> => {
      running ??= startPeers(python);
      return running;
    };
    const limit = { rounds, seconds: 4 } satisfies Limit;
    const losses = groups.map(({ name, seconds, cases }) => ({
      name,
      seconds,
      async run() {
        const results: Measured[] = [];
        for (const one of cases) results.push(await comparePeers(one, await both(), settings, limit));
        return results;
      },
    }));
    const step = {
      name: 'Llama 5M step',
      seconds: 60,
      run: async () => [await compareTrainingStep(await both(), settings, { rounds, seconds: 14 })],
    };
    return [...losses, step];
  },
  async end() {
    const started = await running;
    running = undefined;
    await Promise.all(Object.values(started ?? {}).map((peer: Peer) => peer.end()));
  },
};
