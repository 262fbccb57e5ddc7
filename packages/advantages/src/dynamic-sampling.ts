import { DataError, OptionError, type Tracker } from '@tsrl/core';
import { momentsOfGroups } from './group-moments.js';
import type { GroupInputs } from './group-relative.js';
import { NEGLIGIBLE_VARIANCE } from './moments.js';

/** Options of {@link unequalGroups}. */
export interface UnequalGroupsOptions {
  /** Whether a group with a single reward is kept. Default false. */
  readonly keepSingletons?: boolean;
}

/**
 * The rows of the groups that teach something: those whose rewards are not all equal (variance above 1e-12). A row
 * whose reward is `null` stays with its group.
 *
 * Differences: verl keeps groups of one (`keepSingletons: true`).
 *
 * @returns rows, group by group in the order of their first rows
 * @throws ShapeError when the lengths differ or are 0, DataError for a reward that is neither finite nor `null`
 * @see Yu et al. 2025 (DAPO), arXiv:2503.14476, section 3.2
 */
export function unequalGroups(inputs: GroupInputs, options: UnequalGroupsOptions = {}): readonly (readonly number[])[] {
  return keptGroups('unequalGroups', inputs, options);
}

function keptGroups(
  who: string,
  { rewards, groups }: GroupInputs,
  { keepSingletons = false }: UnequalGroupsOptions,
): readonly (readonly number[])[] {
  const { ids, index, counts, variances } = momentsOfGroups(who, rewards, groups, 'population');
  const rows: number[][] = ids.map(() => []);
  index.forEach((group, row) => {
    rows[group]?.push(row);
  });
  return rows.filter(
    (_, group) => (variances[group] as number) > NEGLIGIBLE_VARIANCE || (keepSingletons && counts[group] === 1),
  );
}

/** Options of {@link dynamicSampling}. */
export interface DynamicSamplingOptions extends UnequalGroupsOptions {
  /** How many groups a training batch takes. */
  readonly prompts: number;
  /** How often to sample at most before giving up. Default without end. */
  readonly maxBatches?: number;
}

/** What was collected so far, as JSON: the caller keeps the responses. */
export interface CollectedGroups {
  readonly [key: string]: number | readonly { readonly batch: number; readonly rows: readonly number[] }[];
  /** Sampled batches so far. */
  readonly batches: number;
  /** The kept groups: `rows` of the `batch`-th sampled batch, counted from 0. At most `prompts`. */
  readonly groups: readonly { readonly batch: number; readonly rows: readonly number[] }[];
}

/**
 * Dynamic sampling: sample until `prompts` groups of unequal rewards are there. Each update sees the rewards of one
 * more batch; training goes on once `state.groups.length` is `prompts`, and the next collection starts from `initial`.
 * What is found beyond `prompts` is left out.
 *
 * @throws OptionError unless prompts, and maxBatches if it is given, are whole numbers of at least 1; when updated,
 * what `unequalGroups` throws, and DataError when `maxBatches` did not bring enough groups
 * @see Yu et al. 2025 (DAPO), arXiv:2503.14476, equation 11
 */
export function dynamicSampling({
  prompts,
  maxBatches = Number.POSITIVE_INFINITY,
  keepSingletons = false,
}: DynamicSamplingOptions): Tracker<CollectedGroups, GroupInputs> {
  if (!(Number.isInteger(prompts) && prompts >= 1)) {
    throw new OptionError('dynamicSampling', 'prompts', 'a whole number, at least 1', prompts);
  }
  if (!(maxBatches === Number.POSITIVE_INFINITY || (Number.isInteger(maxBatches) && maxBatches >= 1))) {
    throw new OptionError('dynamicSampling', 'maxBatches', 'a whole number, at least 1', maxBatches);
  }
  return {
    initial: { batches: 0, groups: [] },
    update({ batches, groups }, inputs) {
      const found = keptGroups('dynamicSampling', inputs, { keepSingletons });
      const all = [...groups, ...found.map((rows) => ({ batch: batches, rows }))].slice(0, prompts);
      if (all.length < prompts && batches + 1 >= maxBatches) {
        const problem = `${maxBatches} batches must bring ${prompts} groups of unequal rewards; got ${all.length}`;
        throw new DataError('dynamicSampling', problem);
      }
      return { batches: batches + 1, groups: all };
    },
  };
}
