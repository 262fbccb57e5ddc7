import { createRng, DataError } from '@tsrl/core';
import {
  type Bootstrap,
  combineBootstraps,
  type Interval,
  interquartileMean,
  meanOverTasks,
  percentileInterval,
  probabilityOfImprovement,
  type Scores,
  signFlipTest,
  stratifiedBootstrap,
  studentInterval,
} from '@tsrl/evaluation';
import type { CellResult, Track } from './cell.js';
import type { DamageGroup } from './damage.js';
import type { Plan } from './plan.js';
import { type Block, type Score, scoresOf, type Threshold } from './set-scores.js';

/** A number and where it lies: `null` where nothing can be said. */
export interface Estimate {
  readonly estimate: number;
  readonly interval: Interval | null;
}

/** A method by name, or another one for each block: the best comparator of each damage, say. */
export type Chooser = string | ((block: Block) => string);

export interface Analysis {
  readonly track: Track;
  readonly plan: Plan;
  readonly seeds: number;
  readonly replicates: number;
  readonly score: (block: Block, method: string) => Score | undefined;
  /** The runs of a method on a block, whether there is one for each seed or not. */
  readonly runs: (block: Block, method: string) => readonly CellResult[];
  /** Blocks with a damage of that group (or of that name) on which all these methods have all their seeds. */
  readonly blocks: (damage: DamageGroup | string, methods?: readonly string[]) => readonly Block[];
  /** Of these, the ones on which the best method exceeds 0.6. */
  readonly learnable: (blocks: readonly Block[]) => readonly Block[];
  /** Balanced accuracy at 0.5, [seed][block]; of as many seeds as all of these blocks have. */
  readonly scores: (method: string, blocks: readonly Block[]) => Scores;
  readonly mean: (method: Chooser, blocks: readonly Block[], threshold?: Threshold) => Bootstrap;
  readonly difference: (
    method: Chooser,
    comparator: Chooser,
    blocks: readonly Block[],
    threshold?: Threshold,
  ) => Difference;
  readonly interquartile: (method: string, blocks: readonly Block[]) => Estimate;
  readonly improvement: (method: string, comparator: string, blocks: readonly Block[]) => Estimate;
}

/** A paired difference over data sets. */
export interface Difference extends Estimate {
  readonly bootstrap: Bootstrap;
  readonly blocks: readonly Block[];
  /** The mean difference of each data set. */
  readonly perSet: ReadonlyMap<string, number>;
  /** Student's interval over the data sets: what other data sets of the kind would give. */
  readonly overSets: Interval | null;
  /** Of the sign-flip test over the data sets; not corrected for how many there are. */
  readonly pValue: number;
}

/** The balanced accuracy that the best method must exceed for a data set to count. */
export const LEARNABLE = 0.6;

/**
 * All that is computed from the cells, when asked for.
 *
 * Of a data set, all damages, methods and thresholds share one `crossedBootstrap`: seeds and test examples (within
 * their class) are drawn once for all of them, so that every difference is paired. Data sets are drawn independently.
 * A run that failed counts as one that always gives the same answer: 0.5. A method without all its seeds is left out
 * of the block.
 *
 * @throws DataError for right answers that do not fit the balanced accuracy beside them
 */
