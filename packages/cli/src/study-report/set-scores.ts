import { createRng, DataError } from '@tsrl/core';
import { type Bootstrap, crossedBootstrap, meanOverTasks } from '@tsrl/evaluation';
import { balancedAccuracies } from './balanced-accuracies.js';
import { bits } from './bits.js';
import { type CellResult, pathOf, type Track } from './cell.js';

/** The decision threshold: 0.5, or chosen on the validation split. */
export type Threshold = 'half' | 'chosen';

/** A data set under a damage. */
export interface Block {
  readonly dataset: string;
  readonly damage: string;
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

/**
 * Every method with all its seeds, under every damage of one data set, drawn together.
 *
 * @throws DataError for right answers that do not fit the balanced accuracy beside them
 */
export function scoresOf(track: Track, dataset: string, replicates: number): Score[] {
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
