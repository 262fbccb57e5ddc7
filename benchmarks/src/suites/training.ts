import { availableParallelism } from 'node:os';
import { interleave } from '../interleave.js';
import type { Comparison, Contestant } from '../result.js';
import { difference, summarize } from '../statistics.js';
import type { Suite } from '../suite.js';
import type { Request } from '../training/protocol.js';
import { flopOf, type Model, type ModelName, models } from '../training/sizes.js';
import { startTrainer, type Trainer } from '../training/trainer.js';

interface Entrant extends Pick<Contestant, 'name' | 'threads' | 'settings'> {
  readonly kernels: 'tsrl' | 'tfjs';
}

const counts = Array.from({ length: availableParallelism() }, (_, i) => i + 1);
const ours: readonly Entrant[] = counts.map((threads) => ({ name: 'tsrl', threads, kernels: 'tsrl' }));
const plain: Entrant = {
  name: 'plain tfjs',
  threads: 1,
  kernels: 'tfjs',
  settings: 'the same model on the kernels that tfjs ships, but for UnsortedSegmentSum, which it lacks',
};
const textsOfEpoch = 512;

export const training: Suite = {
  name: 'training',
  question:
    'How long does training take, how much memory, how do threads help, and what would the same model take in plain tfjs?',
  async tasks({ rounds }) {
    const names = Object.keys(models) as ModelName[];
    const steps = names.map((name) => ({
      name: `${name} step`,
      seconds: name === 'Llama 5M' ? 75 : 15,
      run: async () => [await compare(name, 'step', [...ours, plain], rounds)],
    }));
    const epochs = names
      .filter((name) => name !== 'Llama 5M')
      .map((name) => ({
        name: `${name} epoch`,
        seconds: 15,
        run: async () => [await compare(name, 'epoch', ours, rounds)],
      }));
    return [...steps, ...epochs];
  },
};

/** Each entrant in a process of its own, all alive together, one at work at a time. */
async function compare(
  name: ModelName,
  request: Request,
  entrants: readonly Entrant[],
  rounds: number,
): Promise<Comparison> {
  const model: Model = models[name];
  const texts = request === 'epoch' ? textsOfEpoch : model.batch;
  const trainers: Trainer[] = [];
  try {
    for (const { kernels, threads } of entrants) {
      trainers.push(await startTrainer({ model: name, kernels, threads, texts }));
    }
    // The loss before the first step; all start from the same weights.
    const losses = entrants.map((): number[] => []);
    const megabytes = entrants.map(() => 0);
    const samples = entrants.map((): number[] => []);
    const runners = trainers.map((trainer, i) => ({
      async run(): Promise<void> {
        const answer = await trainer.ask(request);
        losses[i]?.push(answer.loss);
        samples[i]?.push(answer.ms);
        megabytes[i] = answer.megabytes;
      },
    }));
    await interleave(runners, { rounds, seconds: request === 'step' ? 8 : 5 });
    const timings = samples.map((all) => summarize(all.slice(1)));
    const first = timings[0] as (typeof timings)[number];
    const contestants = entrants.map(({ kernels, ...entrant }, i): Contestant => {
      const time = timings[i] as (typeof timings)[number];
      const shared = Math.min(losses[0]?.length ?? 0, losses[i]?.length ?? 0);
      return {
        ...entrant,
        time,
        memory: { megabytes: megabytes[i] as number, of: 'process' },
        ...(i > 0 && { ratio: time.medianMs / first.medianMs }),
        ...(i > 0 &&
          request === 'step' && {
            difference: difference((losses[i] ?? []).slice(0, shared), (losses[0] ?? []).slice(0, shared)),
          }),
      };
    });
    const tokens = texts * model.tokens;
    return {
      kind: 'comparison',
      subject: name,
      variant: `${request}, ${texts} texts of ${model.tokens} tokens`,
      detail:
        `${model.detail}. A step is forward, backward, clipping and AdamW over all weights of one batch; an epoch is ` +
        'one pass over more texts, with what the method observes beforehand',
      work: { tokens, ...(request === 'step' && { flop: flopOf(model) }) },
      contestants,
    };
  } finally {
    for (const trainer of trainers) trainer.end();
  }
}
