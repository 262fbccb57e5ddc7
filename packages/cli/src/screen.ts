import cliProgress from 'cli-progress';
import pc from 'picocolors';

/** Where progress goes: standard error, so that standard output holds results alone. */
export interface Screen {
  /** A line of its own, above any bar. */
  say(text: string): void;
  /** Starts a bar of `total` steps (or what `unit` says), of which `done` are done; replaces the one before. */
  bar(label: string, total: number, done?: number, unit?: string): void;
  /** Moves the bar; `note` stands at its end. */
  move(done: number, note: string): void;
  /** Ends the bar, leaving it as it stands. */
  end(): void;
}

/** A bar that is drawn anew in a terminal. */
function terminal(stream: NodeJS.WriteStream): Screen {
  let bar: cliProgress.SingleBar | undefined;
  const end = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    say(text) {
      end();
      stream.write(`${text}\n`);
    },
    bar(label, total, done = 0, unit = 'steps') {
      end();
      bar = new cliProgress.SingleBar(
        {
          format: `${label} ${pc.cyan('{bar}')} {percentage}% | {value}/{total} ${unit} | ETA {eta_formatted} | {note}`,
          stream,
          hideCursor: true,
          barsize: 24,
          etaBuffer: 60,
          fps: 8,
          linewrap: false,
        },
        cliProgress.Presets.shades_classic,
      );
      bar.start(total, done, { note: '' });
    },
    move: (done, note) => bar?.update(done, { note }),
    end,
  };
}

/** A line now and then where nobody can redraw: logs, pipes, CI. */
function lines(stream: NodeJS.WriteStream): Screen {
  const everyMs = 5_000;
  let label = '';
  let unit = '';
  let total = 0;
  let first = 0;
  let last = { done: 0, note: '' };
  let started = 0;
  let written = 0;
  const write = (): void => {
    written = performance.now();
    const elapsed = (written - started) / 1000;
    const eta = last.done > first ? (elapsed / (last.done - first)) * (total - last.done) : Number.NaN;
    const left = Number.isFinite(eta) ? `ETA ${Math.round(eta)}s` : 'ETA unknown';
    stream.write(`${label} ${last.done}/${total} ${unit} | ${left} | ${last.note}\n`);
  };
  return {
    say: (text) => void stream.write(`${text}\n`),
    bar(name, steps, done = 0, of = 'steps') {
      label = name;
      unit = of;
      total = steps;
      first = done;
      last = { done, note: '' };
      started = performance.now();
      written = started;
    },
    move(done, note) {
      last = { done, note };
      if (performance.now() - written >= everyMs) write();
    },
    end: () => {
      if (last.done === total && label !== '') write();
      label = '';
    },
  };
}

/** The screen that fits the stream. */
export const screenFor = (stream: NodeJS.WriteStream): Screen => (stream.isTTY ? terminal(stream) : lines(stream));
