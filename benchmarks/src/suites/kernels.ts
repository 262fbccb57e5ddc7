import { availableParallelism } from 'node:os';
import { startBackend } from '../backend.js';
import { compareTensors } from '../compare-tensors.js';
import { kernelCases } from '../kernels/cases.js';
import { type Crew, startCrew } from '../kernels/crew.js';
import type { Suite } from '../suite.js';

export const kernels: Suite = {
  name: 'kernels',
  question:
    'How much faster are the operations of tsrl than the usual formulation in plain tfjs on the wasm backend, how near ' +
    'do they come to what the machine can do, and do they stay as fast when every core computes?',
  async tasks({ rounds }) {
    let crew: Crew | undefined; // one for all tasks: a thread takes a third of a second to start
    return kernelCases.map((subject, position) => ({
      name: `${subject.subject} ${subject.variant}`,
      seconds: subject.seconds,
      async run() {
        const use = await startBackend('wasm');
        crew ??= startCrew(availableParallelism());
        const { threads, prepare, together, release } = crew;
        await prepare(position);
        const limit = { rounds, seconds: subject.seconds };
        const measured = await compareTensors(subject, use, limit, { threads, run: together });
        await release();
        use('tsrl');
        return [measured];
      },
    }));
  },
};
