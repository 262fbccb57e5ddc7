import { DataError, type Rng, ShapeError } from '@tsrl/core';
import { expectScores, type Scores } from '../aggregates/scores.js';
import { expectWhole } from '../whole-number.js';
import { type Bootstrap, drawIndex, expectFiniteStatistic, type ReplicatesOptions, replicate } from './bootstrap.js';

/** Options of {@link stratifiedBootstrap}. */
export interface StratifiedOptions extends ReplicatesOptions {
  /** Whether run i of one method belongs to run i of the others, so that they are drawn together. Default false. */
  readonly paired?: boolean;
  /** Whether tasks are drawn again too, the same for all methods: for claims beyond these tasks. Default false. */
  readonly resampleTasks?: boolean;
}

/**
 * The bootstrap of rliable: within each task, and independently of the other tasks, the runs are drawn with
 * replacement; the statistic gets the scores drawn, one matrix per method.
 *
 * ```ts
 * stratifiedBootstrap([scores], ([drawn]) => interquartileMean(drawn), rng);
 * stratifiedBootstrap([ours, theirs], ([x, y]) => probabilityOfImprovement(x, y), rng);
 * stratifiedBootstrap([ours, theirs], ([x, y]) => meanOverTasks(x) - meanOverTasks(y), rng, { paired: true });
 * ```
 *
 * The matrices are used again for the next resample. `null` when a method has a single run: intervals over seeds are
 * then undefined. Defaults of rliable are 50,000 replicates for aggregates and 2,000 for profiles; here it is 10,000.
 *
 * @param methods scores[run][task] of each method
 * @throws OptionError for `replicates`, ShapeError when rows differ in length, methods differ in tasks, or in runs when
 * paired, DataError for no method, no score, a score that is not finite, or a statistic that is not
 * @see Agarwal et al. 2021, arXiv:2108.13264, section 4.1
 */
export function stratifiedBootstrap<const Methods extends readonly Scores[]>(
  methods: Methods,
  statistic: (drawn: { readonly [Method in keyof Methods]: Scores }) => number,
  rng: Rng,
  { replicates = 10_000, paired = false, resampleTasks = false }: StratifiedOptions = {},
): Bootstrap | null {
  const who = 'stratifiedBootstrap';
  expectWhole(who, 'replicates', replicates, 1);
  const tasks = expectComparable(who, methods, paired);
  if (methods.some((scores) => scores.length === 1)) return null;

  type Drawn = { readonly [Method in keyof Methods]: Scores };
  const estimate = expectFiniteStatistic(who, statistic(methods as unknown as Drawn));
  const drawn = methods.map((scores) => scores.map(() => new Float64Array(tasks)));
  return replicate(who, estimate, replicates, () => {
    for (let slot = 0; slot < tasks; slot++) {
      const task = resampleTasks ? drawIndex(tasks, rng) : slot;
      if (paired) {
        const runs = (methods[0] as Scores).length;
        for (let run = 0; run < runs; run++) {
          const source = drawIndex(runs, rng);
          methods.forEach((scores, m) => {
            copy(scores, source, task, (drawn[m] as Float64Array[])[run] as Float64Array, slot);
          });
        }
      } else {
        methods.forEach((scores, m) => {
          for (const row of drawn[m] as Float64Array[]) copy(scores, drawIndex(scores.length, rng), task, row, slot);
        });
      }
    }
    return statistic(drawn as unknown as Drawn);
  });
}

function copy(scores: Scores, run: number, task: number, row: Float64Array, slot: number): void {
  row[slot] = (scores[run] as ArrayLike<number>)[task] as number;
}

function expectComparable(who: string, methods: readonly Scores[], paired: boolean): number {
  const [first] = methods;
  if (first === undefined) throw new DataError(who, 'there is no method to resample');
  const tasks = expectScores(who, 'methods[0]', first);
  methods.forEach((scores, m) => {
    const count = expectScores(who, `methods[${m}]`, scores);
    if (count !== tasks) throw new ShapeError(who, `methods[${m}]`, `of ${tasks} tasks like methods[0]`, `${count}`);
    if (paired && scores.length !== first.length) {
      throw new ShapeError(
        who,
        `methods[${m}]`,
        `of ${first.length} runs like methods[0], to be paired`,
        `${scores.length}`,
      );
    }
  });
  return tasks;
}
