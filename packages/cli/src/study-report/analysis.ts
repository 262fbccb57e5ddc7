import { createRng, DataError } from '@tsrl/core';
import {
  type Bootstrap,
  combineBootstraps,
  crossedBootstrap,
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
import { balancedAccuracies } from './balanced-accuracies.js';
import { bits } from './bits.js';
import { type CellResult, pathOf, type Track } from './cell.js';
import type { DamageGroup, Plan } from './plan.js';

/** The decision threshold: 0.5, or chosen on the validation split. */
export type Threshold = 'half' | 'chosen';

/** A data set under a damage. */
export interface Block {
  readonly dataset: string;
  readonly damage: string;
}

/** A number and where it lies: `null` where nothing can be said. */
export interface Estimate {
  readonly estimate: number;
  readonly interval: Interval | null;
}

/** A method on a data set under a damage, over all seeds. */
export interface Score extends Block {
  readonly method: string;
  /** Balanced accuracy at each threshold, over seeds and test examples drawn again. */
  readonly bootstrap: Readonly<Record<Threshold, Bootstrap>>;
  /** One for each seed. */
  readonly perSeed: Readonly<Record<Threshold, readonly number[]>>;
  /** How many seeds failed. */
  readonly failures: number;
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
  const matrix = (method: string, blocks: readonly Block[]): Scores => {
    const columns = blocks.map((block) => scoreOf(block, method).perSeed.half);
    return (columns[0] ?? []).map((_, seed) => columns.map((column) => column[seed] as number));
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

/** Every method with all its seeds, under every damage of one data set, drawn together. */
function scoresOf(track: Track, dataset: string, replicates: number): Score[] {
  const test = track.datasets[dataset];
  if (!test) throw new DataError('study.json', `must have the test labels of ${dataset}`);
  const labels = bits(test.labels, test.test, `study.json, labels of ${dataset}`);
  const cells = new Map(track.cells.filter((cell) => cell.dataset === dataset).map((cell) => [pathOf(cell), cell]));
  const failed = new Set(track.failed.filter((cell) => cell.dataset === dataset).map(pathOf));
  const keys = [...cells.values(), ...track.failed.filter((cell) => cell.dataset === dataset)];
  const seeds = [...new Set(keys.map(({ seed }) => seed))].sort((a, b) => a - b);
  const entries = [...new Map(keys.map(({ damage, method }) => [`${damage}/${method}`, { damage, method }])).values()]
    .map((entry) => ({
      ...entry,
      runs: seeds.map((seed) => cells.get(`${dataset}/${entry.damage}/${entry.method}/${seed}`)),
      failures: seeds.filter((seed) => failed.has(`${dataset}/${entry.damage}/${entry.method}/${seed}`)).length,
    }))
    .filter(({ runs, failures }) => runs.filter(Boolean).length + failures === seeds.length);
  if (entries.length === 0) return [];

  const thresholds = ['half', 'chosen'] as const;
  const right = entries.flatMap(({ runs }) =>
    thresholds.map((threshold) => runs.map((run) => (run ? rightOf(run, labels, threshold) : labels))),
  );
  const bootstraps = crossedBootstrap(
    balancedAccuracies(labels, right),
    {
      seeds: seeds.length,
      examples: labels.length,
      strata: labels,
      over: seeds.length > 1 ? 'both' : 'examples',
      replicates,
    },
    createRng(0).fork(`${track.name}/${dataset}`),
  );
  if (!bootstraps) throw new DataError('study.json', `${dataset} must have more than one test example`);
  return entries.map(({ damage, method, runs, failures }, i): Score => {
    const [half, chosen] = [bootstraps[2 * i] as Bootstrap, bootstraps[2 * i + 1] as Bootstrap];
    const perSeed = (threshold: Threshold): number[] => runs.map((run) => run?.[threshold].balancedAccuracy ?? 0.5);
    const score = {
      dataset,
      damage,
      method,
      bootstrap: { half, chosen },
      perSeed: { half: perSeed('half'), chosen: perSeed('chosen') },
      failures,
    };
    for (const threshold of thresholds) {
      const said = meanOverTasks([score.perSeed[threshold]]);
      const counted = score.bootstrap[threshold].estimate;
      if (Math.abs(said - counted) <= 1e-4) continue;
      throw new DataError(
        `${dataset}/${damage}/${method}`,
        `the right answers (${threshold}) give a balanced accuracy of ${counted.toFixed(4)}; the metrics say ${said.toFixed(4)}`,
      );
    }
    return score;
  });
}

function rightOf(cell: CellResult, labels: Uint8Array, threshold: Threshold): Uint8Array {
  return bits(threshold === 'half' ? cell.right : cell.rightChosen, labels.length, pathOf(cell));
}
