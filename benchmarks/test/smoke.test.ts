import { beforeAll, describe, expect, it } from 'vitest';
import { type KernelSet, startBackend } from '../src/backend.ts';
import { compareTensors, type TensorCase } from '../src/compare-tensors.ts';
import { kernelCases } from '../src/kernels/cases.ts';
import { chunked } from '../src/kernels/token-losses.ts';
import type { Comparison } from '../src/result.ts';
import { suites } from '../src/suites/index.ts';

// A few cases of the suite, with half of what the project promises of them: both sides run in turn in this process, so
// that a busy machine slows both down. Nothing here depends on how fast the machine is. Where many wait for each core,
// even the shortest of a few runs may have been interrupted: a comparison may be repeated twice.

let use: (set: KernelSet) => void;
beforeAll(async () => {
  use = await startBackend('wasm');
});

async function compare(subject: TensorCase, rounds = 9): Promise<Comparison> {
  const result = await compareTensors(subject, use, { rounds, seconds: 10 });
  use('tsrl');
  return result;
}

function named(name: string): TensorCase {
  const found = kernelCases.find(({ subject, variant }) => `${subject} ${variant}` === name);
  if (!found) throw new Error(`no case ${name}`);
  return found;
}

/** Of the shortest runs: what others do on the machine can only lengthen one. */
function ratio({ contestants }: Comparison): number {
  const [ours, plain] = contestants.map(({ time }) => Math.min(...(time?.samplesMs ?? [])));
  return (plain as number) / (ours as number);
}

describe('against plain tfjs in the same process', { retry: 2 }, () => {
  it.each([
    { name: 'PPO from logits [64, 32000], forward + backward', least: 10, apart: 1e-4 },
    { name: 'selectiveLogSoftmax [256, 32000], forward', least: 5, apart: 1e-5 },
    { name: 'matMul TN [512, 512] [512, 512], forward', least: 7, apart: 1e-5 },
    { name: 'matMul NT [512, 512] [512, 512], forward', least: 4, apart: 1e-5 },
    { name: 'causalAttention 8 x 128 tokens, 4 heads of 64, forward + backward', least: 4, apart: 1e-4 },
  ])('$name: at least $least times as fast, with the same numbers', async ({ name, least, apart }) => {
    const result = await compare(named(name));
    const plain = result.contestants[1];
    expect(plain?.name).toBe('plain tfjs');
    expect(plain?.difference).toBeLessThan(apart);
    expect(ratio(result)).toBeGreaterThan(least);
  });

  it('chunks of an output projection need less than half of the memory of all logits at once', async () => {
    const { contestants } = await compare(chunked(4096, 32, 8192), 1);
    const [parts, whole] = contestants.map(({ memory }) => memory?.megabytes ?? Number.NaN);
    expect(parts).toBeLessThan((whole as number) / 2);
    expect(contestants[1]?.difference).toBeLessThan(1e-4);
  });
});

it('every task of a suite has a name of its own', async () => {
  for (const { name, tasks } of suites) {
    const names = (await tasks({ rounds: 3 })).map((task) => task.name);
    expect(new Set(names).size, name).toBe(names.length);
    if (name !== 'peers') expect(names.length).toBeGreaterThan(0);
  }
});