export function analyse(track: Track, plan: Plan, replicates: number): Analysis {
  const scores = new Map(
    plan.datasets
      .flatMap((dataset) => scoresOf(track, dataset, replicates))
      .map((one) => [keyOf(one, one.method), one]),
  );
  const runs = new Map<string, CellResult[]>();
  for (const cell of track.cells) {
    const key = keyOf(cell, cell.method);
    runs.set(key, [...(runs.get(key) ?? []), cell]);
  }
  const score: Analysis['score'] = (block, method) => scores.get(keyOf(block, method));
  const scoreOf = (block: Block, chooser: Chooser): Score => {
    const method = nameOf(chooser, block);
    const found = score(block, method);
    if (found) return found;
    throw new DataError('study-report', `${method} has no complete result on ${block.dataset}, ${block.damage}`);
  };
  const methods = plan.methods.map(({ name }) => name);
  const best = (block: Block): number =>
    Math.max(...methods.map((method) => score(block, method)?.bootstrap.half.estimate ?? 0));
  const matrix: Analysis['scores'] = (method, blocks) => {
    const columns = blocks.map((block) => scoreOf(block, method).perSeed.half);
    const seeds = Math.min(...columns.map(({ length }) => length)); // they differ while a study is under way
    return Array.from({ length: seeds }, (_, seed) => columns.map((column) => column[seed] as number));
  };
  const rng = createRng(0).fork(track.name);
  const estimateOf = (bootstrap: Bootstrap | null, estimate: () => number): Estimate =>
    bootstrap
      ? { estimate: bootstrap.estimate, interval: percentileInterval(bootstrap) }
      : { estimate: estimate(), interval: null };

  const mean: Analysis['mean'] = remembered((method, blocks, threshold = 'half') =>
    combineBootstraps(
      blocks.map((block) => scoreOf(block, method).bootstrap[threshold]),
      (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
    ),
  );
  return {
    track,
    plan,
    replicates,
    seeds: new Set(track.cells.map(({ seed }) => seed)).size,
    score,
    runs: (block, method) => runs.get(keyOf(block, method)) ?? [],
    blocks: (damage, wanted = []) =>
      plan.damages
        .filter(({ name, group }) => name === damage || group === damage)
        .flatMap(({ name }) => plan.datasets.map((dataset) => ({ dataset, damage: name })))
        .filter((block) => methods.some((method) => score(block, method)))
        .filter((block) => wanted.every((method) => score(block, method))),
    learnable: (blocks) => blocks.filter((block) => best(block) > LEARNABLE),
    scores: matrix,
    mean,
    difference: (method, comparator, blocks, threshold = 'half') => {
      const parts = [mean(method, blocks, threshold), mean(comparator, blocks, threshold)] as const;
      const bootstrap = combineBootstraps(parts, ([ours, theirs]) => ours - theirs);
      const perSet = new Map(
        [...new Set(blocks.map(({ dataset }) => dataset))].map((dataset) => {
          const own = blocks.filter((block) => block.dataset === dataset);
          const differences = own.map(
            (block) =>
              scoreOf(block, method).bootstrap[threshold].estimate -
              scoreOf(block, comparator).bootstrap[threshold].estimate,
          );
          return [dataset, meanOverTasks([differences])];
        }),
      );
      const sets = [...perSet.values()];
      return {
        ...estimateOf(bootstrap, () => bootstrap.estimate),
        bootstrap,
        blocks,
        perSet,
        overSets: studentInterval(sets),
        pValue: signFlipTest(sets, { rng: rng.fork('signs') }).pValue,
      };
    },
    interquartile: (method, blocks) => {
      const own = matrix(method, blocks);
      const drawn = stratifiedBootstrap([own], ([scores]) => interquartileMean(scores), rng.fork(method), {
        replicates,
      });
      return estimateOf(drawn, () => interquartileMean(own));
    },
    improvement: (method, comparator, blocks) => {
      const [ours, theirs] = [matrix(method, blocks), matrix(comparator, blocks)];
      const drawn = stratifiedBootstrap(
        [ours, theirs],
        ([x, y]) => probabilityOfImprovement(x, y),
        rng.fork(`${method}/${comparator}`),
        { replicates },
      );
      return estimateOf(drawn, () => probabilityOfImprovement(ours, theirs));
    },
  };
}

/** Which method a chooser means for this block. */
export const nameOf = (chooser: Chooser, block: Block): string =>
  typeof chooser === 'string' ? chooser : chooser(block);

const keyOf = ({ dataset, damage }: Block, method: string): string => `${dataset}/${damage}/${method}`;

function remembered(compute: Analysis['mean']): Analysis['mean'] {
  const known = new Map<string, Bootstrap>();
  return (method, blocks, threshold = 'half') => {
    const key = [threshold, ...blocks.map((block) => keyOf(block, nameOf(method, block)))].join();
    const found = known.get(key) ?? compute(method, blocks, threshold);
    known.set(key, found);
    return found;
  };
}
