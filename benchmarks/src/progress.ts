import cliProgress from 'cli-progress';

/** A line on standard error that tells what runs and how long all of it will still take. */
export interface Progress {
  /** Before a task: its name. */
  start(name: string): void;
  /** After it. */
  finish(): void;
  end(): void;
}

/** @param tasks all that will run, with how long each takes about: so there is an ETA before the first one ends */
export function showProgress(tasks: readonly { readonly name: string; readonly seconds: number }[]): Progress {
  const bar = new cliProgress.SingleBar(
    {
      format: '{bar} {finished}/{tasks} | {left} left | {name}',
      barsize: 24,
      hideCursor: true,
      linewrap: false,
      noTTYOutput: true,
      notTTYSchedule: 10_000,
      // Measurements hold the thread for seconds: what is to be seen must be drawn at once.
      synchronousUpdate: true,
    },
    cliProgress.Presets.shades_classic,
  );
  const total = tasks.reduce((sum, { seconds }) => sum + seconds, 0);
  const begin = performance.now();
  let [finished, seconds] = [0, 0];
  const left = (): string => {
    const pace = finished === 0 ? 1 : (performance.now() - begin) / 1000 / seconds;
    const remaining = Math.round(pace * (total - seconds));
    return remaining < 60 ? `${remaining} s` : `${Math.floor(remaining / 60)} min ${remaining % 60} s`;
  };
  bar.start(total, 0, { finished, tasks: tasks.length, left: left(), name: '' });
  return {
    start(name) {
      bar.update(seconds, { finished, name, left: left() });
    },
    finish() {
      seconds += tasks[finished]?.seconds ?? 0;
      finished += 1;
      bar.update(seconds, { finished, left: left() });
    },
    end: () => bar.stop(),
  };
}
