import * as tf from '@tensorflow/tfjs-core';
import type { Limit } from '../interleave.js';
import type { Comparison, Contestant } from '../result.js';
import { difference } from '../statistics.js';
import type { Allocator, Peer, PeerArray, PeerRun, PeerSettings } from './server.js';
import { type Entrant, timeInTurn } from './time-in-turn.js';

/** The same work here and in Python. */
export interface PeerCase extends Pick<Comparison, 'subject' | 'variant' | 'detail' | 'work'> {
  /** A module of `peers/tasks`, and what its formulations take besides the inputs. */
  readonly task: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly formulations: readonly Formulation[];
  /** How ours is written. */
  readonly settings: string;
  /** Largest relative difference of results that counts as agreement: float32 sums in another order. 1e-4. */
  readonly tolerance?: number;
  /** Both where large arrays are allocated on the way; otherwise `default`. */
  readonly allocators?: readonly Allocator[];
  prepare(): OurSide | Promise<OurSide>;
}

/** One way to do it in Python. */
export interface Formulation {
  /** Of the contestant: `torch eager`. */
  readonly name: string;
  readonly formulation: string;
  /** What it calls. */
  readonly settings: string;
  /** A library that must be installed. */
  readonly needs?: 'trl' | 'verl' | 'transformers';
}

export type Results = Readonly<Record<string, ArrayLike<number>>>;

export interface OurSide {
  readonly inputs: Readonly<Record<string, PeerArray>>;
  /** Once, leaving nothing behind. */
  run(): void;
  /** By the names of the Python side; what only Python computes is not compared. */
  results(): Promise<Results>;
  dispose(): void;
}

export type Peers = Readonly<Record<Allocator, Peer>>;

const threadCounts = [1, 2] as const;

/** Results first: an error where they disagree. Then times, in turn. */
export async function comparePeers(
  subject: PeerCase,
  peers: Peers,
  settings: PeerSettings,
  limit: Limit,
): Promise<Comparison> {
  const { task, options, tolerance = 1e-4, allocators = ['default'] } = subject;
  const before = tf.memory().numTensors;
  const ours = await subject.prepare();
  const entrants: Entrant[] = [
    {
      contestant: { name: 'tsrl', threads: 1, settings: subject.settings },
      run() {
        const start = performance.now();
        ours.run();
        return Promise.resolve(performance.now() - start);
      },
    },
  ];
  const left: Contestant[] = [];
  const expected = await ours.results();
  for (const allocator of allocators) {
    const peer = peers[allocator];
    await peer.give(ours.inputs);
    for (const { name, formulation, settings: how, needs } of subject.formulations) {
      for (const threads of threadCounts) {
        const called = contestantName(name, allocator);
        const contestant = { name: called, threads, settings: describe(settings, allocator, how, needs) };
        if (needs !== undefined && settings.versions[needs] === undefined) {
          left.push({ ...contestant, problem: `${needs} is not installed` });
          continue;
        }
        let prepared: PeerRun;
        try {
          prepared = await peer.prepare({ task, formulation, threads, options });
        } catch (error) {
          left.push({ ...contestant, problem: (error as Error).message });
          continue;
        }
        const apart = compareResults(`${subject.subject} ${subject.variant}, ${called}`, prepared, expected, tolerance);
        entrants.push({
          contestant: { ...contestant, difference: apart },
          run: async () => (await prepared.run()).ms,
        });
      }
    }
  }
  const contestants = await timeInTurn(entrants, limit);
  ours.dispose();
  for (const allocator of allocators) await peers[allocator].release();
  const leaked = tf.memory().numTensors - before;
  if (leaked !== 0) throw new Error(`peers: ${subject.subject} ${subject.variant} leaks ${leaked} tensors`);
  const { subject: name, variant, detail, work } = subject;
  return { kind: 'comparison', subject: name, variant, detail, work, contestants: [...contestants, ...left] };
}

/** @throws Error, one sentence, when a result is missing or differs by more than the tolerance */
export function compareResults(who: string, { results }: PeerRun, expected: Results, tolerance: number): number {
  let largest = 0;
  for (const [name, values] of Object.entries(expected)) {
    const apart = difference(results[name] ?? [], values);
    if (!(apart <= tolerance)) {
      throw new Error(
        `peers: ${who}: ${name} must agree with ours to ${tolerance} of its largest; differs by ${apart}`,
      );
    }
    largest = Math.max(largest, apart);
  }
  return largest;
}

export const contestantName = (name: string, allocator: Allocator): string =>
  allocator === 'tuned' ? `${name}, tuned malloc` : name;

export function describe(
  { versions, blas, loaded }: PeerSettings,
  allocator: Allocator,
  how: string,
  needs?: keyof PeerSettings['versions'],
): string {
  const library = needs === undefined ? '' : `${needs} ${versions[needs] ?? ''}, `;
  const threading = loaded.filter((name) => /omp/.test(name)).join(' ');
  const malloc = allocator === 'tuned' ? 'glibc malloc that keeps freed pages' : 'glibc malloc by default';
  return `${how}; ${library}torch ${versions['torch'] ?? ''}, ${blas}, ${threading}, ${malloc}`;
}
