import type { Json } from '@tsrl/core';
import type { CellKey, CellResult as StudyCell } from '../study/cell-result.js';

export type { CellKey, CellMetrics } from '../study/cell-result.js';

/** A cell of the grid as the report keeps it. */
export type CellResult = Omit<StudyCell, 'inputs'>;

/** A cell that ended in an error. */
export interface FailedCell extends CellKey {
  readonly error: string;
}

/** A test set: how many examples, how many of class 1, and their labels as bits in base64. */
export interface TestSet {
  readonly test: number;
  readonly positives: number;
  readonly labels: string;
}

/** What OUT/study.json says of a study. */
export interface StudyHeader {
  readonly name: string;
  readonly configuration: Json;
  readonly machine: Json;
  readonly versions: Json;
  readonly datasets: Readonly<Record<string, TestSet>>;
}

/** A list of suspicious labels that was held against the labels flipped on purpose. */
export interface SuspectList {
  readonly dataset: string;
  readonly damage: string;
  readonly seed: number;
  /** How many examples were looked at from the top of the list. */
  readonly listed: number;
  /** How many of them had been flipped. */
  readonly flipped: number;
}

/** All that is known of one track: the cells of one or more studies. */
export interface Track {
  readonly name: string;
  readonly studies: readonly Omit<StudyHeader, 'datasets'>[];
  readonly datasets: Readonly<Record<string, TestSet>>;
  readonly cells: readonly CellResult[];
  readonly failed: readonly FailedCell[];
  readonly suspects: readonly SuspectList[];
}

/** DATASET/DAMAGE/METHOD/SEED, as the path of the cell has it. */
export const pathOf = ({ dataset, damage, method, seed }: CellKey): string => `${dataset}/${damage}/${method}/${seed}`;
