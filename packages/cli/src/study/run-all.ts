import type { Screen } from '../screen.js';
import type { Dataset, DatasetSource } from './datasets.js';
import { cellInputs, type Found, seedsLeft, tuningInputs, tuningLeft } from './found.js';
import type { SuspectsAnswer, SuspectsTask } from './judge-labels.js';
import { bestCandidate, type Candidate, type Group } from './plan.js';
import { type Running, showProgress, type Totals } from './progress.js';
import type { CellAnswer, RunAnswer, RunTask, TuningAnswer } from './run.js';
import { modelOf, type Study } from './study.js';
import type { TuningResult } from './study-files.js';
import { flippedPlaces, type Listing, placeOf, type SuspectLists } from './suspect-lists.js';
import { type Outcome, onThreads } from './threads.js';

/** A run that is to be done, and where it belongs. */
interface Planned extends Running {
  readonly purpose: RunTask['purpose'];
  readonly group: Group;
  readonly candidate: Candidate;
  /** Of a tuning run: its place in the table of what is known. */
  readonly at: readonly [candidate: number, seed: number] | undefined;
  readonly task: RunTask;
}

/** Runs what is left, on all threads; what is known of a group decides what comes next. */
export async function runAll(
  study: Study,
  found: Found,
  lists: SuspectLists,
  screen: Screen,
): Promise<'done' | 'aborted'> {
  const { files, groups, config, script } = study;
  const progress = showProgress(screen, config.name, totalsOf(study, found, lists));
  /** In the order of the plan, but for cells whose tuning has just ended: they come first. */
  const waiting: (Planned | Listing)[] = [];
  const urgent: Planned[] = [];
  let next = 0;
  const running = new Map<RunTask | SuspectsTask, Planned | Listing>();

  const fail = async (run: Running, group: Group, error: string): Promise<void> => {
    const { dataset, damage, method, seed } = run;
    const key = { track: config.name, dataset, damage, method, seed };
    await files.writeCell({ ...key, inputs: cellInputs(study, group, seed), error });
    found.failed++;
    progress.ended(run);
  };

  /** The cells of a group that is tuned; those of one that nothing could be trained for have failed. */
  const cellsOf = async (group: Group): Promise<Planned[]> => {
    const left = seedsLeft(study, found, group);
    const tuned = found.tuning.get(group) as readonly TuningResult[][];
    const scores = tuned.map((results) => results.map((result) => ('score' in result ? result.score : null)));
    const best = tuned.length > 0 ? bestCandidate(scores) : 0;
    if (best !== undefined) return left.map((seed) => planned(study, group, best, seed));
    const first = tuned.flat().find((result) => 'error' in result) as { readonly error: string };
    const { dataset, damage, method } = group;
    for (const seed of left) {
      await fail(
        { purpose: 'cell', dataset, damage, method, seed },
        group,
        `no candidate of tuning could be trained: ${first.error}`,
      );
    }
    return [];
  };

  const take = async (run: Planned, outcome: Outcome<RunAnswer>): Promise<void> => {
    const { group, candidate, seed, at, dataset, damage, method } = run;
    if (at !== undefined) {
      const inputs = tuningInputs(study, group, candidate, seed);
      const result = { inputs, candidate, seed, ...said(outcome) };
      await files.writeTuning(group, result);
      const tuned = found.tuning.get(group) as (TuningResult | undefined)[][];
      (tuned[at[0]] as (TuningResult | undefined)[])[at[1]] = result;
      progress.ended(run);
      if (tuned.flat().every((each) => each !== undefined)) urgent.push(...(await cellsOf(group)));
    } else if ('problem' in outcome) {
      await fail(run, group, outcome.problem);
    } else {
      const { measured } = outcome.answer as CellAnswer;
      const key = { track: config.name, dataset, damage, method, seed };
      await files.writeCell({ ...key, ...measured, tuned: candidate, inputs: cellInputs(study, group, seed) });
      found.finished++;
      progress.ended(run);
    }
  };

  const places = new Set<string>();
  for (const group of groups) {
    // Before the runs of the same place: they read the same things, and some ask the same judge.
    const place = placeOf(group);
    if (!places.has(place)) waiting.push(...lists.left.filter((listing) => placeOf(listing) === place));
    places.add(place);
    const missing = tuningLeft(study, found, group);
    const runs = missing.map(([c, s]) => planned(study, group, c, config.tuning.seeds[s] as number, [c, s]));
    waiting.push(...(runs.length > 0 ? runs : await cellsOf(group)));
  }
  try {
    return await onThreads<RunTask | SuspectsTask, RunAnswer | SuspectsAnswer>({
      threads: study.threads,
      script,
      data: null,
      next() {
        const run = urgent.shift() ?? waiting[next++];
        if (!run) return undefined;
        running.set(run.task, run);
        progress.started(run);
        return run.task;
      },
      async done(task, outcome) {
        const run = running.get(task) as Planned | Listing;
        running.delete(task);
        if (run.purpose !== 'suspects') return take(run, outcome as Outcome<RunAnswer>);
        await lists.take(run, outcome as Outcome<SuspectsAnswer>);
        progress.ended(run);
      },
      signal: study.signal,
    });
  } finally {
    progress.end();
  }
}

function planned(study: Study, group: Group, index: number, seed: number, at?: Planned['at']): Planned {
  const { dataset, damage, method } = group;
  const candidate = group.candidates[index] as Candidate;
  const purpose = at === undefined ? 'cell' : 'tuning';
  const task: RunTask = {
    kind: 'run',
    purpose,
    source: study.sources.get(group.source) as DatasetSource,
    fingerprint: (study.datasets.get(group.source) as Dataset).fingerprint,
    damaged: group.damaged,
    settings: { ...group.settings, ...candidate },
    seed,
    out: study.out,
    model: modelOf(study, group),
  };
  return { purpose, dataset, damage, method, seed, group, candidate, at, task };
}

/** A run that fails is no candidate; it says why. */
function said(outcome: Outcome<RunAnswer>): { score: number; seconds: number } | { error: string } {
  if ('problem' in outcome) return { error: outcome.problem };
  const { score, seconds } = outcome.answer as TuningAnswer;
  return { score, seconds };
}

function totalsOf(study: Study, found: Found, lists: SuspectLists): Totals {
  const { groups, config } = study;
  const cells = groups.length * config.seeds.length;
  const tunings = groups.filter(({ candidates }) => candidates.length > 1);
  const tuningRuns = tunings.reduce((sum, { candidates }) => sum + candidates.length * config.tuning.seeds.length, 0);
  const runs = cells + tuningRuns + flippedPlaces(groups).length * config.seeds.length;
  const left = groups.map((group) => [seedsLeft(study, found, group).length, tuningLeft(study, found, group).length]);
  const [cellsLeft, tuningsLeft] = [0, 1].map((i) => left.reduce((sum, both) => sum + (both[i] as number), 0));
  return {
    runs,
    cells,
    runsDone: runs - (cellsLeft as number) - (tuningsLeft as number) - lists.left.length,
    cellsDone: cells - (cellsLeft as number),
  };
}
