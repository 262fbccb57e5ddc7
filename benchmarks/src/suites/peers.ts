import type { Limit } from '../interleave.js';
import { advantages } from '../peers/advantages.js';
import { comparePeers, type PeerCase, type Peers } from '../peers/compare-peers.js';
import { findPeers } from '../peers/find-peers.js';
import { klLoss } from '../peers/kl.js';
import { logProbs } from '../peers/log-probs.js';
import { outputLayer } from '../peers/output-layer.js';
import { product } from '../peers/products.js';
import { startPeer } from '../peers/server.js';
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

export const peers: Suite = {
  name: 'peers',
  question: 'How fast is it beside PyTorch, TRL and verl on the same inputs?',
  async tasks({ python, rounds }) {
    const settings = await findPeers(python);
    if (python === undefined || settings === undefined) return [];
    const limit = { rounds, seconds: 5 } satisfies Limit;
    const losses = groups.map(({ name, seconds, cases }) => ({
      name,
      seconds,
      run: () =>
        withPeers(python, async (both) => {
          const results: Measured[] = [];
          for (const one of cases) results.push(await comparePeers(one, both, settings, limit));
          return results;
        }),
    }));
    const step = {
      name: 'Llama 5M step',
      seconds: 90,
      run: () =>
        withPeers(python, async (both) => [await compareTrainingStep(both, settings, { rounds, seconds: 14 })]),
    };
    return [...losses, step];
  },
};

/** Two Python processes, one for each allocator, for as long as something is compared. */
async function withPeers<T>(python: string, compare: (peers: Peers) => Promise<T>): Promise<T> {
  const peers = { default: await startPeer(python, 'default'), tuned: await startPeer(python, 'tuned') };
  try {
    return await compare(peers);
  } finally {
    await Promise.all([peers.default.end(), peers.tuned.end()]);
  }
}
